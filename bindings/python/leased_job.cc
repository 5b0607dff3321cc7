#include "leased_job.h"

#include <new>
#include <utility>

#include "convert.h"

namespace millrace::python {
namespace {

struct Object {
  PyObject_HEAD LeasedJob job;
};

PyTypeObject* g_type = nullptr;  // one strong reference for the life of the process

const LeasedJob& JobOf(PyObject* self) {
  return reinterpret_cast<Object*>(self)->job;
}

void Dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<Object*>(self)->job.~LeasedJob();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* Lenient(const std::string& text) {
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
}

PyObject* Integer(int64_t value) {
  return PyLong_FromLongLong(value);
}

// Strict: a payload that is not UTF-8 must fail its job, not run it with other arguments.
PyObject* Data(PyObject* self, void*) {
  const JobSpec& spec = JobOf(self).spec;
  const auto size = static_cast<Py_ssize_t>(spec.data.size());
  if (spec.content_type != ContentType::kJson)
    return PyBytes_FromStringAndSize(spec.data.data(), size);
  return PyUnicode_DecodeUTF8(spec.data.data(), size, nullptr);
}

PyObject* Dependencies(PyObject* self, void*) {
  try {
    return ToList(std::vector<DependencyInfo>(JobOf(self).dependencies)).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
    return nullptr;
  }
}

PyGetSetDef g_attributes[] = {
    {"token", [](PyObject* s, void*) { return Integer(JobOf(s).token); }, nullptr, nullptr,
     nullptr},
    {"id", [](PyObject* s, void*) { return Lenient(JobOf(s).spec.id); }, nullptr, nullptr, nullptr},
    {"name", [](PyObject* s, void*) { return Lenient(JobOf(s).spec.name); }, nullptr, nullptr,
     nullptr},
    {"queue", [](PyObject* s, void*) { return Lenient(JobOf(s).spec.queue); }, nullptr, nullptr,
     nullptr},
    {"data", Data, nullptr, nullptr, nullptr},
    {"content_type",
     [](PyObject* s, void*) {
       return PyUnicode_InternFromString(ContentTypeName(JobOf(s).spec.content_type));
     },
     nullptr, nullptr, nullptr},
    {"headers", [](PyObject* s, void*) { return Lenient(JobOf(s).spec.headers); }, nullptr, nullptr,
     nullptr},
    {"progress", [](PyObject* s, void*) { return Lenient(JobOf(s).progress); }, nullptr, nullptr,
     nullptr},
    {"attempt", [](PyObject* s, void*) { return Integer(JobOf(s).attempt); }, nullptr, nullptr,
     nullptr},
    {"crashes", [](PyObject* s, void*) { return Integer(JobOf(s).crashes); }, nullptr, nullptr,
     nullptr},
    {"priority", [](PyObject* s, void*) { return Integer(JobOf(s).spec.priority); }, nullptr,
     nullptr, nullptr},
    {"max_attempts", [](PyObject* s, void*) { return Integer(JobOf(s).spec.retry.max_attempts); },
     nullptr, nullptr, nullptr},
    {"created_at_ms", [](PyObject* s, void*) { return Integer(JobOf(s).created_at_ms); }, nullptr,
     nullptr, nullptr},
    {"started_at_ms", [](PyObject* s, void*) { return Integer(JobOf(s).started_at_ms); }, nullptr,
     nullptr, nullptr},
    {"due_at_ms", [](PyObject* s, void*) { return Integer(JobOf(s).spec.due_at_ms); }, nullptr,
     nullptr, nullptr},
    {"expires_at_ms", [](PyObject* s, void*) { return Integer(JobOf(s).spec.expires_at_ms); },
     nullptr, nullptr, nullptr},
    {"time_limit_ms", [](PyObject* s, void*) { return Integer(JobOf(s).spec.time_limit_ms); },
     nullptr, nullptr, nullptr},
    {"soft_time_limit_ms",
     [](PyObject* s, void*) { return Integer(JobOf(s).spec.soft_time_limit_ms); }, nullptr, nullptr,
     nullptr},
    {"checkpoint", [](PyObject* s, void*) { return Lenient(JobOf(s).checkpoint); }, nullptr,
     nullptr, nullptr},
    {"group", [](PyObject* s, void*) { return Lenient(JobOf(s).spec.group); }, nullptr, nullptr,
     nullptr},
    {"dependencies", Dependencies, nullptr, nullptr, nullptr},
    {"dependency_count", [](PyObject* s, void*) { return Integer(JobOf(s).dependency_count); },
     nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot g_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(Dealloc)},
    {Py_tp_getset, g_attributes},
    {0, nullptr},
};

PyType_Spec g_spec = {
    "millrace._core.LeasedJob",
    sizeof(Object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    g_slots,
};

}  // namespace

PyObject* NewLeasedJob(LeasedJob&& job) {
  PyObject* self = g_type->tp_alloc(g_type, 0);
  if (self == nullptr) throw py::error_already_set();
  new (&reinterpret_cast<Object*>(self)->job) LeasedJob(std::move(job));
  return self;
}

void RegisterLeasedJob(py::module_& module) {
  PyObject* type = PyType_FromSpec(&g_spec);
  if (type == nullptr) throw py::error_already_set();
  g_type = reinterpret_cast<PyTypeObject*>(type);
  module.attr("LeasedJob") = py::handle(type);
}

}  // namespace millrace::python
