#include "jobs/jobs_test_util.h"

#include "base/macros.h"
#include "engine/operation.h"
#include "flows/enqueue.h"
#include "jobs/enqueue.h"
#include "jobs/finish.h"
#include "jobs/read.h"
#include "jobs/retention.h"
#include "sql_statements.h"
#include "store/migrate.h"

namespace millrace::jobs {

class JobsFixture::Rings : public Ledger::Wakes {
 public:
  explicit Rings(JobsFixture& fixture) : fixture_(fixture) {}
  void NewJobs(int64_t queue_id, int64_t count) override { fixture_.new_jobs[queue_id] += count; }
  void NewEvents(int64_t) override {}
  void Control(int64_t process_id) override { fixture_.controlled.push_back(process_id); }

 private:
  JobsFixture& fixture_;
};

JobsFixture::JobsFixture(Ledger::Options options) : rings_(std::make_unique<Rings>(*this)) {
  store_ = store::OpenStore(directory_.File("jobs.db"));
  options.clock = &clock;
  options.wakes = rings_.get();
  ledger_ = std::make_unique<Ledger>(options);
}

JobsFixture::~JobsFixture() {
  CHECK(store_->Close().ok());
}

Status JobsFixture::Do(const std::function<Status(Ledger&)>& operation) {
  RETURN_IF_ERROR(store_->LockWriter());
  store::Connection& writer = store_->writer();
  Status status = store::Query(writer, sql::transaction::kBeginImmediate).Run();
  if (status.ok()) status = ledger_->Begin(writer);
  if (status.ok()) status = operation(*ledger_);
  if (status.ok()) status = engine::Conclude(*ledger_);
  if (status.ok()) status = ledger_->Flush(writer);
  if (status.ok()) status = store::Query(writer, sql::transaction::kCommit).Run();
  if (!status.ok()) {
    CHECK(store::Query(writer, sql::transaction::kRollBack).Run().ok());
    ledger_->RolledBack();
  }
  store_->UnlockWriter();
  if (status.ok()) ledger_->Committed();
  return status;
}

EnqueueAck JobsFixture::Add(const JobSpec& spec) {
  EnqueueAck ack;
  MustDo([&](Ledger& ledger) { return EnqueueJob(ledger, spec, &ack); });
  return ack;
}

std::vector<EnqueueAck> JobsFixture::AddAll(const std::vector<JobSpec>& specs) {
  std::vector<EnqueueAck> acks;
  MustDo([&](Ledger& ledger) { return flows::EnqueueJobs(ledger, specs, &acks); });
  return acks;
}

std::string JobsFixture::AddId(const std::string& id, const std::string& queue) {
  return Add(Spec(id, queue)).id;
}

std::vector<Claimed> JobsFixture::Claim(int32_t max, const std::string& queue) {
  std::vector<Claimed> claimed;
  MustDo([&](Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
    return ClaimJobs(ledger, queue_id, queue, kProcess, max, &claimed);
  });
  return claimed;
}

Lease JobsFixture::ClaimOne(const std::string& queue) {
  std::vector<Claimed> claimed = Claim(1, queue);
  REQUIRE(claimed.size() == 1);
  return claimed[0].lease;
}

Settled JobsFixture::Settle(const Lease& lease, const Outcome& outcome) {
  Settled settled;
  MustDo([&](Ledger& ledger) { return FinishJob(ledger, lease, outcome, &settled); });
  return settled;
}

Settled JobsFixture::Settle(const Lease& lease, Outcome::Kind kind, const std::string& body) {
  return Settle(lease, MakeOutcome(kind, body));
}

JobInfo JobsFixture::Read(const std::string& id, const std::string& queue) {
  return RequireOk(ReadJob(connection(), {id, queue}));
}

bool JobsFixture::Exists(const std::string& id) {
  const Result<JobInfo> job = ReadJob(connection(), {id, ""});
  if (!job.ok()) REQUIRE(job.status().code() == Code::kNotFound);
  return job.ok();
}

QueueCounts JobsFixture::Counts(const std::string& queue) {
  return RequireOk(ReadCounts(connection(), queue));
}

std::vector<Event> JobsFixture::Events(const std::string& queue, std::vector<EventType> types) {
  std::vector<Event> events;
  EventQuery query{.queue = queue, .types = std::move(types), .limit = 7};
  const std::vector<LogQueue> queues = RequireOk(QueuesOf(connection(), query));
  for (EventPosition from;;) {
    EventPage page = RequireOk(ReadEventPage(connection(), queues, query, from));
    for (Event& event : page.events) events.push_back(std::move(event));
    const EventPosition next = RequireOk(ParseEventId(page.next, "next"));
    if (next.seq == from.seq && next.n == from.n) return events;
    if (page.events.empty() && next.seq == 0) return events;
    from = next;
  }
}

StoreFacts JobsFixture::Facts() {
  return {.path = store_->path(),
          .now_ms = clock.WallMs(),
          .schema_version = store::SchemaVersion(),
          .alive = [](int) { return true; },
          .checks = {}};
}

void JobsFixture::CheckInvariants() {
  // The leases here belong to a process that is registered for the look only.
  RequireOk(connection().Exec("INSERT INTO processes VALUES (1000000, 0, 1, 'test', 0)"));
  const int64_t next = Int("SELECT next FROM sequence");
  RequireOk(connection().Exec("UPDATE sequence SET next = 2000000"));
  const std::string answer = RequireOk(DoctorJson(connection(), Facts()));
  RequireOk(connection().Exec("DELETE FROM processes"));
  RequireOk(connection().Exec(("UPDATE sequence SET next = " + std::to_string(next)).c_str()));
  CAPTURE(answer);
  REQUIRE(answer.rfind(R"({"ok":true)", 0) == 0);
}

JobSpec Spec(const std::string& id, const std::string& queue) {
  JobSpec spec;
  spec.queue = queue;
  spec.name = "task";
  spec.data = "{}";
  spec.id = id;
  return spec;
}

Outcome MakeOutcome(Outcome::Kind kind, const std::string& body) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.body = body;
  return outcome;
}

}  // namespace millrace::jobs
