// Transactions: jobs and the user's own tables in one commit.
#include <memory>
#include <utility>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "infos.h"
#include "spec.h"

namespace millrace::python {
namespace {

// Holds its engine, so that the engine outlives it whatever order Python collects in.
struct PyTransaction {
  EnginePtr engine;
  std::unique_ptr<Transaction> transaction;

  ~PyTransaction() {
    if (!transaction) return;
    py::gil_scoped_release release;  // an open one is rolled back, which waits for the disk
    transaction.reset();
  }
  Transaction* operator->() const { return transaction.get(); }
};

SqlValue ToSqlValue(py::handle value, size_t index) {
  PyObject* const object = value.ptr();
  if (value.is_none()) return std::monostate();
  if (PyLong_Check(object)) {  // bool too
    int overflow = 0;
    const long long integer = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) {
      Raise(Status(Code::kInvalidArgument,
                   "parameters[" + std::to_string(index) +
                       "] does not fit into 64 bits; -2**63 to 2**63 - 1 is accepted"));
    }
    return static_cast<int64_t>(integer);
  }
  if (PyFloat_Check(object)) return PyFloat_AS_DOUBLE(object);
  if (PyUnicode_Check(object)) return ToText(value, "parameters");
  if (PyBytes_Check(object)) {
    return SqlBlob{
        std::string(PyBytes_AS_STRING(object), static_cast<size_t>(PyBytes_GET_SIZE(object)))};
  }
  if (PyByteArray_Check(object)) {
    return SqlBlob{std::string(PyByteArray_AS_STRING(object),
                               static_cast<size_t>(PyByteArray_GET_SIZE(object)))};
  }
  throw py::type_error("parameters[" + std::to_string(index) +
                       "] must be a str, int, float, bool, bytes or None, not " +
                       std::string(Py_TYPE(object)->tp_name));
}

std::vector<SqlValue> ToSqlValues(const py::object& parameters) {
  if (!PyTuple_Check(parameters.ptr()) && !PyList_Check(parameters.ptr())) {
    throw py::type_error("parameters must be a tuple or a list, not " +
                         std::string(Py_TYPE(parameters.ptr())->tp_name));
  }
  std::vector<SqlValue> values;
  for (const py::handle value : parameters) values.push_back(ToSqlValue(value, values.size()));
  return values;
}

py::object FromSqlValue(const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return py::int_(*integer);
  if (const auto* real = std::get_if<double>(&value)) return py::float_(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return Text(*text);
  if (const auto* blob = std::get_if<SqlBlob>(&value)) return py::bytes(blob->bytes);
  return py::none();
}

// (columns, rows, changes, last_insert_rowid)
py::tuple FromResult(const SqlResult& result) {
  py::tuple columns(result.columns.size());
  for (size_t i = 0; i < result.columns.size(); ++i) columns[i] = Text(result.columns[i]);
  py::list rows(result.rows.size());
  for (size_t i = 0; i < result.rows.size(); ++i) {
    py::tuple row(result.rows[i].size());
    for (size_t j = 0; j < row.size(); ++j) row[j] = FromSqlValue(result.rows[i][j]);
    rows[i] = std::move(row);
  }
  return py::make_tuple(std::move(columns), std::move(rows), result.changes,
                        result.last_insert_rowid);
}

std::unique_ptr<PyTransaction> Begin(PyEngine& engine, int64_t timeout_ms,
                                     const std::optional<std::string>& durability,
                                     bool thread_bound) {
  TransactionOptions options;
  options.timeout_ms = timeout_ms;
  if (durability) options.durability = ToDurability(*durability);
  options.thread_bound = thread_bound;
  auto made = std::make_unique<PyTransaction>();
  made->engine = engine.engine;
  made->transaction = Unwrap(engine->Begin(options));
  return made;
}

}  // namespace

void RegisterTransaction(py::module_& module, EngineClass& engine) {
  py::class_<PyTransaction>(module, "Transaction")
      .def(
          "execute",
          [](PyTransaction& self, const std::string& sql, const py::object& parameters) {
            const std::vector<SqlValue> values = ToSqlValues(parameters);
            return FromResult(Unwrap(Unlocked([&] { return self->Execute(sql, values); })));
          },
          py::arg("sql"), py::arg("parameters") = py::tuple())
      .def(
          "enqueue",
          [](PyTransaction& self, const py::iterable& specs) {
            std::vector<JobSpec> jobs = ToSpecs(specs);
            return Acks{Unwrap(Unlocked([&] { return self->Enqueue(std::move(jobs)); }))};
          },
          py::arg("specs"))
      .def("commit", [](PyTransaction& self) { Check(Unlocked([&] { return self->Commit(); })); })
      .def("rollback",
           [](PyTransaction& self) { Check(Unlocked([&] { return self->Rollback(); })); });

  const TransactionOptions defaults;
  engine.def("begin", &Begin, py::kw_only(), py::arg("timeout_ms") = defaults.timeout_ms,
             py::arg("durability") = py::none(), py::arg("thread_bound") = defaults.thread_bound);
}

}  // namespace millrace::python
