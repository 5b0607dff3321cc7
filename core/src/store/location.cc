#include "store/location.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/macros.h"
#include "store/errors.h"

namespace millrace::store {
namespace {

constexpr char kMemory[] = ":memory:";
constexpr char kAccepted[] =
    "accepted are a file path such as 'jobs.db', 'sqlite:///jobs.db' and ':memory:'";

Status Refused(const std::string& text, const std::string& why) {
  return Status(Code::kInvalidArgument, "store '" + text + "' " + why + "; " + kAccepted);
}

// The scheme of "scheme://rest", in lower case; empty if the text is no URL.
std::string SchemeOf(std::string_view text) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return {};
  std::string scheme(text.substr(0, end));
  for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool valid = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
  });
  return valid ? scheme : std::string();
}

Result<std::string> PathOfUrl(const std::string& text, const std::string& scheme) {
  if (scheme.starts_with("redis") || scheme.starts_with("valkey") || scheme.starts_with("amqp")) {
    return Refused(text, "names a server: Millrace works on one SQLite file and needs none");
  }
  if (scheme.starts_with("postgres")) {
    return Refused(text, "is on PostgreSQL, which this version does not support");
  }
  if (scheme == "file") return Refused(text, "is a file: URL; give the path itself");
  if (scheme != "sqlite") return Refused(text, "has the unknown URL scheme '" + scheme + "'");
  const std::string rest = text.substr(text.find("://") + 3);
  if (!rest.starts_with('/')) {
    return Refused(
        text, "names a host: write three slashes for a relative path, four for an absolute one");
  }
  if (rest.find_first_of("?#") != std::string::npos) {
    return Refused(text, "has URL parameters, which are not supported: pass options as arguments");
  }
  return rest.substr(1);
}

Status CheckFile(const std::string& path) {
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return Status::Ok();
    return ErrnoStatus(errno, "looking at the store " + path);
  }
  if (S_ISDIR(file.st_mode)) {
    return Status(Code::kNotAStore, "the store " + path + " is a directory; name a file in it");
  }
  if (!S_ISREG(file.st_mode)) {
    return Status(Code::kNotAStore, "the store " + path + " is not a regular file");
  }
  if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
    return ErrnoStatus(errno, "the store " + path + " must be readable and writable by this user");
  }
  return Status::Ok();
}

// SQLite makes the -wal and -shm files beside the database, so the directory must be writable too.
Status CheckDirectory(const std::string& directory) {
  struct stat status = {};
  if (stat(directory.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return Status(Code::kNotFound,
                    "the store's directory " + directory + " does not exist; create it first");
    }
    return ErrnoStatus(errno, "looking at the store's directory " + directory);
  }
  if (!S_ISDIR(status.st_mode)) {
    return Status(Code::kInvalidArgument,
                  "the store cannot be in " + directory + ", which is not a directory");
  }
  if (faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return ErrnoStatus(
        errno, "the store's directory " + directory +
                   " must be writable by this user (SQLite keeps two files beside the store)");
  }
  return Status::Ok();
}

Result<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(path.c_str(), nullptr), free);
  if (!resolved) return ErrnoStatus(errno, "resolving " + path);
  return std::string(resolved.get());
}

std::string FileNameOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

Result<Location> ParseLocation(const std::string& text) {
  if (text.empty())
    return Status(Code::kInvalidArgument, std::string("the store's path is empty; ") + kAccepted);
  if (text.find('\0') != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  std::string("the store's path contains a NUL character; ") + kAccepted);
  }
  std::string path = text;
  const std::string scheme = SchemeOf(text);
  if (!scheme.empty()) {
    ASSIGN_OR_RETURN(path, PathOfUrl(text, scheme));
    if (path.empty()) return Refused(text, "names no file");
  } else if (text.starts_with("file:") || text.starts_with("sqlite:")) {
    return Refused(text, "looks like a URL that is not complete");
  }
  if (path == kMemory) return Location{.in_memory = true, .path = {}};
  if (path.ends_with('/')) return Refused(text, "ends with '/': name a file, not a directory");
  // SQLite appends "-journal" to names, and refuses what is longer than its own limit with a
  // message about anything.
  if (path.size() > PATH_MAX - 16) return Refused(text.substr(0, 64) + "...", "is too long a path");
  return Location{.in_memory = false, .path = path};
}

Result<std::string> ResolvePath(const std::string& path) {
  std::string directory = DirectoryOf(path);
  RETURN_IF_ERROR(CheckDirectory(directory));
  struct stat link = {};
  if (lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode)) {
    ASSIGN_OR_RETURN(const std::string target, RealPath(path));
    RETURN_IF_ERROR(CheckDirectory(DirectoryOf(target)));
    RETURN_IF_ERROR(CheckFile(target));
    return target;
  }
  RETURN_IF_ERROR(CheckFile(path));
  ASSIGN_OR_RETURN(directory, RealPath(directory));
  return (directory == "/" ? "" : directory) + "/" + FileNameOf(path);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status SyncDirectory(const std::string& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // A directory that may be written but not listed cannot be opened; some file systems cannot sync
  // one.
  if (descriptor < 0)
    return errno == EACCES ? Status::Ok() : ErrnoStatus(errno, "opening " + directory);
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  if (result != 0 && error != EINVAL && error != ENOTSUP)
    return ErrnoStatus(error, "syncing " + directory);
  return Status::Ok();
}

}  // namespace millrace::store
