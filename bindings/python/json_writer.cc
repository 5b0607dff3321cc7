#include "json_writer.h"

#include <charconv>
#include <cmath>
#include <vector>

namespace millrace::python {
namespace {

constexpr int kMaxDepth = 500;

// One strong reference for the life of the process. Called for values that JSON does not know.
PyObject* g_fallback = nullptr;

class Writer {
 public:
  explicit Writer(std::string* out) : out_(*out) {}

  // False: a Python error is set.
  bool Write(PyObject* value) {
    if (value == Py_None) return Literal("null");
    if (value == Py_True) return Literal("true");
    if (value == Py_False) return Literal("false");
    if (PyUnicode_Check(value)) return WriteString(value);
    if (PyLong_Check(value)) return WriteInteger(value);
    if (PyFloat_Check(value)) return WriteFloat(value);
    if (PyDict_Check(value)) return Nested(value, &Writer::WriteDict);
    if (PyList_Check(value) || PyTuple_Check(value)) return Nested(value, &Writer::WriteSequence);
    return WriteFallback(value);
  }

 private:
  // Where the value stands: a key (borrowed; the dict that holds it is alive) or an index.
  struct Step {
    PyObject* key;
    Py_ssize_t index;
  };

  bool Literal(const char* text) {
    out_ += text;
    return true;
  }

  bool Nested(PyObject* value, bool (Writer::*write)(PyObject*)) {
    if (path_.size() >= kMaxDepth) {
      return Fail(PyExc_ValueError, "is nested deeper than 500 levels (or contains itself)");
    }
    bool ok;
#if PY_VERSION_HEX >= 0x030D0000
    Py_BEGIN_CRITICAL_SECTION(value);
    ok = (this->*write)(value);
    Py_END_CRITICAL_SECTION();
#else
    ok = (this->*write)(value);
#endif
    return ok;
  }

  bool WriteDict(PyObject* dict) {
    out_ += '{';
    PyObject* key;
    PyObject* value;
    Py_ssize_t position = 0;
    bool first = true;
    while (PyDict_Next(dict, &position, &key, &value) != 0) {
      if (!PyUnicode_Check(key)) {
        const std::string type = Py_TYPE(key)->tp_name;
        return Fail(PyExc_TypeError, "has a key of type " + type + "; JSON objects have str keys");
      }
      if (!first) out_ += ',';
      first = false;
      path_.push_back({key, 0});
      if (!WriteString(key)) return false;
      out_ += ':';
      if (!WriteHeld(value)) return false;
      path_.pop_back();
    }
    out_ += '}';
    return true;
  }

  bool WriteSequence(PyObject* sequence) {
    const bool list = PyList_Check(sequence);
    out_ += '[';
    for (Py_ssize_t i = 0; i < Py_SIZE(sequence); ++i) {
      if (i > 0) out_ += ',';
      path_.push_back({nullptr, i});
      if (!WriteHeld(list ? PyList_GET_ITEM(sequence, i) : PyTuple_GET_ITEM(sequence, i))) {
        return false;
      }
      path_.pop_back();
    }
    out_ += ']';
    return true;
  }

  // The fallback is Python code and might drop the last other reference.
  bool WriteHeld(PyObject* value) {
    Py_INCREF(value);
    const bool ok = Write(value);
    Py_DECREF(value);
    return ok;
  }

  bool WriteString(PyObject* text) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == nullptr) {
      PyErr_Clear();
      return Fail(PyExc_ValueError, "holds a lone surrogate, which UTF-8 cannot express");
    }
    static constexpr char kHex[] = "0123456789abcdef";
    out_ += '"';
    const char* run = data;
    const char* const end = data + size;
    for (const char* at = data; at != end; ++at) {
      const auto byte = static_cast<unsigned char>(*at);
      if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
      out_.append(run, at);
      run = at + 1;
      switch (byte) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        default:
          out_ += "\\u00";
          out_ += kHex[byte >> 4];
          out_ += kHex[byte & 15];
      }
    }
    out_.append(run, end);
    out_ += '"';
    return true;
  }

  bool WriteInteger(PyObject* number) {
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow == 0) {
      if (small == -1 && PyErr_Occurred() != nullptr) return false;
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, small).ptr;
      out_.append(digits, end);
      return true;
    }
    // int.__repr__, not str(): an enum's own text is not a number.
    PyObject* text = PyLong_Type.tp_repr(number);
    if (text == nullptr) return false;
    out_ += PyUnicode_AsUTF8(text);
    Py_DECREF(text);
    return true;
  }

  bool WriteFloat(PyObject* number) {
    const double value = PyFloat_AS_DOUBLE(number);
    if (!std::isfinite(value))
      return Fail(PyExc_ValueError, "is not a finite number; JSON has no NaN or infinity");
    char* text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, nullptr);
    if (text == nullptr) return false;
    out_ += text;
    PyMem_Free(text);
    return true;
  }

  bool WriteFallback(PyObject* value) {
    PyObject* answer = g_fallback == nullptr ? Py_NewRef(Py_NotImplemented)
                                             : PyObject_CallOneArg(g_fallback, value);
    if (answer == nullptr) return false;
    bool ok;
    if (answer == Py_NotImplemented) {
      ok = Fail(PyExc_TypeError,
                std::string("is a ") + Py_TYPE(value)->tp_name +
                    ", which cannot travel as JSON (accepted: None, bool, int, float, str, list, "
                    "tuple, dict with "
                    "str keys, datetime, date, time, timedelta, UUID, Decimal, bytes, Enum)");
    } else {
      ok = Write(answer);
    }
    Py_DECREF(answer);
    return ok;
  }

  bool Fail(PyObject* type, const std::string& what) {
    std::string where;
    for (const Step& step : path_) {
      if (step.key == nullptr) {
        where += '[' + std::to_string(step.index) + ']';
        continue;
      }
      if (!where.empty()) where += '.';
      const char* name = PyUnicode_Check(step.key) ? PyUnicode_AsUTF8(step.key) : nullptr;
      where += name != nullptr ? name : "?";
      PyErr_Clear();
      if (where.size() > 200) break;  // a path that long helps nobody
    }
    const std::string message = where.empty() ? "the value " + what : "'" + where + "' " + what;
    PyErr_SetString(type, message.c_str());
    return false;
  }

  std::string& out_;
  std::vector<Step> path_;
};

}  // namespace

std::string ToJson(py::handle value) {
  std::string out;
  if (!Writer(&out).Write(value.ptr())) throw py::error_already_set();
  return out;
}

void RegisterJson(py::module_& module) {
  module.def(
      "dumps", [](const py::object& value) { return ToJson(value); }, py::arg("value"),
      py::pos_only());
  module.def(
      "set_json_fallback",
      [](const py::object& fallback) {
        PyObject* old = g_fallback;
        g_fallback = fallback.is_none() ? nullptr : fallback.inc_ref().ptr();
        Py_XDECREF(old);
      },
      py::arg("fallback"), py::pos_only());
}

}  // namespace millrace::python
