#include "spec.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "convert.h"
#include "errors.h"
#include "json_writer.h"
#include "links.h"
#include "names.h"

namespace millrace::python {
namespace {

int32_t ToInt32(py::handle value, const char* name) {
  const int64_t number = ToInt(value, name);
  if (number < std::numeric_limits<int32_t>::min() ||
      number > std::numeric_limits<int32_t>::max()) {
    RaiseInvalid(std::string(name) + " does not fit into 32 bits");
  }
  return static_cast<int32_t>(number);
}

std::optional<Keep> ToKeep(py::handle value, const char* name) {
  if (value.is_none()) return std::nullopt;
  if (!PyTuple_Check(value.ptr()) || PyTuple_GET_SIZE(value.ptr()) != 2) {
    throw py::type_error(std::string(name) + " must be None or a tuple (age_ms, count)");
  }
  const auto pair = py::reinterpret_borrow<py::tuple>(value);
  const py::object age_ms = pair[0];
  const py::object count = pair[1];
  return Keep{.age_ms = ToInt(age_ms, name), .count = ToInt(count, name)};
}

py::object FromKeep(const std::optional<Keep>& keep) {
  if (!keep) return py::none();
  return py::make_tuple(keep->age_ms, keep->count);
}

template <typename T>
const T& ToA(py::handle value, const char* name, const char* accepted) {
  if (!py::isinstance<T>(value)) {
    throw py::type_error(std::string(name) + " must be " + accepted + ", not " +
                         Py_TYPE(value.ptr())->tp_name);
  }
  return value.cast<const T&>();
}

struct SpecOption {
  const char* name;
  void (*set)(JobSpec&, py::handle value, const char* name);
};

// Every keyword of JobSpec(...) and JobSpec.replace(...).
constexpr SpecOption kOptions[] = {
    {"value",
     [](JobSpec& s, py::handle v, const char*) {
       s.data = ToJson(v);
       s.content_type = ContentType::kJson;
     }},
    {"data", [](JobSpec& s, py::handle v, const char* n) { s.data = ToData(v, n); }},
    {"id", [](JobSpec& s, py::handle v, const char* n) { s.id = ToText(v, n); }},
    {"delay_ms", [](JobSpec& s, py::handle v, const char* n) { s.delay_ms = ToInt(v, n); }},
    {"due_at_ms", [](JobSpec& s, py::handle v, const char* n) { s.due_at_ms = ToInt(v, n); }},
    {"queue", [](JobSpec& s, py::handle v, const char* n) { s.queue = ToText(v, n); }},
    {"priority", [](JobSpec& s, py::handle v, const char* n) { s.priority = ToInt32(v, n); }},
    {"expires_in_ms",
     [](JobSpec& s, py::handle v, const char* n) { s.expires_in_ms = ToInt(v, n); }},
    {"expires_at_ms",
     [](JobSpec& s, py::handle v, const char* n) { s.expires_at_ms = ToInt(v, n); }},
    {"headers", [](JobSpec& s, py::handle v, const char* n) { s.headers = ToText(v, n); }},
    {"name", [](JobSpec& s, py::handle v, const char* n) { s.name = ToText(v, n); }},
    {"content_type",
     [](JobSpec& s, py::handle v, const char* n) { s.content_type = ToContentType(ToText(v, n)); }},
    {"lifo", [](JobSpec& s, py::handle v, const char* n) { s.lifo = ToBool(v, n); }},
    {"retry", [](JobSpec& s, py::handle v,
                 const char* n) { s.retry = ToA<RetryPolicy>(v, n, "a RetryPolicy"); }},
    {"max_crashes", [](JobSpec& s, py::handle v, const char* n) { s.max_crashes = ToInt32(v, n); }},
    {"time_limit_ms",
     [](JobSpec& s, py::handle v, const char* n) { s.time_limit_ms = ToInt(v, n); }},
    {"soft_time_limit_ms",
     [](JobSpec& s, py::handle v, const char* n) { s.soft_time_limit_ms = ToInt(v, n); }},
    {"keep_logs", [](JobSpec& s, py::handle v, const char* n) { s.keep_logs = ToInt32(v, n); }},
    {"keep_completed",
     [](JobSpec& s, py::handle v, const char* n) { s.keep_completed = ToKeep(v, n); }},
    {"keep_failed", [](JobSpec& s, py::handle v, const char* n) { s.keep_failed = ToKeep(v, n); }},
    {"after", [](JobSpec& s, py::handle v, const char* n) { s.after = ToDependencies(v, n); }},
    {"join", [](JobSpec& s, py::handle v, const char* n) { s.join = ToJoinKind(ToText(v, n)); }},
    {"parent",
     [](JobSpec& s, py::handle v, const char* n) {
       s.parent.reset();
       if (!v.is_none()) s.parent = ToA<ParentLink>(v, n, "a ParentLink or None");
     }},
    {"group", [](JobSpec& s, py::handle v, const char* n) { s.group = ToText(v, n); }},
    {"dedup", [](JobSpec& s, py::handle v,
                 const char* n) { s.dedup = ToA<Deduplication>(v, n, "a Deduplication"); }},
    {"delivery",
     [](JobSpec& s, py::handle v, const char* n) { s.delivery = ToDelivery(ToText(v, n)); }},
    {"sealing",
     [](JobSpec& s, py::handle v, const char* n) { s.sealing = ToSealing(ToText(v, n)); }},
};

void Apply(JobSpec& spec, const py::kwargs& options) {
  for (const auto& [key, value] : options) {
    const std::string_view name = PyUnicode_AsUTF8(key.ptr());
    const auto* option = std::find_if(std::begin(kOptions), std::end(kOptions),
                                      [name](const SpecOption& o) { return o.name == name; });
    if (option == std::end(kOptions)) {
      throw py::type_error("JobSpec has no option '" + std::string(name) + "'");
    }
    option->set(spec, value, option->name);
  }
}

const char* BackoffName(Backoff::Kind kind) {
  switch (kind) {
    case Backoff::Kind::kFixed:
      return "fixed";
    case Backoff::Kind::kExponential:
      return "exponential";
    case Backoff::Kind::kCustom:
      return "custom";
    case Backoff::Kind::kNone:
      break;
  }
  return "none";
}

Backoff::Kind ToBackoff(const std::string& name) {
  for (const auto kind : {Backoff::Kind::kNone, Backoff::Kind::kFixed, Backoff::Kind::kExponential,
                          Backoff::Kind::kCustom}) {
    if (name == BackoffName(kind)) return kind;
  }
  RaiseInvalid("backoff '" + name +
               "' is unknown; accepted are none, fixed, exponential and custom");
}

}  // namespace

std::vector<JobSpec> ToSpecs(const py::iterable& specs) {
  std::vector<JobSpec> out;
  out.reserve(py::len_hint(specs));
  for (const py::handle item : specs) {
    if (!py::isinstance<PySpec>(item)) {
      throw py::type_error("specs[" + std::to_string(out.size()) + "] must be a JobSpec, not " +
                           Py_TYPE(item.ptr())->tp_name);
    }
    out.push_back(item.cast<const PySpec&>().spec);
  }
  return out;
}

void RegisterSpec(py::module_& module) {
  py::class_<RetryPolicy>(module, "RetryPolicy")
      .def(py::init([](int32_t max_attempts, const std::string& backoff, int64_t delay_ms,
                       int64_t max_ms, double jitter) {
             return RetryPolicy{max_attempts, {ToBackoff(backoff), delay_ms, max_ms, jitter}};
           }),
           py::kw_only(), py::arg("max_attempts") = 1, py::arg("backoff") = "none",
           py::arg("delay_ms") = 0, py::arg("max_ms") = 0, py::arg("jitter") = 0.0)
      .def_readonly("max_attempts", &RetryPolicy::max_attempts)
      .def_property_readonly("backoff",
                             [](const RetryPolicy& p) { return BackoffName(p.backoff.kind); })
      .def_property_readonly("delay_ms", [](const RetryPolicy& p) { return p.backoff.delay_ms; })
      .def_property_readonly("max_ms", [](const RetryPolicy& p) { return p.backoff.max_ms; })
      .def_property_readonly("jitter", [](const RetryPolicy& p) { return p.backoff.jitter; });

  py::class_<PySpec>(module, "JobSpec")
      .def(py::init(
               [](const std::string& queue, const std::string& name, const py::kwargs& options) {
                 PySpec made;
                 made.spec.queue = queue;
                 made.spec.name = name;
                 Apply(made.spec, options);
                 return made;
               }),
           py::arg("queue"), py::arg("name"))
      .def("replace",
           [](const PySpec& self, const py::kwargs& options) {
             PySpec copy = self;
             Apply(copy.spec, options);
             return copy;
           })
      .def_property_readonly("queue", [](const PySpec& s) { return Text(s.spec.queue); })
      .def_property_readonly("name", [](const PySpec& s) { return Text(s.spec.name); })
      .def_property_readonly("data",
                             [](const PySpec& s) { return Body(s.spec.data, s.spec.content_type); })
      .def_property_readonly("content_type",
                             [](const PySpec& s) { return ContentTypeName(s.spec.content_type); })
      .def_property_readonly("headers", [](const PySpec& s) { return Text(s.spec.headers); })
      .def_property_readonly("id", [](const PySpec& s) { return Text(s.spec.id); })
      .def_property_readonly("due_at_ms", [](const PySpec& s) { return s.spec.due_at_ms; })
      .def_property_readonly("delay_ms", [](const PySpec& s) { return s.spec.delay_ms; })
      .def_property_readonly("expires_at_ms", [](const PySpec& s) { return s.spec.expires_at_ms; })
      .def_property_readonly("expires_in_ms", [](const PySpec& s) { return s.spec.expires_in_ms; })
      .def_property_readonly("priority", [](const PySpec& s) { return s.spec.priority; })
      .def_property_readonly("lifo", [](const PySpec& s) { return s.spec.lifo; })
      .def_property_readonly("retry", [](const PySpec& s) { return s.spec.retry; })
      .def_property_readonly("max_crashes", [](const PySpec& s) { return s.spec.max_crashes; })
      .def_property_readonly("time_limit_ms", [](const PySpec& s) { return s.spec.time_limit_ms; })
      .def_property_readonly("soft_time_limit_ms",
                             [](const PySpec& s) { return s.spec.soft_time_limit_ms; })
      .def_property_readonly("keep_logs", [](const PySpec& s) { return s.spec.keep_logs; })
      .def_property_readonly("keep_completed",
                             [](const PySpec& s) { return FromKeep(s.spec.keep_completed); })
      .def_property_readonly("keep_failed",
                             [](const PySpec& s) { return FromKeep(s.spec.keep_failed); })
      .def_property_readonly("after",
                             [](const PySpec& s) { return FromDependencies(s.spec.after); })
      .def_property_readonly("join", [](const PySpec& s) { return NameOf(s.spec.join); })
      .def_property_readonly("parent", [](const PySpec& s) { return s.spec.parent; })
      .def_property_readonly("group", [](const PySpec& s) { return Text(s.spec.group); })
      .def_property_readonly("dedup", [](const PySpec& s) { return s.spec.dedup; })
      .def_property_readonly("delivery", [](const PySpec& s) { return NameOf(s.spec.delivery); })
      .def_property_readonly("sealing", [](const PySpec& s) { return NameOf(s.spec.sealing); });
}

}  // namespace millrace::python
