#include "convert.h"

#include "errors.h"

namespace millrace::python {
namespace {

[[noreturn]] void WrongType(const char* name, const char* accepted, py::handle value) {
  const std::string message =
      std::string(name) + " must be " + accepted + ", not " + Py_TYPE(value.ptr())->tp_name;
  throw py::type_error(message);
}

}  // namespace

py::str Text(const std::string& utf8) {
  PyObject* text =
      PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "replace");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

py::object Body(const std::string& data, ContentType type) {
  if (type != ContentType::kJson) return py::bytes(data);
  PyObject* text = PyUnicode_DecodeUTF8(data.data(), static_cast<Py_ssize_t>(data.size()), nullptr);
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(text);
}

py::object TextOrNone(const std::string& utf8) {
  if (utf8.empty()) return py::none();
  return Text(utf8);
}

py::object OptionalBody(const std::optional<std::string>& body, ContentType type) {
  if (!body) return py::none();
  return Body(*body, type);
}

int64_t ToInt(py::handle value, const char* name) {
  if (!PyLong_Check(value.ptr()) || PyBool_Check(value.ptr())) WrongType(name, "an int", value);
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow != 0) RaiseInvalid(std::string(name) + " does not fit into 64 bits");
  return number;
}

double ToDouble(py::handle value, const char* name) {
  if (PyFloat_Check(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
  return static_cast<double>(ToInt(value, name));
}

bool ToBool(py::handle value, const char* name) {
  if (!PyBool_Check(value.ptr())) WrongType(name, "a bool", value);
  return value.ptr() == Py_True;
}

std::string ToText(py::handle value, const char* name) {
  if (!PyUnicode_Check(value.ptr())) WrongType(name, "a str", value);
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (data == nullptr) {
    PyErr_Clear();
    RaiseInvalid(std::string(name) + " holds a lone surrogate, which UTF-8 cannot express");
  }
  return {data, static_cast<size_t>(size)};
}

std::string ToData(py::handle value, const char* name) {
  if (PyBytes_Check(value.ptr())) {
    return {PyBytes_AS_STRING(value.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(value.ptr()))};
  }
  if (!PyUnicode_Check(value.ptr())) WrongType(name, "a str or bytes", value);
  return ToText(value, name);
}

JobState ToState(const std::string& name) {
  if (const auto state = ParseJobState(name)) return *state;
  RaiseInvalid("state '" + name +
               "' is unknown; accepted are scheduled, ready, blocked, active, completed, failed "
               "and cancelled");
}

Durability ToDurability(const std::string& name) {
  if (const auto durability = ParseDurability(name)) return *durability;
  RaiseInvalid("durability '" + name + "' is unknown; accepted are memory, process and power");
}

const char* ContentTypeName(ContentType type) {
  switch (type) {
    case ContentType::kMessagePack:
      return "msgpack";
    case ContentType::kBytes:
      return "bytes";
    case ContentType::kJson:
      break;
  }
  return "json";
}

ContentType ToContentType(const std::string& name) {
  if (name == "json") return ContentType::kJson;
  if (name == "msgpack") return ContentType::kMessagePack;
  if (name == "bytes") return ContentType::kBytes;
  RaiseInvalid("content_type '" + name + "' is unknown; accepted are json, msgpack and bytes");
}

}  // namespace millrace::python
