// LeasedJob as Python sees it: a plain C type, because a worker makes one for every job.
#ifndef MILLRACE_BINDINGS_PYTHON_LEASED_JOB_H_
#define MILLRACE_BINDINGS_PYTHON_LEASED_JOB_H_

#include <pybind11/pybind11.h>

#include "millrace/session.h"

namespace millrace::python {

namespace py = pybind11;

// A new reference that owns the job; attributes are converted when they are read. The GIL must be
// held.
PyObject* NewLeasedJob(LeasedJob&& job);

void RegisterLeasedJob(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_LEASED_JOB_H_
