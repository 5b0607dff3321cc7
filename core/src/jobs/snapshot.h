// One state of the store for several statements: without it a job could move between two of them
// and be seen nowhere.
#ifndef MILLRACE_JOBS_SNAPSHOT_H_
#define MILLRACE_JOBS_SNAPSHOT_H_

#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// A read transaction for its scope; nothing inside an open transaction, whose state is fixed
// already.
class Snapshot {
 public:
  explicit Snapshot(store::Connection& connection);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const Status& status() const { return status_; }

 private:
  store::Connection& connection_;
  const bool own_;
  Status status_;
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_SNAPSHOT_H_
