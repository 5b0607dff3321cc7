// What ThreadSanitizer may not report. Only linked code that is not ours, each with its reason.
#if defined(__SANITIZE_THREAD__)
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  // Boost.Lockfree's free list reads the next-index of a node that another thread may be taking at
  // that moment, and discards what it read when its compare-and-swap fails. The values in the queue
  // are not concerned: one thread pops.
  return "race:boost::lockfree\n"
         // SQLite copies the WAL index's header without a lock, twice, and uses it only if both
         // copies and their checksum agree. It marks these two functions itself, but for clang
         // only.
         "race:walIndexTryHdr\n"
         "race:walIndexWriteHdr\n"
         // Reads a number for its caller's information, after it has let go of the locks.
         "race:sqlite3WalCheckpoint\n";
}
#endif
