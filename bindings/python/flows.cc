// What jobs wait for, as it is read back.
#include <limits>
#include <utility>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "links.h"
#include "names.h"

namespace millrace::python {

void RegisterFlows(py::module_& module, EngineClass& engine) {
  py::class_<DependencyInfo>(module, "DependencyInfo")
      .def_property_readonly("name", [](const DependencyInfo& d) { return Text(d.name); })
      .def_property_readonly("id", [](const DependencyInfo& d) { return Text(d.id); })
      .def_property_readonly("queue", [](const DependencyInfo& d) { return Text(d.queue); })
      .def_property_readonly("policy", [](const DependencyInfo& d) { return NameOf(d.policy); })
      .def_property_readonly("state", [](const DependencyInfo& d) { return JobStateName(d.state); })
      .def_readonly("done", &DependencyInfo::done)
      .def_property_readonly(
          "result", [](const DependencyInfo& d) { return OptionalBody(d.result, d.result_type); })
      .def_property_readonly("error", [](const DependencyInfo& d) { return TextOrNone(d.error); });

  py::class_<DependencyPage>(module, "DependencyPage")
      .def_property_readonly("dependencies",
                             [](const DependencyPage& p) {
                               return ToList(std::vector<DependencyInfo>(p.dependencies));
                             })
      .def_readonly("total", &DependencyPage::total)
      .def_readonly("pending", &DependencyPage::pending);

  const DependencyQuery defaults;
  engine
      .def(
          "dependencies",
          [](PyEngine& self, const std::string& id, const std::string& queue,
             const py::iterable& states, int64_t offset, int64_t limit) {
            const DependencyQuery query{{id, queue}, ToStates(states, "states"), offset, limit};
            return Unwrap(Unlocked([&] { return self->Dependencies(query); }));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("states") = py::tuple(),
          py::arg("offset") = 0, py::arg("limit") = defaults.limit)
      .def(
          "dependents",
          [](PyEngine& self, const std::string& id, const std::string& queue, int64_t offset,
             int64_t limit) {
            py::list dependents;
            for (const JobRef& job :
                 Unwrap(Unlocked([&] { return self->Dependents({id, queue}, offset, limit); }))) {
              dependents.append(py::make_tuple(Text(job.id), Text(job.queue)));
            }
            return dependents;
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("offset") = 0,
          py::arg("limit") = 1000)
      .def(
          "flow_json",
          [](PyEngine& self, const std::string& id, const std::string& queue, int32_t depth,
             int32_t children) {
            return Text(
                Unwrap(Unlocked([&] { return self->FlowJson({id, queue}, depth, children); })));
          },
          py::arg("id"), py::arg("queue") = "", py::kw_only(), py::arg("depth") = 1000,
          py::arg("children") = 100);
}

}  // namespace millrace::python
