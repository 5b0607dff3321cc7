// What can be read back from a store, as read-only classes.
#ifndef MILLRACE_BINDINGS_PYTHON_INFOS_H_
#define MILLRACE_BINDINGS_PYTHON_INFOS_H_

#include <pybind11/pybind11.h>

#include <vector>

#include "millrace/types.h"

namespace millrace::python {

namespace py = pybind11;

// The answers of one enqueue. A sequence that makes its elements when they are asked for: most
// callers of a bulk enqueue read none of them.
struct Acks {
  std::vector<EnqueueAck> acks;
};

// (id, existing, state, durability, replaced_id)
py::tuple AckTuple(const EnqueueAck& ack);

void RegisterInfos(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_INFOS_H_
