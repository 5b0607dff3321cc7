#include "wake/sidecar.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "base/fork.h"
#include "base/id.h"
#include "base/macros.h"
#include "base/unique_fd.h"

namespace millrace::wake {
namespace {

constexpr int kOpenTries = 8;

Status IoError(const char* what, const std::string& path, int error) {
  const Code code = error == ENOSPC || error == EDQUOT                    ? Code::kDiskFull
                    : error == EACCES || error == EROFS || error == EPERM ? Code::kPermissionDenied
                                                                          : Code::kIoError;
  return Status(code,
                std::string(what) + " " + path + ": " + std::generic_category().message(error));
}

// The whole header through read(), which cannot raise a signal; the mapping comes after.
bool IsSidecar(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (info.st_size != static_cast<off_t>(sizeof(Layout))) return false;
  struct {
    uint64_t magic;
    uint32_t version;
    uint32_t size;
  } head;
  if (pread(fd, &head, sizeof(head), 0) != static_cast<ssize_t>(sizeof(head))) return false;
  return head.magic == kMagic && head.version == kLayoutVersion && head.size == sizeof(Layout);
}

// Writes zeros to all of it: unlike posix_fallocate this also allocates on file systems without
// that call.
Status Fill(int fd, const std::string& path) {
  alignas(8) char block[4096] = {};
  const uint32_t size = sizeof(Layout);
  for (off_t at = 0; at < static_cast<off_t>(sizeof(Layout)); at += sizeof(block)) {
    std::memset(block, 0, sizeof(block));
    if (at == 0) {
      std::memcpy(block, &kMagic, sizeof(kMagic));
      std::memcpy(block + 8, &kLayoutVersion, sizeof(kLayoutVersion));
      std::memcpy(block + 12, &size, sizeof(size));
    }
    const ssize_t written = pwrite(fd, block, sizeof(block), at);
    if (written != static_cast<ssize_t>(sizeof(block))) {
      return IoError("cannot write", path, written < 0 ? errno : ENOSPC);
    }
  }
  return Status::Ok();
}

// A complete new sidecar under `path`. `replace`: whatever has the name now; else an existing file
// is left alone and that is no error. It gets its name only when it is whole.
Status Create(const std::string& path, bool replace) {
  char suffix[32];
  std::snprintf(suffix, sizeof(suffix), ".%016llx",
                static_cast<unsigned long long>(RandomBits64()));
  const std::string temporary = path + suffix;
  UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return IoError("cannot create", temporary, errno);
  Status status = Fill(fd.get(), temporary);
  if (status.ok()) {
    if (replace) {
      if (rename(temporary.c_str(), path.c_str()) == 0) return Status::Ok();
      status = IoError("cannot replace", path, errno);
    } else if (link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
      // A file system without hard links: rename may replace a file that another process has just
      // made, which costs that one its next check.
      if (rename(temporary.c_str(), path.c_str()) == 0) return Status::Ok();
      status = IoError("cannot create", path, errno);
    }
  }
  unlink(temporary.c_str());
  return status;
}

}  // namespace

Sidecar::Sidecar(Layout* layout, int fd, dev_t device, ino_t inode)
    : layout_(layout),
      fd_(fd),
      device_(device),
      inode_(inode),
      fork_generation_(ForkGeneration()) {}

Sidecar::~Sidecar() {
  // After fork() the child has no such mapping, and something else of the child's may be at its
  // address.
  if (fork_generation_ == ForkGeneration()) munmap(layout_, sizeof(Layout));
  if (fd_ >= 0) close(fd_);
}

Result<std::shared_ptr<Sidecar>> Sidecar::Map(int fd) {
  UniqueFd owned(fd);
  struct stat info = {};
  if (fd >= 0 && fstat(fd, &info) != 0) return IoError("cannot stat", "the sidecar", errno);
  const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, flags, fd, 0);
  if (memory == MAP_FAILED) return IoError("cannot map", "the sidecar", errno);
#ifdef MADV_DONTFORK
  madvise(memory, sizeof(Layout), MADV_DONTFORK);
#endif
  return std::shared_ptr<Sidecar>(
      new Sidecar(static_cast<Layout*>(memory), owned.Release(), info.st_dev, info.st_ino));
}

Result<std::shared_ptr<Sidecar>> Sidecar::MakePrivate() {
  return Map(-1);
}

Result<std::shared_ptr<Sidecar>> Sidecar::OpenFile(const std::string& path) {
  for (int i = 0; i < kOpenTries; ++i) {
    // O_NONBLOCK: somebody may have put a FIFO there.
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd.get() >= 0 && IsSidecar(fd.get())) return Map(fd.Release());
    const bool missing = fd.get() < 0 && errno == ENOENT;
    RETURN_IF_ERROR(Create(path, !missing));
  }
  return Status(Code::kIoError, "cannot open " + path + ": it is replaced by others all the time");
}

bool Sidecar::Intact() const {
  struct stat info;
  return fd_ < 0 || (fstat(fd_, &info) == 0 && info.st_size >= static_cast<off_t>(sizeof(Layout)));
}

bool Sidecar::IsAt(const std::string& path) const {
  struct stat info;
  return fd_ >= 0 && lstat(path.c_str(), &info) == 0 && info.st_dev == device_ &&
         info.st_ino == inode_;
}

}  // namespace millrace::wake
