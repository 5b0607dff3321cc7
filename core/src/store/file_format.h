// The constants of the database file that other programs and versions must agree on. Never change
// these values.
#ifndef MILLRACE_STORE_FILE_FORMAT_H_
#define MILLRACE_STORE_FILE_FORMAT_H_

#include <cstdint>

namespace millrace::store {

// PRAGMA application_id: the letters "MILL", as file(1) shows them.
constexpr int64_t kApplicationId = 0x4D494C4C;

// Small pages: a lone enqueue writes five of them to the WAL (docs/adr/0003-page-size.md).
constexpr int kPageBytes = 4096;

// Kernel locks lie on byte ranges of the database file itself: a lock on the sidecar would be lost
// with the sidecar, and live processes would look dead. The ranges start at 2^62: no file system
// has data there, SQLite's own lock bytes are at 2^30 (512 bytes), and a lock needs no data under
// it.
//
//   2^62           the writer of all processes
//   2^62 + 4096    + slot: the process that has this slot lives
constexpr int64_t kWriterLockOffset = int64_t{1} << 62;
constexpr int64_t kSlotLockOffset = kWriterLockOffset + 4096;

}  // namespace millrace::store

#endif  // MILLRACE_STORE_FILE_FORMAT_H_
