// A job's identity inside the core: its row number, and what its public id is made of.
#ifndef MILLRACE_JOBS_JOB_ID_H_
#define MILLRACE_JOBS_JOB_ID_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"

namespace millrace::jobs {

struct JobKey {
  int64_t row = 0;
  int64_t created_at_ms = 0;
  uint64_t salt = 0;
  std::string custom_id = {};  // empty: the id is generated

  std::string PublicId() const {
    if (!custom_id.empty()) return custom_id;
    return FormatId(IdParts{.at_ms = created_at_ms, .row = row, .salt = salt});
  }
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_JOB_ID_H_
