#include "errors.h"

#include <array>

namespace millrace::python {
namespace {

constexpr size_t kCodes = static_cast<size_t>(Code::kGroupFull) + 1;

// Borrowed for the life of the process: the module is never unloaded. Index: the Code; 0 is the
// base class.
std::array<PyObject*, kCodes> g_classes{};

struct ErrorClass {
  Code code;
  const char* name;
  PyObject* builtin;  // a second base class, so that callers may catch what they know; may be null
  const char* doc;
};

py::handle ClassOf(Code code) {
  const auto index = static_cast<size_t>(code);
  return index < kCodes && g_classes[index] != nullptr ? g_classes[index] : g_classes[0];
}

// Named in millrace.errors, where users import them from, so that they pickle and print under that
// name.
PyObject* NewClass(const char* name, const char* doc, const py::object& bases, const char* code) {
  py::dict attributes;
  attributes["code"] = py::str(code);
  const std::string full = std::string("millrace.errors.") + name;
  PyObject* made = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.ptr(), attributes.ptr());
  if (made == nullptr) throw py::error_already_set();
  return made;
}

}  // namespace

void RegisterErrors(py::module_& module) {
  const ErrorClass classes[] = {
      {Code::kInvalidArgument, "InvalidArgument", PyExc_ValueError,
       "A value was refused before anything was written; the message names it."},
      {Code::kNotFound, "NotFound", PyExc_LookupError, "No such job, queue or event position."},
      {Code::kWrongState, "WrongState", nullptr,
       "The job is not in a state in which this is possible."},
      {Code::kLeaseLost, "LeaseLost", nullptr,
       "Somebody else owns the job by now: nothing was changed."},
      {Code::kTooLarge, "TooLarge", PyExc_ValueError, "A payload is over the store's limit."},
      {Code::kQueueFull, "QueueFull", nullptr,
       "The writer's queue is full and the caller asked not to wait."},
      {Code::kTimeout, "Timeout", PyExc_TimeoutError, "The caller's own time-out passed."},
      {Code::kClosed, "Closed", nullptr, "The engine or session was closed."},
      {Code::kForkedChild, "ForkedChild", nullptr,
       "The engine was opened before fork(): open a new one in the child."},
      {Code::kBusy, "Busy", nullptr,
       "A writer that is not Millrace held SQLite's lock for longer than the time-out."},
      {Code::kDiskFull, "DiskFull", PyExc_OSError,
       "No space is left, or a size limit was met; the operation was rolled back."},
      {Code::kIoError, "IoError", PyExc_OSError, "The operating system reported an error."},
      {Code::kCorrupt, "Corrupt", nullptr, "The file, or a record in it, is damaged."},
      {Code::kNotAStore, "NotAStore", nullptr, "The file exists and is not a Millrace store."},
      {Code::kNewerSchema, "NewerSchema", nullptr, "The file was written by a newer Millrace."},
      {Code::kUnsupportedFilesystem, "UnsupportedFilesystem", PyExc_OSError,
       "The file system cannot hold a write-ahead log (network, 9p, virtiofs, ...)."},
      {Code::kPermissionDenied, "PermissionDenied", PyExc_PermissionError,
       "The file or directory cannot be read or written by this user."},
      {Code::kInternal, "InternalError", nullptr, "A broken invariant: please report it."},
      {Code::kGroupFull, "GroupFull", nullptr,
       "The group has its max_size: no more jobs may wait in it."},
  };
  g_classes[0] = NewClass("MillraceError", "Base of all errors that Millrace itself raises.",
                          py::reinterpret_borrow<py::object>(PyExc_Exception), "error");
  module.attr("MillraceError") = py::handle(g_classes[0]);
  for (const ErrorClass& entry : classes) {
    const py::handle base(g_classes[0]);
    const py::object bases = entry.builtin != nullptr
                                 ? py::object(py::make_tuple(base, py::handle(entry.builtin)))
                                 : py::reinterpret_borrow<py::object>(base);
    PyObject* made = NewClass(entry.name, entry.doc, bases, CodeName(entry.code));
    g_classes[static_cast<size_t>(entry.code)] = made;
    module.attr(entry.name) = py::handle(made);
  }
}

py::object MakeError(const Status& status) {
  return py::reinterpret_borrow<py::object>(ClassOf(status.code()))(status.message());
}

void Raise(const Status& status) {
  const py::object error = MakeError(status);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw py::error_already_set();
}

void RaiseInvalid(const std::string& message) {
  Raise(Status(Code::kInvalidArgument, message));
}

}  // namespace millrace::python
