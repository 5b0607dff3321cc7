// The module millrace._core: the core's engine.h, one to one. No rule about jobs lives here.
//
// Lifetimes: sessions and subscriptions hold their engine. Callbacks of the core never touch
// Python: they signal a Notifier or fill a Completions or LogLines, all held by shared_ptr. Every
// call that may wait for the disk or for another process releases the GIL.
#include <pybind11/pybind11.h>

#include "engine.h"
#include "errors.h"
#include "infos.h"
#include "json_writer.h"
#include "leased_job.h"
#include "links.h"
#include "log_lines.h"
#include "notify.h"
#include "spec.h"

namespace py = pybind11;

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  py::options options;
  options.disable_function_signatures();  // _core.pyi documents them
  using namespace millrace::python;       // NOLINT(google-build-using-namespace): this scope only
  module.doc() =
      "The native core of Millrace. Use the package millrace; this module may change between "
      "versions.";
  module.attr("VERSION") = millrace::Version();
  module.attr("SQLITE_VERSION") = millrace::SqliteVersion();
  module.def(
      "raise_in_thread",
      [](unsigned long thread_id, const py::object& exception) {
        return PyThreadState_SetAsyncExc(thread_id,
                                         exception.is_none() ? nullptr : exception.ptr());
      },
      py::arg("thread_id"), py::arg("exception"));
  RegisterErrors(module);
  RegisterJson(module);
  RegisterNotify(module);
  RegisterLogLines(module);
  RegisterLinks(module);
  RegisterSpec(module);
  RegisterInfos(module);
  RegisterLeasedJob(module);
  RegisterEngine(module);
}
