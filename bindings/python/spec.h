// JobSpec and RetryPolicy as Python sees them.
#ifndef MILLRACE_BINDINGS_PYTHON_SPEC_H_
#define MILLRACE_BINDINGS_PYTHON_SPEC_H_

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "millrace/types.h"

namespace millrace::python {

namespace py = pybind11;

// Immutable from Python, so one may be the template of many jobs and be used by many threads.
struct PySpec {
  JobSpec spec;
};

// Copies the specs out of an iterable of JobSpec. Raises TypeError that names the index.
std::vector<JobSpec> ToSpecs(const py::iterable& specs);

void RegisterSpec(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_SPEC_H_
