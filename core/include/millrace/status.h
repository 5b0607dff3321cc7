// How the core reports what went wrong. No exception crosses the core's API: every call that can
// fail returns a Status, or a Result<T> that holds either a value or a Status.
#ifndef MILLRACE_STATUS_H_
#define MILLRACE_STATUS_H_

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace millrace {

// Codes are part of the API of both languages (Python exception classes, Node `err.code`). Never
// renumber.
enum class Code : int {
  kOk = 0,
  kInvalidArgument = 1,  // a caller's value was refused before anything was written
  kNotFound = 2,         // no such job, queue or event position
  kWrongState = 3,       // the job is not in a state in which this is possible
  kLeaseLost = 4,        // the fencing token is no longer the job's: nothing was changed
  kTooLarge = 5,         // a payload over the store's limit
  kQueueFull = 6,        // the bounded writer queue is full and the caller asked not to wait
  kTimeout = 7,          // the caller's own time-out passed
  kClosed = 8,           // the engine or session was closed
  kForkedChild = 9,      // this engine was opened before fork(): open a new one in the child
  kBusy = 10,            // a foreign writer held SQLite's lock for longer than the busy time-out
  kDiskFull = 11,        // ENOSPC or a file size limit; the operation was rolled back
  kIoError = 12,         // the operating system reported an error; message holds it
  kCorrupt = 13,         // the file, or a record in it, is damaged
  kNotAStore = 14,       // the file exists and is not a Millrace store
  kNewerSchema = 15,     // the file was written by a newer Millrace
  kUnsupportedFilesystem = 16,  // the file system cannot hold a WAL (network, 9p, virtiofs, ...)
  kPermissionDenied = 17,  // a file, a sealed payload or a table that this user or call may not use
  kInternal = 18,          // a broken invariant: please report it
  kGroupFull = 19,         // the group has its max_size: no more jobs may wait in it
};

// The stable lower_snake_case name of a code, such as "lease_lost". Static storage.
const char* CodeName(Code code);

// A code and a sentence for humans. Cheap to copy when ok. Thread-compatible.
class Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return Status(); }
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // "lease_lost: the job was taken over by ..."
  std::string ToString() const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// A value, or the Status that says why there is none. Reading the value of a failed Result is a
// programming error (asserted).
template <typename T>
class Result {
 public:
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT
  Result(T value) : value_(std::move(value)) {}                                  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace millrace

#endif  // MILLRACE_STATUS_H_
