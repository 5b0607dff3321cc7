#include "links.h"

#include <limits>
#include <string>

#include "convert.h"
#include "errors.h"
#include "names.h"

namespace millrace::python {
namespace {

// A word, or the core's number for it, which the core checks.
DependencyPolicy PolicyOf(py::handle policy) {
  if (!PyLong_Check(policy.ptr())) return ToPolicy(ToText(policy, "policy"));
  const int64_t number = ToInt(policy, "policy");
  if (number < 0 || number > std::numeric_limits<uint8_t>::max()) {
    RaiseInvalid("policy " + std::to_string(number) + " is unknown");
  }
  return static_cast<DependencyPolicy>(number);
}

// A position in the same call, or the id of a job that exists.
Dependency NewDependency(py::handle job, const std::string& queue, py::handle policy,
                         const std::string& name) {
  Dependency made;
  if (PyLong_Check(job.ptr()) && !PyBool_Check(job.ptr())) {
    const int64_t index = ToInt(job, "job");
    if (index < 0 || index > std::numeric_limits<int32_t>::max()) {
      RaiseInvalid("job is the index " + std::to_string(index) +
                   ", which no job of a call can have");
    }
    made.index = static_cast<int32_t>(index);
  } else {
    made.job = {ToText(job, "job"), queue};
    if (made.job.id.empty()) RaiseInvalid("job must not be an empty id");
  }
  made.policy = PolicyOf(policy);
  made.name = name;
  return made;
}

py::object JobOf(const Dependency& dependency) {
  if (dependency.index >= 0) return py::int_(dependency.index);
  return Text(dependency.job.id);
}

std::vector<std::string> StateNames(uint32_t states) {
  std::vector<std::string> names;
  for (auto value = static_cast<int>(JobState::kScheduled);
       value <= static_cast<int>(JobState::kCancelled); ++value) {
    if ((states & (1U << value)) != 0) {
      names.emplace_back(JobStateName(static_cast<JobState>(value)));
    }
  }
  return names;
}

}  // namespace

uint32_t ToStates(py::handle names, const char* argument) {
  if (PyUnicode_Check(names.ptr())) {
    throw py::type_error(std::string(argument) + " must be an iterable of str, not one str");
  }
  uint32_t states = 0;
  for (const py::handle name : py::iter(names)) {
    states |= 1U << static_cast<uint32_t>(ToState(ToText(name, argument)));
  }
  return states;
}

std::vector<Dependency> ToDependencies(py::handle value, const char* name) {
  std::vector<Dependency> made;
  for (const py::handle item : py::iter(value)) {
    if (!py::isinstance<Dependency>(item)) {
      throw py::type_error(std::string(name) + "[" + std::to_string(made.size()) +
                           "] must be a Dependency, not " + Py_TYPE(item.ptr())->tp_name);
    }
    made.push_back(item.cast<const Dependency&>());
  }
  return made;
}

py::list FromDependencies(const std::vector<Dependency>& dependencies) {
  return ToList(std::vector<Dependency>(dependencies));
}

void RegisterLinks(py::module_& module) {
  py::class_<Dependency>(module, "Dependency")
      .def(py::init(&NewDependency), py::arg("job"), py::arg("queue") = "", py::kw_only(),
           py::arg("policy") = "fail", py::arg("name") = "")
      .def_property_readonly("job", &JobOf)
      .def_property_readonly("queue", [](const Dependency& d) { return Text(d.job.queue); })
      .def_property_readonly("policy", [](const Dependency& d) { return NameOf(d.policy); })
      .def_property_readonly("name", [](const Dependency& d) { return Text(d.name); });

  py::class_<ParentLink>(module, "ParentLink")
      .def(py::init([](const std::string& job, const std::string& queue, int64_t token,
                       py::handle policy, const std::string& name) {
             if (job.empty()) RaiseInvalid("job must not be an empty id");
             return ParentLink{{job, queue}, token, PolicyOf(policy), name};
           }),
           py::arg("job"), py::arg("queue") = "", py::kw_only(), py::arg("token") = 0,
           py::arg("policy") = "wait", py::arg("name") = "")
      .def_property_readonly("job", [](const ParentLink& p) { return Text(p.job.id); })
      .def_property_readonly("queue", [](const ParentLink& p) { return Text(p.job.queue); })
      .def_readonly("token", &ParentLink::token)
      .def_property_readonly("policy", [](const ParentLink& p) { return NameOf(p.policy); })
      .def_property_readonly("name", [](const ParentLink& p) { return Text(p.name); });

  py::class_<Deduplication>(module, "Deduplication")
      .def(py::init([](const std::string& key, const std::string& mode, int64_t ttl_ms,
                       const py::iterable& states) {
             return Deduplication{key, ToDedupMode(mode), ttl_ms, ToStates(states, "states")};
           }),
           py::arg("key"), py::kw_only(), py::arg("mode") = "unfinished", py::arg("ttl_ms") = 0,
           py::arg("states") = py::tuple())
      .def_property_readonly("key", [](const Deduplication& d) { return Text(d.key); })
      .def_property_readonly("mode", [](const Deduplication& d) { return NameOf(d.mode); })
      .def_readonly("ttl_ms", &Deduplication::ttl_ms)
      .def_property_readonly("states", [](const Deduplication& d) { return StateNames(d.states); });
}

}  // namespace millrace::python
