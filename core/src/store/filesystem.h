// Which file systems cannot hold a store. A WAL needs memory that all processes share and locks
// that the kernel really enforces; where either is missing, SQLite damages the file without an
// error.
#ifndef MILLRACE_STORE_FILESYSTEM_H_
#define MILLRACE_STORE_FILESYSTEM_H_

#include <cstdint>
#include <functional>
#include <string>

#include "millrace/status.h"

namespace millrace::store {

struct FilesystemInfo {
  uint64_t magic = 0;  // statfs f_type; 0: unknown
  std::string type;  // as in /proc/self/mountinfo ("ext4", "virtiofs", "fuse.sshfs"); may be empty
};

// kUnsupportedFilesystem with the reason if a store must not be in this directory.
Status CheckFilesystem(const std::string& directory, const FilesystemInfo& info);

// What the directory is on.
Result<FilesystemInfo> ProbeFilesystem(const std::string& directory);

// The type of the mount with device `major:minor` in the text of /proc/self/mountinfo; empty if it
// is not there.
std::string MountType(const std::string& mountinfo, unsigned major, unsigned minor);

// Replaces the probe of Store::Open while it exists. For tests; one at a time.
using FilesystemProbe = std::function<Result<FilesystemInfo>(const std::string& directory)>;
class ScopedFilesystemProbe {
 public:
  explicit ScopedFilesystemProbe(FilesystemProbe probe);
  ~ScopedFilesystemProbe();
  ScopedFilesystemProbe(const ScopedFilesystemProbe&) = delete;
  ScopedFilesystemProbe& operator=(const ScopedFilesystemProbe&) = delete;
};
// ProbeFilesystem, or what a test has put in its place.
Result<FilesystemInfo> ProbeFilesystemForOpen(const std::string& directory);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_FILESYSTEM_H_
