// Changes to single jobs, to what is known about them, and to what they wait for.
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
    case CancelResult::kUnknown:
      return "unknown";
    case CancelResult::kFinished:
      break;
  }
  return "finished";
}

// An id, or (id, queue).
JobRef ToRef(py::handle job) {
  if (!py::isinstance<py::tuple>(job)) return {.id = ToText(job, "jobs"), .queue = ""};
  const auto pair = py::reinterpret_borrow<py::tuple>(job);
  if (pair.size() != 2) throw py::type_error("jobs must be ids or tuples of id and queue");
  return {.id = ToText(pair[0], "jobs"), .queue = ToText(pair[1], "jobs")};
}

void DefCancel(EngineClass& engine) {
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
          "cancel_jobs",
          [](PyEngine& self, const py::iterable& jobs, Text8 reason, Level durability) {
            std::vector<JobRef> refs;
            for (const py::handle job : jobs) refs.push_back(ToRef(job));
            const WriteOptions options = ToWriteOptions(durability);
            py::list names;
            for (const CancelResult result :
                 Unwrap(Unlocked([&] { return self->CancelJobs(refs, reason, options); }))) {
              names.append(CancelName(result));
            }
            return names;
          },
          py::arg("jobs"), py::kw_only(), py::arg("reason") = "",
          py::arg("durability") = py::none());
}

void DefRedrive(EngineClass& engine) {
  engine
      .def(
          "redrive",
          [](PyEngine& self, Text8 id, Text8 queue, bool started, bool made, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            const RedriveOptions redrive{started, made};
            Check(Unlocked([&] { return self->Redrive({id, queue}, redrive, options); }));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(),
          py::arg("keep_attempts_started") = false, py::arg("keep_attempts_made") = false,
          py::arg("durability") = py::none())
      .def(
          "redrive_many",
          [](PyEngine& self, Text8 queue, Text8 from, Text8 job_name, int64_t before_at_ms,
             int64_t limit, bool started, bool made, Level durability) {
            const BulkQuery query{queue, ToState(from), job_name, before_at_ms, limit};
            const WriteOptions options = ToWriteOptions(durability);
            const RedriveOptions redrive{started, made};
            return Unwrap(Unlocked([&] { return self->RedriveMany(query, redrive, options); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("state") = "failed", py::arg("name") = "",
          py::arg("before_at_ms") = 0, py::arg("limit") = 0,
          py::arg("keep_attempts_started") = false, py::arg("keep_attempts_made") = false,
          py::arg("durability") = py::none());
}

void DefUpdate(EngineClass& engine) {
  engine.def(
      "update_job",
      [](PyEngine& self, Text8 id, Text8 queue, const py::object& data, Text8 content_type,
         std::optional<int32_t> priority, std::optional<bool> lifo,
         std::optional<int64_t> due_at_ms, std::optional<int64_t> delay_ms, Level in_state,
         Level durability) {
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

void DefReports(EngineClass& engine) {
  engine
      .def(
          "set_progress",
          [](PyEngine& self, Text8 id, Text8 json, Text8 queue, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->SetProgress({id, queue}, json, options); }));
          },
          py::arg("id"), py::arg("json"), py::arg("queue") = "", py::kw_only(),
          py::arg("durability") = py::none())
      .def(
          "add_log",
          [](PyEngine& self, Text8 id, Text8 line, Text8 queue, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->AddLog({id, queue}, line, options); }));
          },
          py::arg("id"), py::arg("line"), py::arg("queue") = "", py::kw_only(),
          py::arg("durability") = py::none())
      .def(
          "clear_logs",
          [](PyEngine& self, Text8 id, Text8 queue, int64_t keep, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->ClearLogs({id, queue}, keep, options); }));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("keep") = 0,
          py::arg("durability") = py::none());
}

void DefEvents(EngineClass& engine) {
  engine
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
          "trim_events",
          [](PyEngine& self, Text8 queue, int64_t keep, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->TrimEvents(queue, keep, options); }));
          },
          py::arg("queue"), py::arg("keep"), py::kw_only(), py::arg("durability") = py::none());
}

void DefDependencies(EngineClass& engine) {
  engine
      .def(
          "remove_dependency",
          [](PyEngine& self, Text8 id, Text8 depends_on, Text8 queue, Text8 depends_on_queue,
             Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            const JobRef other{depends_on, depends_on_queue};
            return Unwrap(
                Unlocked([&] { return self->RemoveDependency({id, queue}, other, options); }));
          },
          py::arg("id"), py::arg("depends_on"), py::kw_only(), py::arg("queue") = "",
          py::arg("depends_on_queue") = "", py::arg("durability") = py::none())
      .def(
          "remove_unprocessed",
          [](PyEngine& self, Text8 id, Text8 queue, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->RemoveUnprocessed({id, queue}, options); }));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("durability") = py::none());
}

}  // namespace

void RegisterJobChanges(EngineClass& engine) {
  DefCancel(engine);
  DefRedrive(engine);
  DefUpdate(engine);
  DefReports(engine);
  DefEvents(engine);
  DefDependencies(engine);
}

}  // namespace millrace::python
