// Changes to many jobs and to queues, and the plain ones to single jobs.
#include "convert.h"
#include "engine.h"
#include "errors.h"

namespace millrace::python {
namespace {

using Text8 = const std::string&;
using Level = const std::optional<std::string>&;

// (age_ms, count), or None.
using GivenKeep = std::optional<std::pair<int64_t, int64_t>>;
std::optional<Keep> ToKeep(const GivenKeep& keep) {
  if (!keep) return std::nullopt;
  return Keep{.age_ms = keep->first, .count = keep->second};
}

using OneJob = Status (Engine::*)(const JobRef&, const WriteOptions&);
using ManyJobs = Result<int64_t> (Engine::*)(const BulkQuery&, const WriteOptions&);
using OneQueue = Status (Engine::*)(const std::string&, const WriteOptions&);

void DefJob(EngineClass& engine, const char* name, OneJob method) {
  engine.def(
      name,
      [method](PyEngine& self, Text8 id, Text8 queue, Level durability) {
        const WriteOptions options = ToWriteOptions(durability);
        Check(Unlocked([&] { return (self.engine.get()->*method)({id, queue}, options); }));
      },
      py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("durability") = py::none());
}

void DefMany(EngineClass& engine, const char* name, const char* state, ManyJobs method) {
  engine.def(
      name,
      [method](PyEngine& self, Text8 queue, Text8 from, Text8 job_name, int64_t before_at_ms,
               int64_t limit, Level durability) {
        const BulkQuery query{queue, ToState(from), job_name, before_at_ms, limit};
        const WriteOptions options = ToWriteOptions(durability);
        return Unwrap(Unlocked([&] { return (self.engine.get()->*method)(query, options); }));
      },
      py::arg("queue"), py::kw_only(), py::arg("state") = state, py::arg("name") = "",
      py::arg("before_at_ms") = 0, py::arg("limit") = 0, py::arg("durability") = py::none());
}

void DefQueue(EngineClass& engine, const char* name, OneQueue method) {
  engine.def(
      name,
      [method](PyEngine& self, Text8 queue, Level durability) {
        const WriteOptions options = ToWriteOptions(durability);
        Check(Unlocked([&] { return (self.engine.get()->*method)(queue, options); }));
      },
      py::arg("queue"), py::kw_only(), py::arg("durability") = py::none());
}

}  // namespace

void RegisterChanges(EngineClass& engine) {
  DefJob(engine, "promote", &Engine::Promote);
  DefJob(engine, "remove", &Engine::Remove);
  DefMany(engine, "promote_many", "scheduled", &Engine::PromoteMany);
  DefMany(engine, "remove_many", "failed", &Engine::RemoveMany);
  DefQueue(engine, "pause", &Engine::Pause);
  DefQueue(engine, "resume", &Engine::Resume);
  engine
      .def(
          "drain",
          [](PyEngine& self, Text8 queue, bool scheduled, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->Drain(queue, scheduled, options); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("scheduled") = false,
          py::arg("durability") = py::none())
      .def(
          "obliterate",
          [](PyEngine& self, Text8 queue, bool force, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->Obliterate(queue, force, options); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("force") = false,
          py::arg("durability") = py::none())
      .def(
          "set_retention",
          [](PyEngine& self, Text8 queue, const GivenKeep& completed, const GivenKeep& failed,
             Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            const std::optional<Keep> keep_completed = ToKeep(completed);
            const std::optional<Keep> keep_failed = ToKeep(failed);
            Check(Unlocked(
                [&] { return self->SetRetention(queue, keep_completed, keep_failed, options); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("completed") = py::none(),
          py::arg("failed") = py::none(), py::arg("durability") = py::none());
}

}  // namespace millrace::python
