// How many values cross between C++ and JavaScript at once: as one string, one Float64Array and,
// rarely, a few separate values. One crossing costs about as much as one of the several calls that
// an object per job would need. node/src/wire.ts is the other side and mirrors the order of the
// fields.
#ifndef MILLRACE_BINDINGS_NODE_WIRE_H_
#define MILLRACE_BINDINGS_NODE_WIRE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/engine.h"
#include "napi_env.h"

namespace millrace::node {

// Fields of text are separated by U+0000, which neither JSON text nor a name can hold. A field that
// might hold one, that is no text, or that is long (so that keeping one job does not keep its whole
// batch alive) travels apart: the string then has U+0001 in its place.
class Packed {
 public:
  void Text(std::string_view field);
  void Bytes(std::string bytes);
  void Number(double value) { numbers_.push_back(value); }
  bool empty() const { return numbers_.empty(); }

  // [text, numbers, apart | undefined]
  Napi::Value ToValue(Napi::Env env) const;

 private:
  struct Apart {
    std::string bytes;
    bool is_text;
  };
  void Separate();
  std::string text_;
  bool first_ = true;
  std::vector<double> numbers_;
  std::vector<Apart> apart_;
};

// Reads the fields of a string that JavaScript packed: each ends with U+0000.
class FieldReader {
 public:
  FieldReader(Napi::Env env, Napi::Value text);
  // Throws invalid_argument behind the last field.
  std::string Next();

 private:
  Napi::Env env_;
  std::string text_;
  size_t at_ = 0;
};

// Reads a Float64Array from its start. Throws invalid_argument behind its end.
class NumberReader {
 public:
  NumberReader(Napi::Env env, Napi::Value array);
  double Next();
  int64_t Integer() { return static_cast<int64_t>(Next()); }
  // Integer(), but at most `max` (a count must not make us reserve the world).
  size_t Count(size_t max);

 private:
  Napi::Env env_;
  const double* data_ = nullptr;
  size_t length_ = 0;
  size_t at_ = 0;
};

// The options of a job: everything in a JobSpec but name, data and id. 21 numbers in the order of
// node/src/wire.ts; the last one says whether what few jobs have follows.
void ReadOptions(NumberReader* numbers, FieldReader* fields, JobSpec* spec);
// Jobs to enqueue, each batch an atomic call of its own: see pack() in node/src/enqueuer.ts.
std::vector<std::vector<JobSpec>> ReadBatches(NumberReader* numbers, FieldReader* fields);
void PackSpec(const JobSpec& spec, Packed* out);
void PackBody(const std::string& body, ContentType type, Packed* out);
void PackResult(const std::optional<std::string>& result, ContentType type, Packed* out);

void PackLeased(const LeasedJob& job, Packed* out);
void PackInfo(const JobInfo& job, Packed* out);
void PackOutcome(const JobOutcome& outcome, Packed* out);
void PackCounts(const QueueCounts& counts, Packed* out);
void PackWorker(const WorkerInfo& worker, Packed* out);
void PackPage(const EventPage& page, Packed* out);
void PackNotices(const Notices& notices, Packed* out);
void PackAck(const EnqueueAck& ack, Packed* out);

// wire_model.cc
void PackDependency(const DependencyInfo& dependency, Packed* out);
void PackDependencies(const DependencyPage& page, Packed* out);
void PackCounters(const TaskCounters& counters, Packed* out);
Limit ReadLimit(NumberReader* numbers, FieldReader* fields);
void PackLimit(const LimitInfo& info, Packed* out);
void PackGroup(const GroupInfo& group, Packed* out);
Timing ReadTiming(NumberReader* numbers, FieldReader* fields);
ScheduleSpec ReadSchedule(NumberReader* numbers, FieldReader* fields);
void PackSchedule(const ScheduleInfo& info, Packed* out);

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_WIRE_H_
