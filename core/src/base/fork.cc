#include "base/fork.h"

#include <pthread.h>

#include <atomic>

namespace millrace {
namespace {

std::atomic<uint32_t> g_generation{1};

[[maybe_unused]] const int g_registered =
    pthread_atfork(nullptr, nullptr, [] { g_generation.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

uint32_t ForkGeneration() {
  return g_generation.load(std::memory_order_relaxed);
}

}  // namespace millrace
