#include "infos.h"

#include <string>

#include "convert.h"
#include "spec.h"

namespace millrace::python {
namespace {

// States and durabilities are few and fixed: no new string for each.
py::object Interned(const char* name) {
  return py::reinterpret_steal<py::object>(PyUnicode_InternFromString(name));
}

void RegisterJobInfo(py::module_& module) {
  py::class_<JobInfo>(module, "JobInfo")
      .def_property_readonly("spec", [](const JobInfo& j) { return PySpec{j.spec}; })
      .def_property_readonly("state",
                             [](const JobInfo& j) { return Interned(JobStateName(j.state)); })
      .def_readonly("created_at_ms", &JobInfo::created_at_ms)
      .def_readonly("due_at_ms", &JobInfo::due_at_ms)
      .def_readonly("started_at_ms", &JobInfo::started_at_ms)
      .def_readonly("finished_at_ms", &JobInfo::finished_at_ms)
      .def_readonly("attempts_started", &JobInfo::attempts_started)
      .def_readonly("attempts_made", &JobInfo::attempts_made)
      .def_readonly("crashes", &JobInfo::crashes)
      .def_readonly("cancel_requested", &JobInfo::cancel_requested)
      .def_property_readonly("worker", [](const JobInfo& j) { return TextOrNone(j.worker); })
      .def_property_readonly("progress", [](const JobInfo& j) { return TextOrNone(j.progress); })
      .def_property_readonly("result",
                             [](const JobInfo& j) { return OptionalBody(j.result, j.result_type); })
      .def_property_readonly("error", [](const JobInfo& j) { return TextOrNone(j.error); })
      .def_property_readonly("attempt_errors",
                             [](const JobInfo& j) {
                               py::list list;
                               for (const std::string& error : j.attempt_errors)
                                 list.append(Text(error));
                               return list;
                             })
      .def_property_readonly("checkpoint",
                             [](const JobInfo& j) { return TextOrNone(j.checkpoint); })
      .def_readonly("dependencies", &JobInfo::dependencies)
      .def_readonly("pending", &JobInfo::pending);

  py::class_<JobOutcome>(module, "JobOutcome")
      .def_property_readonly("state",
                             [](const JobOutcome& j) { return Interned(JobStateName(j.state)); })
      .def_readonly("finished_at_ms", &JobOutcome::finished_at_ms)
      .def_readonly("attempts_made", &JobOutcome::attempts_made)
      .def_property_readonly("progress", [](const JobOutcome& j) { return TextOrNone(j.progress); })
      .def_property_readonly(
          "result", [](const JobOutcome& j) { return OptionalBody(j.result, j.result_type); })
      .def_property_readonly("error", [](const JobOutcome& j) { return TextOrNone(j.error); });
}

void RegisterListings(py::module_& module) {
  py::class_<QueueCounts>(module, "QueueCounts")
      .def_property_readonly("queue", [](const QueueCounts& c) { return Text(c.queue); })
      .def_readonly("paused", &QueueCounts::paused)
      .def_readonly("ready", &QueueCounts::ready)
      .def_readonly("prioritized", &QueueCounts::prioritized)
      .def_readonly("scheduled", &QueueCounts::scheduled)
      .def_readonly("blocked", &QueueCounts::blocked)
      .def_readonly("active", &QueueCounts::active)
      .def_readonly("completed", &QueueCounts::completed)
      .def_readonly("failed", &QueueCounts::failed)
      .def_readonly("cancelled", &QueueCounts::cancelled);

  py::class_<WorkerInfo>(module, "WorkerInfo")
      .def_readonly("process_id", &WorkerInfo::process_id)
      .def_property_readonly("name", [](const WorkerInfo& w) { return Text(w.name); })
      .def_property_readonly("language", [](const WorkerInfo& w) { return Text(w.language); })
      .def_property_readonly("host", [](const WorkerInfo& w) { return Text(w.host); })
      .def_readonly("pid", &WorkerInfo::pid)
      .def_readonly("started_at_ms", &WorkerInfo::started_at_ms)
      .def_readonly("alive", &WorkerInfo::alive)
      .def_property_readonly("queues",
                             [](const WorkerInfo& w) {
                               py::list list;
                               for (const std::string& queue : w.queues) list.append(Text(queue));
                               return list;
                             })
      .def_readonly("slots", &WorkerInfo::slots)
      .def_readonly("active", &WorkerInfo::active);

  py::class_<TaskCounters>(module, "TaskCounters")
      .def_property_readonly("queue", [](const TaskCounters& c) { return Text(c.queue); })
      .def_property_readonly("task", [](const TaskCounters& c) { return Text(c.task); })
      .def_readonly("enqueued", &TaskCounters::enqueued)
      .def_readonly("started", &TaskCounters::started)
      .def_readonly("completed", &TaskCounters::completed)
      .def_readonly("failed", &TaskCounters::failed)
      .def_readonly("cancelled", &TaskCounters::cancelled)
      .def_readonly("retried", &TaskCounters::retried)
      .def_readonly("crashed", &TaskCounters::crashed)
      .def_readonly("wait_ms", &TaskCounters::wait_ms)
      .def_readonly("run_ms", &TaskCounters::run_ms);

  py::class_<Metrics>(module, "Metrics")
      .def_readonly("total", &Metrics::total)
      .def_readonly("minutes", &Metrics::minutes)
      .def_readonly("minute_at_ms", &Metrics::minute_at_ms)
      .def_readonly("data", &Metrics::data);

  py::class_<LogLine>(module, "LogLine")
      .def_readonly("at_ms", &LogLine::at_ms)
      .def_property_readonly("text", [](const LogLine& l) { return Text(l.text); });
}

void RegisterEvents(py::module_& module) {
  py::class_<Event>(module, "Event")
      .def_property_readonly("id", [](const Event& e) { return Text(e.id); })
      .def_property_readonly("type", [](const Event& e) { return Interned(EventTypeName(e.type)); })
      .def_readonly("at_ms", &Event::at_ms)
      .def_property_readonly("queue", [](const Event& e) { return Text(e.queue); })
      .def_property_readonly("job_id", [](const Event& e) { return Text(e.job_id); })
      .def_property_readonly("name", [](const Event& e) { return Text(e.name); })
      .def_property_readonly("state",
                             [](const Event& e) { return Interned(JobStateName(e.state)); })
      .def_property_readonly("prev", [](const Event& e) { return Interned(JobStateName(e.prev)); })
      .def_readonly("attempt", &Event::attempt)
      .def_readonly("due_at_ms", &Event::due_at_ms)
      .def_readonly("count", &Event::count)
      .def_property_readonly("data", [](const Event& e) { return TextOrNone(e.data); });
}

}  // namespace

py::tuple AckTuple(const EnqueueAck& ack) {
  return py::make_tuple(Text(ack.id), ack.existing, Interned(JobStateName(ack.state)),
                        Interned(DurabilityName(ack.durability)), Text(ack.replaced_id));
}

void RegisterInfos(py::module_& module) {
  py::class_<Acks>(module, "Acks")
      .def("__len__", [](const Acks& self) { return self.acks.size(); })
      .def("__getitem__",
           [](const Acks& self, py::ssize_t index) {
             const auto size = static_cast<py::ssize_t>(self.acks.size());
             const py::ssize_t at = index < 0 ? index + size : index;
             if (at < 0 || at >= size) throw py::index_error("index out of range");
             return AckTuple(self.acks[static_cast<size_t>(at)]);
           })
      .def("ids", [](const Acks& self) {
        py::list ids(self.acks.size());
        for (size_t i = 0; i < self.acks.size(); ++i) ids[i] = Text(self.acks[i].id);
        return ids;
      });
  RegisterJobInfo(module);
  RegisterListings(module);
  RegisterEvents(module);
}

}  // namespace millrace::python
