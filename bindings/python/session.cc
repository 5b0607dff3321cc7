// A worker's session: jobs out, outcomes in, signals.
#include "millrace/session.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "infos.h"
#include "json_writer.h"
#include "leased_job.h"
#include "names.h"
#include "notify.h"
#include "spec.h"

namespace millrace::python {
namespace {

constexpr int64_t kInterruptMs =
    1000;  // an idle caller that may be interrupted wakes once a second

// Holds the engine: members are destroyed in reverse order.
struct PySession {
  EnginePtr engine;
  std::unique_ptr<Session> session;
  Session* operator->() const { return session.get(); }

  ~PySession() {
    if (session == nullptr) return;
    py::gil_scoped_release release;
    session.reset();
  }
};

struct PyOutcome {
  int64_t token = 0;
  Outcome outcome;
};

// From a pair (scope, ms).
std::optional<Throttle> ToThrottle(const std::optional<std::pair<std::string, int64_t>>& pair) {
  if (!pair) return std::nullopt;
  return Throttle{.scope = ToScope(pair->first), .ms = pair->second};
}

const char* SignalName(Signal::Kind kind) {
  switch (kind) {
    case Signal::Kind::kCancel:
      return "cancel";
    case Signal::Kind::kSoftLimit:
      return "soft_limit";
    case Signal::Kind::kHardLimit:
      return "hard_limit";
    case Signal::Kind::kLeaseLost:
      break;
  }
  return "lease_lost";
}

std::shared_ptr<PySession> OpenSession(PyEngine& engine, std::vector<std::string> queues,
                                       int32_t slots, int32_t prefetch, int64_t prefetch_ms,
                                       const std::string& worker_name,
                                       const std::optional<std::string>& durability, bool paused,
                                       bool quiet, const std::shared_ptr<Notifier>& notifier) {
  SessionOptions options;
  options.queues = std::move(queues);
  options.slots = slots;
  options.prefetch = prefetch;
  options.prefetch_ms = prefetch_ms;
  options.worker_name = worker_name;
  options.language = "python";
  if (durability) options.durability = ToDurability(*durability);
  options.paused = paused;
  options.quiet = quiet;
  options.on_ready = Notifier::Callback(notifier);
  auto made = std::make_shared<PySession>();
  made->engine = engine.engine;
  made->session = Unwrap(Unlocked([&] { return engine->OpenSession(std::move(options)); }));
  return made;
}

py::list Take(PySession& self, int32_t max, int64_t timeout_ms, bool interruptible) {
  // What lies ready is taken without giving up the GIL: nothing here waits, and under load giving
  // it up for every short job costs more than the job.
  Result<std::vector<LeasedJob>> jobs = self->Take(max, 0);
  if (timeout_ms != 0 && jobs.ok() && jobs->empty()) {
    WaitInSlices(timeout_ms, interruptible ? kInterruptMs : -1, [&](int64_t ms) {
      jobs = self->Take(max, ms);
      return !jobs.ok() || !jobs->empty();
    });
  }
  std::vector<LeasedJob> taken = Unwrap(std::move(jobs));
  py::list list(taken.size());
  for (size_t i = 0; i < taken.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<py::ssize_t>(i), NewLeasedJob(std::move(taken[i])));
  }
  return list;
}

Notices Drain(PySession& self, int64_t timeout_ms, int hard_limit_exit_code) {
  Notices notices;
  WaitInSlices(timeout_ms, -1, [&](int64_t ms) {
    Result<Notices> news = self->Drain(ms);
    if (!news.ok()) {
      notices.errors.push_back(news.status());
      return true;
    }
    const auto hard = [](const Signal& signal) { return signal.kind == Signal::Kind::kHardLimit; };
    // The GIL may be held by the very handler that hangs: this must not need it.
    if (hard_limit_exit_code >= 0 &&
        std::any_of(news->signals.begin(), news->signals.end(), hard)) {
      _exit(hard_limit_exit_code);
    }
    notices = std::move(*news);
    return true;
  });
  return notices;
}

void SettleMany(PySession& self, const py::iterable& outcomes) {
  std::vector<std::pair<int64_t, Outcome>> list;
  for (const py::handle item : outcomes) {
    const auto& entry = item.cast<const PyOutcome&>();
    list.emplace_back(entry.token, entry.outcome);
  }
  size_t failed_index = 0;
  const Status status = Unlocked([&] { return self->SettleMany(std::move(list), &failed_index); });
  if (status.ok()) return;
  Raise(
      Status(status.code(), "outcomes[" + std::to_string(failed_index) + "]: " + status.message()));
}

void RegisterNotices(py::module_& module) {
  py::class_<Settled>(module, "Settled")
      .def_readonly("token", &Settled::token)
      .def_property_readonly("id", [](const Settled& s) { return Text(s.id); })
      .def_property_readonly("queue", [](const Settled& s) { return Text(s.queue); })
      .def_property_readonly("state", [](const Settled& s) { return JobStateName(s.state); })
      .def_readonly("due_at_ms", &Settled::due_at_ms)
      .def_property_readonly("added", [](const Settled& s) { return Acks{s.added}; })
      .def_property_readonly("error", [](const Settled& s) -> py::object {
        if (s.status.ok()) return py::none();
        return MakeError(s.status);
      });
  py::class_<Signal>(module, "Signal")
      .def_property_readonly("kind", [](const Signal& s) { return SignalName(s.kind); })
      .def_readonly("token", &Signal::token)
      .def_property_readonly("id", [](const Signal& s) { return Text(s.id); })
      .def_property_readonly("reason", [](const Signal& s) { return Text(s.reason); });
  py::class_<Notices>(module, "Notices")
      .def_property_readonly("settled",
                             [](Notices& n) { return ToList(std::vector<Settled>(n.settled)); })
      .def_property_readonly("signals",
                             [](Notices& n) { return ToList(std::vector<Signal>(n.signals)); })
      .def_readonly("drained", &Notices::drained)
      .def_property_readonly("rescued",
                             [](const Notices& n) {
                               py::list list;
                               for (const std::string& id : n.rescued) list.append(Text(id));
                               return list;
                             })
      .def_property_readonly("errors", [](const Notices& n) {
        py::list list;
        for (const Status& status : n.errors) list.append(MakeError(status));
        return list;
      });
  py::class_<PyOutcome>(module, "Outcome")
      .def(py::init([](int64_t token, const std::string& kind, const py::object& body,
                       const std::string& content_type, bool retryable,
                       std::optional<int64_t> delay_ms, std::optional<RetryPolicy> policy,
                       const std::optional<std::pair<std::string, int64_t>>& throttle,
                       const py::iterable& jobs, std::string progress) {
             return PyOutcome{
                 token,
                 {ToOutcomeKind(kind), ToData(body, "body"), ToContentType(content_type), retryable,
                  delay_ms, policy, ToThrottle(throttle), ToSpecs(jobs), std::move(progress)}};
           }),
           py::arg("token"), py::arg("kind"), py::arg("body") = "", py::kw_only(),
           py::arg("content_type") = "json", py::arg("retryable") = true,
           py::arg("delay_ms") = py::none(), py::arg("policy") = py::none(),
           py::arg("throttle") = py::none(), py::arg("jobs") = py::tuple(),
           py::arg("progress") = "")
      .def_readonly("token", &PyOutcome::token);
}

}  // namespace

