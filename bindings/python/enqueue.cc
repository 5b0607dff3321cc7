// Enqueueing: one and many, blocking and with completions for event loops.
#include <mutex>
#include <utility>
#include <variant>

#include "convert.h"
#include "engine.h"
#include "errors.h"
#include "infos.h"
#include "json_writer.h"
#include "notify.h"
#include "spec.h"

namespace millrace::python {
namespace {

// Answers of asynchronous enqueues, in the order in which they came. Thread-safe; the core holds it
// by shared_ptr.
class Completions {
 public:
  explicit Completions(std::shared_ptr<Notifier> notifier) : notifier_(std::move(notifier)) {}

  void Push(int64_t tag, Result<std::vector<EnqueueAck>> result) {
    {
      const std::lock_guard lock(mutex_);
      done_.emplace_back(tag, std::move(result));
    }
    notifier_->Signal();
  }

  py::list Take() {
    std::vector<Entry> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(done_);
    }
    py::list list(taken.size());
    for (size_t i = 0; i < taken.size(); ++i) {
      auto& [tag, result] = taken[i];
      py::object answer =
          result.ok() ? py::cast(Acks{std::move(*result)}) : MakeError(result.status());
      list[i] = py::make_tuple(tag, std::move(answer));
    }
    return list;
  }

 private:
  using Entry = std::pair<int64_t, Result<std::vector<EnqueueAck>>>;
  const std::shared_ptr<Notifier> notifier_;
  std::mutex mutex_;
  std::vector<Entry> done_;
};

std::vector<EnqueueAck> Write(PyEngine& self, std::vector<JobSpec> specs,
                              const WriteOptions& options) {
  return Unwrap(Unlocked([&] { return self->Enqueue(std::move(specs), options); }));
}

}  // namespace

void RegisterEnqueue(py::module_& module, EngineClass& engine) {
  py::class_<Completions, std::shared_ptr<Completions>>(module, "Completions")
      .def(py::init<std::shared_ptr<Notifier>>(), py::arg("notifier").none(false))
      .def("take", &Completions::Take);

  engine
      .def(
          "enqueue",
          [](PyEngine& self, const py::iterable& specs,
             const std::optional<std::string>& durability, bool wait_if_full) {
            return Acks{Write(self, ToSpecs(specs), ToWriteOptions(durability, wait_if_full))};
          },
          py::arg("specs"), py::kw_only(), py::arg("durability") = py::none(),
          py::arg("wait_if_full") = true)
      .def(
          "enqueue_value",
          [](PyEngine& self, const PySpec& like, const py::object& value) {
            std::vector<JobSpec> specs(1, like.spec);
            specs[0].data = ToJson(value);
            return AckTuple(Write(self, std::move(specs), {}).front());
          },
          py::arg("like"), py::arg("value"), py::pos_only())
      .def(
          "enqueue_values",
          [](PyEngine& self, const PySpec& like, const py::iterable& values,
             const std::optional<std::string>& durability) {
            std::vector<JobSpec> specs;
            specs.reserve(py::len_hint(values));
            for (const py::handle value : values) {
              specs.push_back(like.spec);
              specs.back().data = ToJson(value);
            }
            return Acks{Write(self, std::move(specs), ToWriteOptions(durability))};
          },
          py::arg("like"), py::arg("values"), py::kw_only(), py::arg("durability") = py::none())
      .def(
          "enqueue_async",
          [](PyEngine& self, const py::iterable& specs, int64_t tag,
             const std::shared_ptr<Completions>& completions,
             const std::optional<std::string>& durability, bool wait_if_full) {
            std::vector<JobSpec> jobs = ToSpecs(specs);
            const WriteOptions options = ToWriteOptions(durability, wait_if_full);
            Unlocked([&] {
              self->EnqueueAsync(std::move(jobs), options,
                                 [completions, tag](Result<std::vector<EnqueueAck>> result) {
                                   completions->Push(tag, std::move(result));
                                 });
            });
          },
          py::arg("specs"), py::arg("tag"), py::arg("completions").none(false), py::kw_only(),
          py::arg("durability") = py::none(), py::arg("wait_if_full") = true);
}

}  // namespace millrace::python
