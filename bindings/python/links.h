// What ties a job to others: Dependency, ParentLink and Deduplication as Python sees them.
#ifndef MILLRACE_BINDINGS_PYTHON_LINKS_H_
#define MILLRACE_BINDINGS_PYTHON_LINKS_H_

#include <pybind11/pybind11.h>

#include <vector>

#include "millrace/types.h"

namespace millrace::python {

namespace py = pybind11;

// From an iterable of Dependency. Raises TypeError that names the index.
std::vector<Dependency> ToDependencies(py::handle value, const char* name);
py::list FromDependencies(const std::vector<Dependency>& dependencies);

// A set of states as the core takes it, from an iterable of their names.
uint32_t ToStates(py::handle names, const char* argument);

void RegisterLinks(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_LINKS_H_
