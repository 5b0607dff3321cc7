// A CrashDisk as a SQLite VFS for one process, WAL and shared memory included. Use it through
// OpenOptions::test_vfs.
#ifndef MILLRACE_TESTS_CORE_STORE_CRASH_VFS_H_
#define MILLRACE_TESTS_CORE_STORE_CRASH_VFS_H_

#include <map>
#include <memory>
#include <string>

#include "store/crash_vfs_disk.h"

struct sqlite3_vfs;

namespace millrace::store {

// Registers a VFS under a name of its own; the destructor takes it away (all connections must be
// closed). Shared memory and locks are gone with the object, as after a power cut; the disk's
// contents can be carried into a new one.
class CrashVfs {
 public:
  CrashVfs() : CrashVfs(std::map<std::string, std::string>()) {}
  explicit CrashVfs(const std::map<std::string, std::string>& contents);
  ~CrashVfs();
  CrashVfs(const CrashVfs&) = delete;
  CrashVfs& operator=(const CrashVfs&) = delete;

  const std::string& name() const { return name_; }
  CrashDisk& disk() { return disk_; }

  struct Locks;

 private:
  friend struct CrashVfsMethods;
  std::shared_ptr<Locks> LocksOf(const std::string& name);

  const std::string name_;
  CrashDisk disk_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Locks>> locks_;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_CRASH_VFS_H_
