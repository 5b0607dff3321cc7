// The job of a schedule's slots as bytes of a row: a version, then the fields in a fixed order. A
// later version may append fields; what a row lacks has its default.
#ifndef MILLRACE_SCHEDULE_JOB_TEMPLATE_H_
#define MILLRACE_SCHEDULE_JOB_TEMPLATE_H_

#include <string>
#include <string_view>

#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::schedule {

// What cannot repeat (id, due time, what it waits for) is left out.
std::string PackJob(const JobSpec& job);

// kCorrupt for bytes that PackJob does not write, and for a job that CheckJobSpec refuses (its data
// are whatever was given: sealed, if the store seals).
Result<JobSpec> UnpackJob(std::string_view bytes);

// The headers of a template with those of one slot: "millrace-schedule" and "millrace-slot". An
// equal name in the template gives way.
std::string SlotHeaders(std::string_view headers, std::string_view schedule_id, int64_t slot_ms);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_JOB_TEMPLATE_H_
