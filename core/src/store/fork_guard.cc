#include "store/fork_guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace millrace::store {
namespace {

// One bit for each descriptor, because the child may neither allocate nor wait. 128 KiB that stay
// untouched, and so cost no memory, up to the highest descriptor in use.
constexpr size_t kMaxDescriptors = size_t{1} << 20;
constexpr size_t kBitsPerWord = 64;

struct Registry {
  std::mutex mutex;
  std::array<uint64_t, kMaxDescriptors / kBitsPerWord> words;
  size_t words_used;
};
// Neither constructed nor destroyed at run time: fork handlers and exit handlers may run at any
// moment.
constinit Registry registry{};

// SQLite's static mutexes, in the order in which SQLite nests them. The forking thread holds them
// across fork(), so that the child, which has only that thread, can use the library again.
constexpr std::array kSqliteMutexes{
    // The random numbers' first: their seeding looks up the VFS under MAIN.
    SQLITE_MUTEX_STATIC_PRNG, SQLITE_MUTEX_STATIC_MAIN, SQLITE_MUTEX_STATIC_OPEN,
    SQLITE_MUTEX_STATIC_APP1, SQLITE_MUTEX_STATIC_APP2, SQLITE_MUTEX_STATIC_APP3,
    SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_VFS2, SQLITE_MUTEX_STATIC_VFS3,
    SQLITE_MUTEX_STATIC_LRU,  SQLITE_MUTEX_STATIC_PMEM, SQLITE_MUTEX_STATIC_MEM,
};
constinit std::array<sqlite3_mutex*, kSqliteMutexes.size()> sqlite_mutexes{};

void SetTracked(int descriptor, bool tracked) {
  const size_t index = static_cast<size_t>(descriptor);
  const size_t word = index / kBitsPerWord;
  const uint64_t bit = uint64_t{1} << (index % kBitsPerWord);
  if (tracked) {
    registry.words[word] |= bit;
    registry.words_used = std::max(registry.words_used, word + 1);
  } else {
    registry.words[word] &= ~bit;
  }
}

void BeforeFork() {
  for (sqlite3_mutex* mutex : sqlite_mutexes) sqlite3_mutex_enter(mutex);
  registry.mutex.lock();
}

void ReleaseAfterFork() {
  registry.mutex.unlock();
  for (auto mutex = sqlite_mutexes.rbegin(); mutex != sqlite_mutexes.rend(); ++mutex) {
    sqlite3_mutex_leave(*mutex);
  }
}

void InChild() {
  for (size_t word = 0; word < registry.words_used; ++word) {
    for (uint64_t bits = registry.words[word]; bits != 0; bits &= bits - 1) {
      close(static_cast<int>(word * kBitsPerWord) + std::countr_zero(bits));
    }
    registry.words[word] = 0;
  }
  registry.words_used = 0;
  ReleaseAfterFork();
}

}  // namespace

void InstallForkGuard() {
  static const bool installed = [] {
    for (size_t i = 0; i < kSqliteMutexes.size(); ++i) {
      sqlite_mutexes[i] = sqlite3_mutex_alloc(kSqliteMutexes[i]);
    }
    return pthread_atfork(BeforeFork, ReleaseAfterFork, InChild) == 0;
  }();
  static_cast<void>(installed);
}

int OpenTracked(const char* path, int flags, mode_t mode) {
  const std::lock_guard lock(registry.mutex);
  const int descriptor = open(path, flags | O_CLOEXEC, mode);
  if (descriptor < 0) return descriptor;
  if (static_cast<size_t>(descriptor) >= kMaxDescriptors) {
    close(descriptor);
    errno = EMFILE;
    return -1;
  }
  SetTracked(descriptor, true);
  return descriptor;
}

int CloseTracked(int descriptor) {
  const std::lock_guard lock(registry.mutex);
  if (descriptor >= 0 && static_cast<size_t>(descriptor) < kMaxDescriptors) {
    SetTracked(descriptor, false);
  }
  return close(descriptor);
}

std::unique_lock<std::mutex> HoldForks() {
  return std::unique_lock(registry.mutex);
}

}  // namespace millrace::store
