// Reading and following the log of events.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "millrace/events.h"
#include "notify.h"

namespace millrace::python {
namespace {

constexpr int64_t kInterruptMs = 100;  // how soon a waiting caller notices Ctrl-C

struct PySubscription {
  EnginePtr engine;
  std::unique_ptr<Subscription> subscription;
  Subscription* operator->() const { return subscription.get(); }

  ~PySubscription() {
    if (subscription == nullptr) return;
    py::gil_scoped_release release;
    subscription.reset();
  }
};

std::vector<EventType> ToTypes(const std::vector<std::string>& names) {
  std::vector<EventType> types;
  for (const std::string& name : names) {
    bool known = false;
    for (auto value = static_cast<int>(EventType::kAdded);
         value <= static_cast<int>(EventType::kCustom); ++value) {
      const auto type = static_cast<EventType>(value);
      if (name != EventTypeName(type)) continue;
      types.push_back(type);
      known = true;
    }
    if (!known) RaiseInvalid("event type '" + name + "' is unknown");
  }
  return types;
}

py::tuple FromPage(EventPage page) {
  return py::make_tuple(ToList(std::move(page.events)), Text(page.next));
}

std::vector<std::string> Names(const py::iterable& names, const char* argument) {
  std::vector<std::string> out;
  for (const py::handle name : names) out.push_back(ToText(name, argument));
  return out;
}

// `queues` is one name ("": all queues) or several.
EventQuery ToQuery(const py::iterable& queues, const std::string& after, const py::iterable& types,
                   const std::string& job_id, int32_t limit) {
  if (py::isinstance<py::str>(types))
    throw py::type_error("types must be an iterable of str, not one str");
  EventQuery query;
  if (py::isinstance<py::str>(queues)) {
    query.queue = ToText(queues, "queue");
  } else {
    query.queues = Names(queues, "queue");
  }
  query.after = after;
  query.types = ToTypes(Names(types, "types"));
  query.job_id = job_id;
  query.limit = limit;
  return query;
}

}  // namespace

void RegisterSubscription(py::module_& module, EngineClass& engine) {
  module.def("event_id_less", &EventIdLess, py::arg("a"), py::arg("b"));
  py::class_<PySubscription, std::shared_ptr<PySubscription>>(module, "Subscription")
      .def(
          "next",
          [](PySubscription& self, int64_t timeout_ms) {
            Result<EventPage> page = EventPage{};
            WaitInSlices(timeout_ms, kInterruptMs, [&](int64_t ms) {
              page = self->Next(ms);
              return !page.ok() || !page->events.empty();
            });
            return FromPage(Unwrap(std::move(page)));
          },
          py::arg("timeout_ms") = -1)
      .def("close", [](PySubscription& self) { Unlocked([&] { self->Close(); }); });

  engine
      .def(
          "read_events",
          [](PyEngine& self, const py::iterable& queue, const std::string& after,
             const py::iterable& types, const std::string& job_id, int32_t limit) {
            const EventQuery query = ToQuery(queue, after, types, job_id, limit);
            return FromPage(Unwrap(Unlocked([&] { return self->ReadEvents(query); })));
          },
          py::arg("queue"), py::kw_only(), py::arg("after") = "", py::arg("types") = py::tuple(),
          py::arg("job_id") = "", py::arg("limit") = 1000)
      .def(
          "subscribe",
          [](PyEngine& self, const py::iterable& queue, const std::string& after,
             const py::iterable& types, const std::string& job_id, int32_t limit,
             const std::shared_ptr<Notifier>& notifier) {
            SubscribeOptions options;
            options.query = ToQuery(queue, after, types, job_id, limit);
            options.on_ready = Notifier::Callback(notifier);
            auto made = std::make_shared<PySubscription>();
            made->engine = self.engine;
            made->subscription =
                Unwrap(Unlocked([&] { return self->Subscribe(std::move(options)); }));
            return made;
          },
          py::arg("queue"), py::kw_only(), py::arg("after") = "$", py::arg("types") = py::tuple(),
          py::arg("job_id") = "", py::arg("limit") = 1000, py::arg("notifier") = py::none());
}

}  // namespace millrace::python
