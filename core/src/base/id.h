// Job ids: a UUIDv7 that carries the job's row number, so that looking up a generated id needs no
// index.
//
//   bits   127..80      79..76   75..64        63..62   61..22   21..0
//          time in ms   7        salt, high    10       row      salt, low
//          48           4        12            2        40       22
//
// Text form: 36 characters, lower case, as every UUID. Ids sort by time; within a millisecond in no
// order. The row is in the clear: it says how many jobs the store has seen, so ids are not secrets
// and are never a permission.
#ifndef MILLRACE_BASE_ID_H_
#define MILLRACE_BASE_ID_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr int kIdLength = 36;
inline constexpr int64_t kIdRowEnd = int64_t{1} << 40;  // rows are in [0, kIdRowEnd)
inline constexpr int64_t kIdTimeEnd = int64_t{1}
                                      << 48;  // times are in [0, kIdTimeEnd): until the year 10889
inline constexpr uint64_t kIdSaltEnd = uint64_t{1} << 34;  // salts are in [0, kIdSaltEnd)

struct IdParts {
  int64_t at_ms = 0;  // when the id was made
  int64_t row = 0;    // the job's row number
  uint64_t salt = 0;  // 34 random bits: tells two stores' ids apart
};

// Writes exactly kIdLength characters, no terminating zero. The parts must be in range (asserted;
// else cut to their bits).
void FormatId(const IdParts& parts, char out[kIdLength]);
std::string FormatId(const IdParts& parts);

// The parts of an id in exactly the form that FormatId writes; nothing for any other text, a UUID
// of another version or in upper case included. A UUIDv7 made elsewhere parses too: whether the job
// exists is the store's answer.
std::optional<IdParts> ParseId(std::string_view id);

// 34 (64) random bits. Thread-safe, no lock, no system call after a thread's first use. Seeded by
// the operating system for each thread, and anew after fork(), so that a child does not repeat its
// parent's. Not for secrets.
uint64_t RandomBits34();
uint64_t RandomBits64();
// Uniform in [0, 1).
double Random01();

}  // namespace millrace

#endif  // MILLRACE_BASE_ID_H_
