// The system calls of our private SQLite.
//
// POSIX record locks belong to the process and vanish when anyone in it closes any descriptor of
// the file. Two copies of SQLite in one process (Python's sqlite3 and ours) therefore drop each
// other's locks, and commits are lost without an error. In our private copy the lock calls become
// open-file-description locks, which only closing our own descriptor releases, and which still
// exclude the POSIX locks of everybody else.
//
// What else changes with them, and why that is sound for files in WAL mode (and only for these):
// SQLite counts its connections to one file and issues the lock calls for all of them on whichever
// descriptor is at hand. A lock taken through connection A's descriptor is thus not released
// through B's. In WAL mode each connection holds its SHARED lock on the database file for life, and
// all other locks are on the -shm file, for which a process has one descriptor. What remains is
// that the last connection to close may find a SHARED lock left behind on a closed one's
// descriptor; it then leaves an empty WAL in place in place of deleting it. Rollback mode, in which
// a file is only while it is created, is used with one connection, under the writer lock.
//
// The other replacements serve fork(), see fork_guard.h: open and close register the descriptors;
// mmap adds MADV_DONTFORK (a mapping, too, keeps an open file and its locks alive); stat and fstat
// give each generation of processes device numbers of its own, so that a child never finds SQLite's
// bookkeeping of its parent's files.
#ifndef MILLRACE_STORE_OFD_LOCKS_H_
#define MILLRACE_STORE_OFD_LOCKS_H_

#include <fcntl.h>

namespace millrace::store {

// Initialises SQLite, installs the fork guard and, in our private copy, the system calls. Once per
// process; thread-safe. With the system's SQLite (MILLRACE_SQLITE_SYSTEM) the calls are left alone:
// it is shared with the host program.
void InstallSystemCalls();

// True if locks belong to the open file description here (Linux). Elsewhere they are POSIX locks.
constexpr bool HasOfdLocks() {
#ifdef F_OFD_SETLK
  return true;
#else
  return false;
#endif
}

// fcntl lock commands on the kind of lock that this system has, restarted after EINTR; 0 or -1 with
// errno.
int LockNoWait(int descriptor, struct flock* lock);
int LockWait(int descriptor, struct flock* lock);
int LockQuery(int descriptor, struct flock* lock);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_OFD_LOCKS_H_