void RegisterSession(py::module_& module, EngineClass& engine) {
  RegisterNotices(module);
  py::class_<PySession, std::shared_ptr<PySession>>(module, "Session")
      .def("take", &Take, py::arg("max") = 1, py::arg("timeout_ms") = -1,
           py::arg("interruptible") = true)
      .def(
          "settle",
          [](PySession& self, const PyOutcome& outcome) {
            Check(Unlocked([&] { return self->Settle(outcome.token, outcome.outcome); }));
          },
          py::arg("outcome"))
      .def("settle_many", &SettleMany, py::arg("outcomes"))
      .def(
          "complete",
          [](PySession& self, int64_t token, const py::object& value) {
            Outcome outcome;
            outcome.body = ToJson(value);
            Check(Unlocked([&] { return self->Settle(token, std::move(outcome)); }));
          },
          py::arg("token"), py::arg("value"), py::pos_only())
      .def("drain", &Drain, py::arg("timeout_ms") = -1, py::kw_only(),
           py::arg("hard_limit_exit_code") = -1)
      .def(
          "progress",
          [](PySession& self, int64_t token, std::string json) {
            Check(Unlocked([&] { return self->Progress(token, std::move(json)); }));
          },
          py::arg("token"), py::arg("json"))
      .def(
          "log",
          [](PySession& self, int64_t token, std::string line) {
            Check(Unlocked([&] { return self->Log(token, std::move(line)); }));
          },
          py::arg("token"), py::arg("line"))
      .def(
          "checkpoint",
          [](PySession& self, int64_t token, std::string json) {
            Check(Unlocked([&] { return self->Checkpoint(token, std::move(json)); }));
          },
          py::arg("token"), py::arg("json"))
      .def(
          "set_slots",
          [](PySession& self, int32_t slots) { Unlocked([&] { self->SetSlots(slots); }); },
          py::arg("slots"))
      .def("pause", [](PySession& self) { Unlocked([&] { self->Pause(); }); })
      .def("resume", [](PySession& self) { Unlocked([&] { self->Resume(); }); })
      .def_property_readonly("active", [](PySession& self) { return self->active(); })
      .def("stop", [](PySession& self) { Unlocked([&] { self->Stop(); }); })
      .def(
          "close",
          [](PySession& self, int64_t timeout_ms) {
            Check(Unlocked([&] { return self->Close(timeout_ms); }));
          },
          py::arg("timeout_ms") = -1);

  const SessionOptions defaults;
  engine.def("open_session", &OpenSession, py::arg("queues"), py::kw_only(),
             py::arg("slots") = defaults.slots, py::arg("prefetch") = defaults.prefetch,
             py::arg("prefetch_ms") = defaults.prefetch_ms, py::arg("worker_name") = "",
             py::arg("durability") = py::none(), py::arg("paused") = false,
             py::arg("quiet") = false, py::arg("notifier") = py::none());
}

}  // namespace millrace::python
