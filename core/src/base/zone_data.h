// The IANA time zones that are compiled in, for machines that have none. tools/embed_zones.py
// writes the definitions when the core is built.
#ifndef MILLRACE_BASE_ZONE_DATA_H_
#define MILLRACE_BASE_ZONE_DATA_H_

#include <cstddef>
#include <cstdint>

namespace millrace::zone_data {

struct Entry {
  const char* name;  // "America/New_York"
  uint32_t offset;   // where its compiled form (RFC 8536) begins in kBytes
  uint32_t size;
};

extern const char kVersion[];   // of the database: "2026c"
extern const char kBytes[];     // zones of equal content share their bytes
extern const Entry kEntries[];  // ordered by the bytes of their names
extern const size_t kEntryCount;

}  // namespace millrace::zone_data

#endif  // MILLRACE_BASE_ZONE_DATA_H_
