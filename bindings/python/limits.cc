// Limits, groups and deduplication keys.
#include "millrace/limits.h"

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "names.h"

namespace millrace::python {
namespace {

using Text8 = const std::string&;
using Level = const std::optional<std::string>&;

void RegisterInfos(py::module_& module) {
  py::class_<LimitInfo>(module, "LimitInfo")
      .def_property_readonly("scope", [](const LimitInfo& l) { return NameOf(l.limit.scope); })
      .def_property_readonly("queue", [](const LimitInfo& l) { return Text(l.limit.queue); })
      .def_property_readonly("task", [](const LimitInfo& l) { return Text(l.limit.task); })
      .def_property_readonly("group", [](const LimitInfo& l) { return Text(l.limit.group); })
      .def_property_readonly("concurrency", [](const LimitInfo& l) { return l.limit.concurrency; })
      .def_property_readonly("rate_count", [](const LimitInfo& l) { return l.limit.rate.count; })
      .def_property_readonly("rate_period_ms",
                             [](const LimitInfo& l) { return l.limit.rate.period_ms; })
      .def_property_readonly("max_size", [](const LimitInfo& l) { return l.limit.max_size; })
      .def_readonly("active", &LimitInfo::active)
      .def_readonly("limited_until_ms", &LimitInfo::limited_until_ms);

  py::class_<GroupInfo>(module, "GroupInfo")
      .def_property_readonly("queue", [](const GroupInfo& g) { return Text(g.queue); })
      .def_property_readonly("group", [](const GroupInfo& g) { return Text(g.group); })
      .def_readonly("paused", &GroupInfo::paused)
      .def_readonly("ready", &GroupInfo::ready)
      .def_readonly("active", &GroupInfo::active)
      .def_readonly("limited_until_ms", &GroupInfo::limited_until_ms);
}

void RegisterKeys(EngineClass& engine) {
  engine
      .def(
          "dedup_holder",
          [](PyEngine& self, Text8 queue, Text8 key) {
            return TextOrNone(Unwrap(Unlocked([&] { return self->DedupHolder(queue, key); })));
          },
          py::arg("queue"), py::arg("key"))
      .def(
          "release_dedup",
          [](PyEngine& self, Text8 queue, Text8 key, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->ReleaseDedup(queue, key, options); }));
          },
          py::arg("queue"), py::arg("key"), py::kw_only(), py::arg("durability") = py::none());
}

}  // namespace

void RegisterLimits(py::module_& module, EngineClass& engine) {
  RegisterInfos(module);
  RegisterKeys(engine);
  engine
      .def(
          "set_limit",
          [](PyEngine& self, Text8 scope, Text8 queue, Text8 task, Text8 group, int64_t concurrency,
             int64_t rate_count, int64_t rate_period_ms, int64_t max_size, Level durability) {
            const Limit limit{ToScope(scope), queue,       task,
                              group,          concurrency, {rate_count, rate_period_ms},
                              max_size};
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->SetLimit(limit, options); }));
          },
          py::arg("scope"), py::kw_only(), py::arg("queue") = "", py::arg("task") = "",
          py::arg("group") = "", py::arg("concurrency") = 0, py::arg("rate_count") = 0,
          py::arg("rate_period_ms") = 0, py::arg("max_size") = 0,
          py::arg("durability") = py::none())
      .def("list_limits",
           [](PyEngine& self) {
             return ToList(Unwrap(Unlocked([&] { return self->ListLimits(); })));
           })
      .def(
          "throttle",
          [](PyEngine& self, Text8 scope, int64_t ms, Text8 queue, Text8 task, Text8 group,
             Level durability) {
            const Limit limit{ToScope(scope), queue, task, group, 0, {}, 0};
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->Throttle(limit, ms, options); }));
          },
          py::arg("scope"), py::arg("ms"), py::kw_only(), py::arg("queue") = "",
          py::arg("task") = "", py::arg("group") = "", py::arg("durability") = py::none())
      .def(
          "pause_group",
          [](PyEngine& self, Text8 queue, Text8 group, bool paused, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->PauseGroup(queue, group, paused, options); }));
          },
          py::arg("queue"), py::arg("group"), py::kw_only(), py::arg("paused") = true,
          py::arg("durability") = py::none())
      .def(
          "list_groups",
          [](PyEngine& self, Text8 queue, Text8 after, int64_t limit) {
            return ToList(Unwrap(Unlocked([&] { return self->ListGroups(queue, after, limit); })));
          },
          py::arg("queue"), py::kw_only(), py::arg("after") = "", py::arg("limit") = 1000);
}

}  // namespace millrace::python
