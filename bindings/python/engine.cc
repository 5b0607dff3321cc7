#include "engine.h"

#include <optional>
#include <string>
#include <vector>

#include "convert.h"
#include "errors.h"
#include "infos.h"
#include "log_lines.h"
#include "names.h"

namespace millrace::python {
namespace {

constexpr int64_t kInterruptMs = 100;  // how soon a waiting caller notices Ctrl-C

Keep FromPair(const std::pair<int64_t, int64_t>& pair) {
  return {.age_ms = pair.first, .count = pair.second};
}

// From pairs (id, secret). Errors never show a secret.
Security ToSecurity(const py::iterable& keys, const std::string& mode, bool require) {
  Security security;
  for (const py::handle key : keys) {
    if (!PyTuple_Check(key.ptr()) || PyTuple_GET_SIZE(key.ptr()) != 2 ||
        !PyBytes_Check(PyTuple_GET_ITEM(key.ptr(), 1))) {
      throw py::type_error("keys[" + std::to_string(security.keys.size()) +
                           "] must be a tuple of an id (str) and a secret (bytes)");
    }
    security.keys.push_back({.id = ToText(PyTuple_GET_ITEM(key.ptr(), 0), "the id of a key"),
                             .secret = ToData(PyTuple_GET_ITEM(key.ptr(), 1), "keys")});
  }
  security.mode = ToSealing(mode, "security_mode");
  security.require = require;
  return security;
}

std::shared_ptr<PyEngine> Open(const std::string& path, const std::string& durability, bool create,
                               int64_t max_payload_bytes, int64_t busy_timeout_ms,
                               int64_t wal_limit_bytes,
                               const std::optional<std::pair<int64_t, int64_t>>& keep_completed,
                               const std::optional<std::pair<int64_t, int64_t>>& keep_failed,
                               int64_t keep_events, const py::iterable& keys,
                               const std::string& security_mode, bool require_sealed,
                               const std::shared_ptr<ManualClock>& clock,
                               const std::shared_ptr<LogLines>& log_lines) {
  OpenOptions options;
  options.path = path;
  options.durability = ToDurability(durability);
  options.create = create;
  options.max_payload_bytes = max_payload_bytes;
  options.busy_timeout_ms = busy_timeout_ms;
  options.wal_limit_bytes = wal_limit_bytes;
  if (keep_completed) options.keep_completed = FromPair(*keep_completed);
  if (keep_failed) options.keep_failed = FromPair(*keep_failed);
  options.keep_events = keep_events;
  options.security = ToSecurity(keys, security_mode, require_sealed);
  options.clock = clock;
  options.on_log = LogLines::Callback(log_lines);
  auto made = std::make_shared<PyEngine>();
  made->engine = Unwrap(Unlocked([&] { return Engine::Open(std::move(options)); }));
  return made;
}

}  // namespace

void RegisterFigures(EngineClass& engine) {
  engine
      .def(
          "read_metrics",
          [](PyEngine& self, const std::string& queue, const std::string& state, int64_t start,
             int64_t end) {
            const MetricsQuery query{queue, ToState(state), start, end};
            return Unwrap(Unlocked([&] { return self->ReadMetrics(query); }));
          },
          py::arg("queue"), py::kw_only(), py::arg("state") = "completed", py::arg("start") = 0,
          py::arg("end") = -1)
      .def(
          "read_counters",
          [](PyEngine& self, const std::string& queue) {
            return ToList(Unwrap(Unlocked([&] { return self->ReadCounters(queue); })));
          },
          py::arg("queue") = "");
}

void RegisterReads(EngineClass& engine) {
  engine
      .def(
          "get_job",
          [](PyEngine& self, const std::string& id, const std::string& queue) {
            return Unwrap(Unlocked([&] { return self->GetJob({id, queue}); }));
          },
          py::arg("id"), py::arg("queue") = "")
      .def(
          "get_outcome",
          [](PyEngine& self, const std::string& id, const std::string& queue) {
            return Unwrap(Unlocked([&] { return self->GetOutcome({id, queue}); }));
          },
          py::arg("id"), py::arg("queue") = "")
      .def(
          "wait_finished",
          [](PyEngine& self, const std::string& id, const std::string& queue, int64_t timeout_ms) {
            Result<JobOutcome> outcome = Status(Code::kTimeout, "");
            WaitInSlices(timeout_ms, kInterruptMs, [&](int64_t ms) {
              outcome = self->WaitFinished({id, queue}, ms);
              return outcome.ok() || outcome.status().code() != Code::kTimeout;
            });
            return Unwrap(std::move(outcome));
          },
          py::arg("id"), py::arg("queue") = "", py::arg("timeout_ms") = -1)
      .def(
          "list_jobs",
          [](PyEngine& self, const std::string& queue, const std::string& state,
             const std::string& name, int64_t offset, int64_t limit, bool descending) {
            const ListQuery query{queue, ToState(state), name, offset, limit, descending};
            return ToList(Unwrap(Unlocked([&] { return self->ListJobs(query); })));
          },
          py::arg("queue"), py::arg("state"), py::kw_only(), py::arg("name") = "",
          py::arg("offset") = 0, py::arg("limit") = 100, py::arg("descending") = false)
      .def(
          "counts",
          [](PyEngine& self, const std::string& queue) {
            return Unwrap(Unlocked([&] { return self->Counts(queue); }));
          },
          py::arg("queue"))
      .def("list_queues",
           [](PyEngine& self) {
             return ToList(Unwrap(Unlocked([&] { return self->ListQueues(); })));
           })
      .def("list_workers",
           [](PyEngine& self) {
             return ToList(Unwrap(Unlocked([&] { return self->ListWorkers(); })));
           })
      .def(
          "get_logs",
          [](PyEngine& self, const std::string& id, const std::string& queue, int64_t offset,
             int64_t limit) {
            return ToList(
                Unwrap(Unlocked([&] { return self->GetLogs({id, queue}, offset, limit); })));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("offset") = 0,
          py::arg("limit") = 1000);
}

void RegisterAdmin(EngineClass& engine) {
  engine
      .def("inspect_json",
           [](PyEngine& self) {
             return Text(Unwrap(Unlocked([&] { return self->InspectJson(); })));
           })
      .def(
          "job_json",
          [](PyEngine& self, const std::string& id, const std::string& queue) {
            return Text(Unwrap(Unlocked([&] { return self->JobJson({id, queue}); })));
          },
          py::arg("id"), py::arg("queue") = "")
      .def(
          "dead_json",
          [](PyEngine& self, const std::string& queue, const std::string& name, int64_t limit) {
            return Text(Unwrap(Unlocked([&] { return self->DeadJson(queue, name, limit); })));
          },
          py::kw_only(), py::arg("queue") = "", py::arg("name") = "", py::arg("limit") = 100)
      .def(
          "doctor_json",
          [](PyEngine& self, bool repair) {
            return Text(Unwrap(Unlocked([&] { return self->DoctorJson(repair); })));
          },
          py::kw_only(), py::arg("repair") = false)
      .def("stats_json",
           [](PyEngine& self) { return Text(Unwrap(Unlocked([&] { return self->StatsJson(); }))); })
      .def(
          "backup",
          [](PyEngine& self, const std::string& destination) {
            const BackupInfo info = Unwrap(Unlocked([&] { return self->Backup(destination); }));
            return py::make_tuple(info.bytes, info.pages);
          },
          py::arg("destination"));
}

void RegisterEngine(py::module_& module) {
  py::class_<ManualClock, std::shared_ptr<ManualClock>>(module, "ManualClock")
      .def(py::init<int64_t>(), py::arg("wall_ms"))
      .def("wall_ms", &ManualClock::WallMs)
      .def("advance", &ManualClock::Advance, py::arg("ms"))
      .def("jump_wall", &ManualClock::JumpWall, py::arg("ms"));

  const OpenOptions defaults;
  EngineClass engine(module, "Engine");
  engine
      .def(py::init(&Open), py::arg("path"), py::kw_only(), py::arg("durability") = "power",
           py::arg("create") = true, py::arg("max_payload_bytes") = defaults.max_payload_bytes,
           py::arg("busy_timeout_ms") = defaults.busy_timeout_ms,
           py::arg("wal_limit_bytes") = defaults.wal_limit_bytes,
           py::arg("keep_completed") = py::none(), py::arg("keep_failed") = py::none(),
           py::arg("keep_events") = defaults.keep_events, py::arg("keys") = py::tuple(),
           py::arg("security_mode") = "encrypt", py::arg("require_sealed") = false,
           py::arg("clock") = py::none(), py::arg("log_lines") = py::none())
      .def("close", [](PyEngine& self) { Check(Unlocked([&] { return self->Close(); })); })
      .def_property_readonly("path", [](PyEngine& self) { return Text(self->path()); })
      .def_property_readonly("durability",
                             [](PyEngine& self) { return DurabilityName(self->durability()); })
      .def("now_ms", [](PyEngine& self) { return self->NowMs(); })
      .def("new_id", [](PyEngine& self) { return Text(self->NewId()); });
  RegisterEnqueue(module, engine);
  RegisterReads(engine);
  RegisterFigures(engine);
  RegisterAdmin(engine);
  RegisterChanges(engine);
  RegisterJobChanges(engine);
  RegisterFlows(module, engine);
  RegisterLimits(module, engine);
  RegisterSchedules(module, engine);
  RegisterSession(module, engine);
  RegisterSubscription(module, engine);
  RegisterTransaction(module, engine);
}

}  // namespace millrace::python
