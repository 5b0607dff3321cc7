// A store on a temporary file, and short ways to enqueue, take and settle in tests of the engine.
#ifndef MILLRACE_TESTS_CORE_ENGINE_ENGINE_TEST_UTIL_H_
#define MILLRACE_TESTS_CORE_ENGINE_ENGINE_TEST_UTIL_H_

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "millrace/engine.h"

namespace millrace::testing {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-engine-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name = "jobs.db") const { return path_ + "/" + name; }

 private:
  std::string path_;
};

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return std::move(*result);
}

inline void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

inline JobSpec Spec(const std::string& name = "task", const std::string& data = "{}") {
  JobSpec spec;
  spec.queue = "q";
  spec.name = name;
  spec.data = data;
  return spec;
}

inline EnqueueAck Add(Engine& engine, JobSpec spec) {
  std::vector<JobSpec> jobs;
  jobs.push_back(std::move(spec));
  return Must(engine.Enqueue(std::move(jobs), {})).front();
}

inline LeasedJob TakeOne(Session& session) {
  std::vector<LeasedJob> jobs = Must(session.Take(1, 10'000));
  if (jobs.empty()) throw std::runtime_error("no job came within 10 s");
  return std::move(jobs.front());
}

inline Outcome Completed(const std::string& result = "null") {
  Outcome outcome;
  outcome.body = result;
  return outcome;
}

inline Outcome Failed(const std::string& message = "boom", bool retryable = true) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kFailed;
  outcome.body = R"({"type":"Error","message":")" + message + R"(","stack":""})";
  outcome.retryable = retryable;
  return outcome;
}

// Drains notices until one settled attempt is among them.
inline Settled NextSettled(Session& session) {
  for (int i = 0; i < 1'000; ++i) {
    Notices notices = Must(session.Drain(10'000));
    if (!notices.settled.empty()) return notices.settled.front();
  }
  throw std::runtime_error("nothing was settled");
}

inline Signal NextSignal(Session& session) {
  for (int i = 0; i < 1'000; ++i) {
    Notices notices = Must(session.Drain(10'000));
    if (!notices.signals.empty()) return notices.signals.front();
  }
  throw std::runtime_error("no signal came");
}

inline Settled SettleAndWait(Session& session, int64_t token, Outcome outcome) {
  Must(session.Settle(token, std::move(outcome)));
  return NextSettled(session);
}

inline JobState StateOf(Engine& engine, const std::string& id) {
  return Must(engine.GetJob({.id = id, .queue = ""})).state;
}

}  // namespace millrace::testing

#endif  // MILLRACE_TESTS_CORE_ENGINE_ENGINE_TEST_UTIL_H_
