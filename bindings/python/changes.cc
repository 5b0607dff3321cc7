// Changes to single jobs, to many, and to queues.
#include "convert.h"
#include "engine.h"
#include "errors.h"

namespace millrace::python {
namespace {

using Text8 = const std::string&;
using Level = const std::optional<std::string>&;

const char* CancelName(CancelResult result) {
  switch (result) {
    case CancelResult::kCancelled:
      return "cancelled";
    case CancelResult::kRequested:
      return "requested";
    case CancelResult::kFinished:
      break;
  }
  return "finished";
}

using OneJob = Status (Engine::*)(const JobRef&, const WriteOptions&);
using OneJobText = Status (Engine::*)(const JobRef&, const std::string&, const WriteOptions&);
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

void DefJobText(EngineClass& engine, const char* name, const char* argument, OneJobText method) {
  engine.def(
      name,
      [method](PyEngine& self, Text8 id, Text8 text, Text8 queue, Level durability) {
        const WriteOptions options = ToWriteOptions(durability);
        Check(Unlocked([&] { return (self.engine.get()->*method)({id, queue}, text, options); }));
      },
      py::arg("id"), py::arg(argument), py::arg("queue") = "", py::kw_only(),
      py::arg("durability") = py::none());
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

void DefUpdate(EngineClass& engine) {
  engine.def(
      "update_job",
      [](PyEngine& self, Text8 id, Text8 queue, const py::object& data, Text8 content_type,
         std::optional<int32_t> priority, std::optional<bool> lifo,
         std::optional<int64_t> due_at_ms, std::optional<int64_t> delay_ms,
         const std::optional<std::string>& in_state, Level durability) {
        JobChange change;
        if (!data.is_none()) change.data = ToData(data, "data");
        change.content_type = ToContentType(content_type);
        change.priority = priority;
        change.lifo = lifo;
        change.due_at_ms = due_at_ms;
        change.delay_ms = delay_ms;
        if (in_state) change.in_state = ToState(*in_state);
        const WriteOptions options = ToWriteOptions(durability);
        Check(Unlocked([&] { return self->UpdateJob({id, queue}, change, options); }));
      },
      py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("data") = py::none(),
      py::arg("content_type") = "json", py::arg("priority") = py::none(),
      py::arg("lifo") = py::none(), py::arg("due_at_ms") = py::none(),
      py::arg("delay_ms") = py::none(), py::arg("in_state") = py::none(),
      py::arg("durability") = py::none());
}

}  // namespace

void RegisterChanges(EngineClass& engine) {
  DefUpdate(engine);
  DefJob(engine, "redrive", &Engine::Redrive);
  DefJob(engine, "promote", &Engine::Promote);
  DefJob(engine, "remove", &Engine::Remove);
  DefJobText(engine, "set_progress", "json", &Engine::SetProgress);
  DefJobText(engine, "add_log", "line", &Engine::AddLog);
  DefMany(engine, "redrive_many", "failed", &Engine::RedriveMany);
  DefMany(engine, "promote_many", "scheduled", &Engine::PromoteMany);
  DefMany(engine, "remove_many", "failed", &Engine::RemoveMany);
  DefQueue(engine, "pause", &Engine::Pause);
  DefQueue(engine, "resume", &Engine::Resume);
  engine
      .def(
          "cancel",
          [](PyEngine& self, Text8 id, Text8 queue, Text8 reason, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return CancelName(
                Unwrap(Unlocked([&] { return self->Cancel({id, queue}, reason, options); })));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("reason") = "",
          py::arg("durability") = py::none())
      .def(
          "publish_event",
          [](PyEngine& self, Text8 queue, Text8 name, Text8 data, Text8 job_id, Level durability) {
            const CustomEvent event{queue, name, data, job_id};
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->PublishEvent(event, options); }));
          },
          py::arg("queue"), py::arg("name"), py::arg("data") = "", py::kw_only(),
          py::arg("job_id") = "", py::arg("durability") = py::none())
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
          [](PyEngine& self, Text8 queue, std::pair<int64_t, int64_t> completed,
             std::pair<int64_t, int64_t> failed, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            const Keep keep_completed{.age_ms = completed.first, .count = completed.second};
            const Keep keep_failed{.age_ms = failed.first, .count = failed.second};
            Check(Unlocked(
                [&] { return self->SetRetention(queue, keep_completed, keep_failed, options); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("completed"), py::arg("failed"),
          py::arg("durability") = py::none());
}

}  // namespace millrace::python
