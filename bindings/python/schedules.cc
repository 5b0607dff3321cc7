// Schedules: jobs that are enqueued again and again.
#include <string_view>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "millrace/schedule.h"
#include "names.h"
#include "spec.h"

namespace millrace::python {
namespace {

using Level = const std::optional<std::string>&;

struct TimingOption {
  const char* name;
  void (*set)(Timing&, py::handle value, const char* name);
};

constexpr TimingOption kTimingOptions[] = {
    {"cron", [](Timing& t, py::handle v, const char* n) { t.cron = ToText(v, n); }},
    {"time_zone", [](Timing& t, py::handle v, const char* n) { t.time_zone = ToText(v, n); }},
    {"every_ms", [](Timing& t, py::handle v, const char* n) { t.every_ms = ToInt(v, n); }},
    {"offset_ms", [](Timing& t, py::handle v, const char* n) { t.offset_ms = ToInt(v, n); }},
    {"solar", [](Timing& t, py::handle v, const char* n) { t.solar = ToText(v, n); }},
    {"latitude", [](Timing& t, py::handle v, const char* n) { t.latitude = ToDouble(v, n); }},
    {"longitude", [](Timing& t, py::handle v, const char* n) { t.longitude = ToDouble(v, n); }},
    {"start_at_ms", [](Timing& t, py::handle v, const char* n) { t.start_at_ms = ToInt(v, n); }},
    {"end_at_ms", [](Timing& t, py::handle v, const char* n) { t.end_at_ms = ToInt(v, n); }},
};

struct ScheduleOption {
  const char* name;
  void (*set)(ScheduleSpec&, py::handle value, const char* name);
};

constexpr ScheduleOption kScheduleOptions[] = {
    {"limit", [](ScheduleSpec& s, py::handle v, const char* n) { s.limit = ToInt(v, n); }},
    {"jitter_ms", [](ScheduleSpec& s, py::handle v, const char* n) { s.jitter_ms = ToInt(v, n); }},
    {"overlap",
     [](ScheduleSpec& s, py::handle v, const char* n) { s.overlap = ToOverlap(ToText(v, n)); }},
    {"catch_up",
     [](ScheduleSpec& s, py::handle v, const char* n) { s.catch_up = ToCatchUp(ToText(v, n)); }},
    {"catch_up_max",
     [](ScheduleSpec& s, py::handle v, const char* n) { s.catch_up_max = ToInt(v, n); }},
    {"paused", [](ScheduleSpec& s, py::handle v, const char* n) { s.paused = ToBool(v, n); }},
    {"immediately",
     [](ScheduleSpec& s, py::handle v, const char* n) { s.immediately = ToBool(v, n); }},
    {"from_start",
     [](ScheduleSpec& s, py::handle v, const char* n) { s.from_start = ToBool(v, n); }},
};

// True if the option is one of these.
template <typename Option, size_t n, typename Target>
bool Set(const Option (&options)[n], Target& target, std::string_view name, py::handle value) {
  for (const Option& option : options) {
    if (name != option.name) continue;
    option.set(target, value, option.name);
    return true;
  }
  return false;
}

[[noreturn]] void Unknown(const char* call, std::string_view name) {
  throw py::type_error(std::string(call) + "() has no option '" + std::string(name) + "'");
}

Timing ToTiming(const char* call, const py::kwargs& options) {
  Timing timing;
  for (const auto& [key, value] : options) {
    const std::string_view name = PyUnicode_AsUTF8(key.ptr());
    if (!Set(kTimingOptions, timing, name, value)) Unknown(call, name);
  }
  return timing;
}

void RegisterInfo(py::module_& module) {
  py::class_<ScheduleInfo>(module, "ScheduleInfo")
      .def_property_readonly("id", [](const ScheduleInfo& s) { return Text(s.spec.id); })
      .def_property_readonly("job", [](const ScheduleInfo& s) { return PySpec{s.spec.job}; })
      .def_property_readonly("cron", [](const ScheduleInfo& s) { return Text(s.spec.timing.cron); })
      .def_property_readonly("time_zone",
                             [](const ScheduleInfo& s) { return Text(s.spec.timing.time_zone); })
      .def_property_readonly("every_ms",
                             [](const ScheduleInfo& s) { return s.spec.timing.every_ms; })
      .def_property_readonly("offset_ms",
                             [](const ScheduleInfo& s) { return s.spec.timing.offset_ms; })
      .def_property_readonly("solar",
                             [](const ScheduleInfo& s) { return Text(s.spec.timing.solar); })
      .def_property_readonly("latitude",
                             [](const ScheduleInfo& s) { return s.spec.timing.latitude; })
      .def_property_readonly("longitude",
                             [](const ScheduleInfo& s) { return s.spec.timing.longitude; })
      .def_property_readonly("start_at_ms",
                             [](const ScheduleInfo& s) { return s.spec.timing.start_at_ms; })
      .def_property_readonly("end_at_ms",
                             [](const ScheduleInfo& s) { return s.spec.timing.end_at_ms; })
      .def_property_readonly("limit", [](const ScheduleInfo& s) { return s.spec.limit; })
      .def_property_readonly("jitter_ms", [](const ScheduleInfo& s) { return s.spec.jitter_ms; })
      .def_property_readonly("overlap",
                             [](const ScheduleInfo& s) { return NameOf(s.spec.overlap); })
      .def_property_readonly("catch_up",
                             [](const ScheduleInfo& s) { return NameOf(s.spec.catch_up); })
      .def_property_readonly("catch_up_max",
                             [](const ScheduleInfo& s) { return s.spec.catch_up_max; })
      .def_property_readonly("paused", [](const ScheduleInfo& s) { return s.spec.paused; })
      .def_readonly("next_at_ms", &ScheduleInfo::next_at_ms)
      .def_readonly("last_at_ms", &ScheduleInfo::last_at_ms)
      .def_readonly("fired", &ScheduleInfo::fired)
      .def_readonly("skipped", &ScheduleInfo::skipped)
      .def_property_readonly("last_job_id",
                             [](const ScheduleInfo& s) { return TextOrNone(s.last_job_id); })
      .def_property_readonly("added_job_id",
                             [](const ScheduleInfo& s) { return TextOrNone(s.added_job_id); });
}

}  // namespace

void RegisterSchedules(py::module_& module, EngineClass& engine) {
  RegisterInfo(module);
  module.def(
      "next_slots",
      [](int64_t after_ms, int32_t count, const py::kwargs& options) {
        const Timing timing = ToTiming("next_slots", options);
        return Unwrap(Unlocked([&] { return NextSlots(timing, after_ms, count); }));
      },
      py::arg("after_ms"), py::arg("count") = 1);
  engine
      .def(
          "put_schedule",
          [](PyEngine& self, const std::string& id, const PySpec& job, Level durability,
             const py::kwargs& options) {
            ScheduleSpec schedule;
            schedule.id = id;
            schedule.job = job.spec;
            for (const auto& [key, value] : options) {
              const std::string_view name = PyUnicode_AsUTF8(key.ptr());
              if (!Set(kTimingOptions, schedule.timing, name, value) &&
                  !Set(kScheduleOptions, schedule, name, value)) {
                Unknown("put_schedule", name);
              }
            }
            const WriteOptions write = ToWriteOptions(durability);
            return Unwrap(Unlocked([&] { return self->PutSchedule(schedule, write); }));
          },
          py::arg("id"), py::arg("job"), py::kw_only(), py::arg("durability") = py::none())
      .def(
          "remove_schedule",
          [](PyEngine& self, const std::string& id, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->RemoveSchedule(id, options); }));
          },
          py::arg("id"), py::kw_only(), py::arg("durability") = py::none())
      .def(
          "pause_schedule",
          [](PyEngine& self, const std::string& id, bool paused, Level durability) {
            const WriteOptions options = ToWriteOptions(durability);
            Check(Unlocked([&] { return self->PauseSchedule(id, paused, options); }));
          },
          py::arg("id"), py::kw_only(), py::arg("paused") = true,
          py::arg("durability") = py::none())
      .def(
          "get_schedule",
          [](PyEngine& self, const std::string& id) {
            return Unwrap(Unlocked([&] { return self->GetSchedule(id); }));
          },
          py::arg("id"))
      .def(
          "list_schedules",
          [](PyEngine& self, const std::string& after, int64_t limit) {
            return ToList(Unwrap(Unlocked([&] { return self->ListSchedules(after, limit); })));
          },
          py::kw_only(), py::arg("after") = "", py::arg("limit") = 1000)
      .def(
          "preview_timing",
          [](PyEngine& self, int64_t after_ms, int32_t count, const py::kwargs& options) {
            const Timing timing = ToTiming("preview_timing", options);
            return Unwrap(Unlocked([&] { return self->PreviewTiming(timing, after_ms, count); }));
          },
          py::kw_only(), py::arg("after_ms") = 0, py::arg("count") = 10);
}

}  // namespace millrace::python
