// The open store as Python sees it, and what its parts share.
#ifndef MILLRACE_BINDINGS_PYTHON_ENGINE_H_
#define MILLRACE_BINDINGS_PYTHON_ENGINE_H_

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "millrace/engine.h"

namespace millrace::python {

namespace py = pybind11;

using EnginePtr = std::shared_ptr<Engine>;

// Owns one core engine. Sessions and subscriptions hold it, so that it outlives them whatever order
// Python collects in.
struct PyEngine {
  EnginePtr engine;
  Engine* operator->() const { return engine.get(); }
};

using EngineClass = py::class_<PyEngine, std::shared_ptr<PyEngine>>;

// Each adds its part of the methods. The split follows engine.h.
void RegisterEnqueue(py::module_& module, EngineClass& engine);
void RegisterReads(EngineClass& engine);
void RegisterFigures(EngineClass& engine);
void RegisterAdmin(EngineClass& engine);
void RegisterChanges(EngineClass& engine);
void RegisterJobChanges(EngineClass& engine);
void RegisterFlows(py::module_& module, EngineClass& engine);
void RegisterLimits(py::module_& module, EngineClass& engine);
void RegisterSchedules(py::module_& module, EngineClass& engine);
void RegisterSession(py::module_& module, EngineClass& engine);
void RegisterSubscription(py::module_& module, EngineClass& engine);
void RegisterTransaction(py::module_& module, EngineClass& engine);
void RegisterEngine(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_ENGINE_H_
