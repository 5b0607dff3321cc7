// Sealed stores as callers see them: the file shows nothing, the wrong key is told, and what was
// altered does not run.
#include <filesystem>
#include <string>
#include <vector>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/store_test_util.h"

namespace millrace::testing {
namespace {

constexpr const char* kMark = "Zanzibar-7431";

SecurityKey Key(const std::string& id, char seed = 'a') {
  return {.id = id, .secret = std::string(32, seed)};
}

std::string Json(const std::string& what) {
  return R"({"x":")" + std::string(kMark) + " " + what + R"("})";
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Fixture {
  explicit Fixture(Security security = {.keys = {Key("k1")}}) { Open(std::move(security)); }
  // Opens the store (again) with these keys.
  void Open(Security security) {
    session.reset();
    engine.reset();
    engine = Must(Engine::Open({.path = dir.file(),
                                .security = std::move(security),
                                .on_log = [this](const auto& line) { lines.push_back(line); }}));
    session = Must(engine->OpenSession({.queues = {"q"}, .slots = 8}));
  }
  Result<std::unique_ptr<Engine>> TryOpen(Security security) {
    return Engine::Open({.path = dir.file(), .security = std::move(security)});
  }
  // The names of the store's files that hold the text.
  std::vector<std::string> FilesWith(const std::string& text) {
    std::vector<std::string> names;
    const auto folder = std::filesystem::path(dir.file()).parent_path();
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (Has(store::ReadFile(entry.path()), text)) names.push_back(entry.path().filename());
    }
    return names;
  }
  // Changes the file as somebody without a key can.
  void Tamper(const std::string& sql) {
    auto store = store::OpenStore(dir.file());
    store::RequireOk(store::Write(*store, sql));
  }
  std::string AddMarked(const std::string& name = "task", Sealing sealing = Sealing::kDefault) {
    JobSpec spec = Spec(name, Json("data"));
    spec.sealing = sealing;
    return Add(*engine, spec).id;
  }
  JobInfo Read(const std::string& id) { return Must(engine->GetJob({.id = id, .queue = ""})); }

  TempDir dir;
  std::vector<std::string> lines;  // of on_log
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Session> session;
};

// A life that leaves a payload in every place that can hold one.
std::string LiveThrough(Fixture& f, Sealing sealing) {
  JobSpec spec = Spec("task", Json("data"));
  spec.sealing = sealing;
  spec.retry.max_attempts = 3;
  const std::string id = Add(*f.engine, spec).id;
  LeasedJob job = TakeOne(*f.session);
  CHECK(job.spec.data == Json("data"));
  Must(f.session->Progress(job.token, Json("progress")));
  Must(f.session->Log(job.token, std::string(kMark) + " log"));
  Must(f.session->Checkpoint(job.token, Json("checkpoint")));
  SettleAndWait(*f.session, job.token, Failed(std::string(kMark) + " error"));
  job = TakeOne(*f.session);
  CHECK(job.progress == Json("progress"));
  CHECK(job.checkpoint == Json("checkpoint"));
  CHECK(Must(f.engine->GetJob({.id = id, .queue = ""})).checkpoint == Json("checkpoint"));
  Must(f.engine->SetProgress({.id = id, .queue = ""}, Json("outside"), {}));
  Must(f.engine->AddLog({.id = id, .queue = ""}, std::string(kMark) + " outside", {}));
  CHECK(Must(f.engine->Cancel({.id = id, .queue = ""}, std::string(kMark) + " reason", {})) ==
        CancelResult::kRequested);
  const Signal signal = NextSignal(*f.session);
  CHECK(signal.reason == std::string(kMark) + " reason");
  SettleAndWait(*f.session, job.token, Completed(Json("result")));
  return id;
}

void CheckReadable(Fixture& f, const std::string& id) {
  const JobRef ref{.id = id, .queue = ""};
  const JobInfo info = f.Read(id);
  CHECK(info.spec.data == Json("data"));
  CHECK(info.result == Json("result"));
  CHECK(info.progress == Json("outside"));
  REQUIRE(info.attempt_errors.size() == 1);
  CHECK(Has(info.attempt_errors[0], kMark));
  const JobOutcome outcome = Must(f.engine->WaitFinished(ref, 10'000));
  CHECK(outcome.result == Json("result"));
  CHECK(outcome.progress == Json("outside"));
  const auto logs = Must(f.engine->GetLogs(ref, 0, 10));
  REQUIRE(logs.size() == 2);
  CHECK(logs[0].text == std::string(kMark) + " log");
  CHECK(logs[1].text == std::string(kMark) + " outside");
  const auto listed = Must(f.engine->ListJobs({.queue = "q", .state = JobState::kCompleted}));
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].result == Json("result"));
  const std::string json = Must(f.engine->JobJson(ref));
  for (const char* part : {"data", "result", "outside", "error", "log"}) {
    CHECK(Has(json, std::string(kMark) + " " + part));
  }
}

std::vector<std::string> EventData(Fixture& f) {
  std::vector<std::string> data;
  auto subscription = Must(f.engine->Subscribe({.query = {.queue = "q"}}));
  for (const Event& event : Must(subscription->Next(10'000)).events) {
    if (!event.data.empty()) data.push_back(event.data);
  }
  std::vector<std::string> read;
  for (const Event& event : Must(f.engine->ReadEvents({.queue = "q"})).events) {
    if (!event.data.empty()) read.push_back(event.data);
  }
  CHECK(read == data);
  return data;
}

}  // namespace

TEST_CASE("without keys nothing is sealed", "[seal][session]") {
  Fixture f(Security{});
  const std::string id = LiveThrough(f, Sealing::kDefault);
  CheckReadable(f, id);
  CHECK_FALSE(f.FilesWith(kMark).empty());
  JobSpec spec = Spec();
  spec.sealing = Sealing::kEncrypt;
  const auto refused = f.engine->Enqueue({spec}, {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == Code::kInvalidArgument);
  CHECK(Has(refused.status().message(), "sealing is encrypt"));
  CHECK(Must(f.engine->Counts("q")).ready == 0);
}

TEST_CASE("the file of an encrypted store shows no payload", "[seal][session]") {
  Fixture f;
  const std::string id = LiveThrough(f, Sealing::kDefault);
  CheckReadable(f, id);
  // A waiting job that is cancelled has the reason in its error.
  f.session->Pause();
  const std::string waiting = f.AddMarked();
  Must(f.engine->Cancel({.id = waiting, .queue = ""}, std::string(kMark) + " why", {}));
  CHECK(Has(f.Read(waiting).error, std::string(kMark) + " why"));
  f.session->Resume();
  // So has one that its worker gives back.
  const std::string taken = f.AddMarked();
  const LeasedJob unbegun = TakeOne(*f.session);
  Must(f.engine->Cancel({.id = taken, .queue = ""}, std::string(kMark) + " wherefore", {}));
  Outcome back;
  back.kind = Outcome::Kind::kReleased;
  CHECK(SettleAndWait(*f.session, unbegun.token, back).state == JobState::kCancelled);
  CHECK(Has(f.Read(taken).error, std::string(kMark) + " wherefore"));
  // A result that is kept nowhere but in the event log.
  JobSpec brief = Spec("task", Json("data"));
  brief.keep_completed = Keep{.age_ms = -1, .count = 0};
  Add(*f.engine, brief);
  SettleAndWait(*f.session, TakeOne(*f.session).token, Completed(Json("gone")));
  const std::vector<std::string> data = EventData(f);
  // Progress, retry, progress, result, two cancels, the result that is gone.
  CHECK(data.size() == 7);
  for (const std::string& text : data) CHECK(Has(text, kMark));
  CHECK(data.back() == Json("gone"));

  CHECK(f.FilesWith(kMark) == std::vector<std::string>{});
  REQUIRE_FALSE(f.FilesWith("task").empty());  // names are readable: the scan does see the file
  f.session.reset();
  f.engine.reset();
  CHECK(f.FilesWith(kMark) == std::vector<std::string>{});
  f.Open({.keys = {Key("k1")}});
  CHECK(f.Read(id).result == Json("result"));
}

TEST_CASE("every job can be sealed in its own way", "[seal][session]") {
  Fixture f({.keys = {Key("k1")}, .mode = Sealing::kNone});
  const std::string id = LiveThrough(f, Sealing::kEncrypt);
  CheckReadable(f, id);
  CHECK(f.FilesWith(kMark) == std::vector<std::string>{});
  LiveThrough(f, Sealing::kSign);
  CHECK_FALSE(f.FilesWith(kMark).empty());  // signed is readable
  Fixture plain;
  const std::string none = LiveThrough(plain, Sealing::kNone);
  plain.Open({});  // without keys
  CheckReadable(plain, none);
}

TEST_CASE("asynchronous and unwritten enqueues are sealed too", "[seal][session]") {
  Fixture f;
  std::vector<Result<std::vector<EnqueueAck>>> answers;
  std::atomic<bool> done{false};
  f.engine->EnqueueManyAsync({{Spec("task", Json("1"))}, {Spec("task", Json("2"))}}, {},
                             [&](auto given) {
                               answers = std::move(given);
                               done = true;
                               done.notify_one();
                             });
  done.wait(false);
  REQUIRE(answers.size() == 2);
  Must(f.engine->Enqueue({Spec("task", Json("3"))}, {.durability = Durability::kMemory}));
  std::vector<std::string> data;
  while (data.size() < 3) data.push_back(TakeOne(*f.session).spec.data);
  CHECK(data == std::vector<std::string>{Json("1"), Json("2"), Json("3")});
  CHECK(f.FilesWith(kMark) == std::vector<std::string>{});
}

TEST_CASE("bytes that look sealed are a payload as any other", "[seal][session]") {
  for (const bool with_key : {false, true}) {
    Fixture f(with_key ? Security{.keys = {Key("k1")}, .mode = Sealing::kNone} : Security{});
    JobSpec spec = Spec("task", "\xffmsl\x01\x02k1 and more");
    spec.content_type = ContentType::kBytes;
    const std::string id = Add(*f.engine, spec).id;
    const LeasedJob job = TakeOne(*f.session);
    CHECK(job.spec.data == spec.data);
    Outcome outcome = Completed(spec.data);
    outcome.content_type = ContentType::kBytes;
    SettleAndWait(*f.session, job.token, outcome);
    CHECK(f.Read(id).result == spec.data);
  }
}

TEST_CASE("a wrong key is refused when the store is opened", "[seal][session]") {
  Fixture f;
  const std::string id = f.AddMarked();
  auto refused = f.TryOpen({.keys = {Key("k2", 'b'), Key("k1", 'x')}});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == Code::kInvalidArgument);
  CHECK(Has(refused.status().message(), "the secret of key \"k1\""));
  // Nothing was changed: k2 is not known by this.
  CHECK(f.TryOpen({.keys = {Key("k2", 'c'), Key("k1")}}).ok());
  refused = f.TryOpen({.keys = {Key("k2", 'b')}});
  CHECK(refused.status().code() == Code::kInvalidArgument);
  refused = f.TryOpen({.keys = {{.id = "k1", .secret = "short"}}});
  CHECK(Has(refused.status().message(), "has 5 bytes; exactly 32"));
  CHECK(f.Read(id).spec.data == Json("data"));
}

TEST_CASE("after a rotation old payloads open and new ones need the new key", "[seal][session]") {
  Fixture f;
  const std::string old_job = f.AddMarked();
  f.Open({.keys = {Key("k2", 'b'), Key("k1")}});
  CHECK(f.Read(old_job).spec.data == Json("data"));
  const std::string new_job = f.AddMarked();
  f.Open({.keys = {Key("k2", 'b')}});
  CHECK(f.Read(new_job).spec.data == Json("data"));
  const auto refused = f.engine->GetJob({.id = old_job, .queue = ""});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == Code::kPermissionDenied);
  CHECK(Has(refused.status().message(), "\"k1\""));
}

TEST_CASE("a job whose data a worker cannot open does not run, and can be redriven",
          "[seal][session]") {
  Fixture f;
  const std::string id = f.AddMarked();
  f.Open({});  // a worker without the key
  const std::string plain = Add(*f.engine, Spec("plain", "[1]")).id;
  const LeasedJob job = TakeOne(*f.session);  // passes the sealed one by
  CHECK(job.spec.id == plain);
  SettleAndWait(*f.session, job.token, Completed());
  const JobOutcome outcome = Must(f.engine->WaitFinished({.id = id, .queue = ""}, 10'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(Has(outcome.error, R"("type":"PayloadUnreadable")"));
  CHECK(Has(outcome.error, R"(\"k1\")"));
  CHECK(Must(f.session->Take(1, 0)).empty());
  REQUIRE(f.lines.size() == 1);
  CHECK(Has(f.lines[0], "\"k1\""));
  CHECK(Must(f.session->Drain(0)).errors.empty());
  // Lists show the rest of it.
  const auto dead = Must(f.engine->ListJobs({.queue = "q", .state = JobState::kFailed}));
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].spec.data == R"({"$sealed":"k1"})");
  CHECK(Has(Must(f.engine->JobJson({.id = id, .queue = ""})), R"("data":{"$sealed":"k1"})"));
  CHECK(Has(Must(f.engine->DeadJson("q", "", 10)), "PayloadUnreadable"));

  f.Open({.keys = {Key("k1")}});
  Must(f.engine->Redrive({.id = id, .queue = ""}, {}, {}));
  const LeasedJob again = TakeOne(*f.session);
  CHECK(again.spec.data == Json("data"));
}

TEST_CASE("an altered payload is refused wherever it is read", "[seal][session]") {
  for (const Sealing mode : {Sealing::kSign, Sealing::kEncrypt}) {
    Fixture f({.keys = {Key("k1")}, .mode = mode});
    const std::string id = LiveThrough(f, Sealing::kDefault);
    // Another last byte of the result.
    f.Tamper(
        "UPDATE finished SET body = CAST(substr(body, 1, length(body) - 1) || "
        "CASE substr(body, -1) WHEN x'7d' THEN x'5d' ELSE x'7d' END AS BLOB)");
    const JobRef ref{.id = id, .queue = ""};
    for (const Status& status : {f.engine->GetJob(ref).status(), f.engine->GetOutcome(ref).status(),
                                 f.engine->WaitFinished(ref, 0).status()}) {
      CHECK(status.code() == Code::kCorrupt);
      CHECK(Has(status.message(), "\"k1\""));
    }
    const auto listed = Must(f.engine->ListJobs({.queue = "q", .state = JobState::kCompleted}));
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].spec.data == Json("data"));
    CHECK(listed[0].result == R"({"$sealed":"k1"})");
    f.Tamper("UPDATE job_logs SET text = CAST(text || 'x' AS BLOB)");
    CHECK(f.engine->GetLogs(ref, 0, 10).status().code() == Code::kCorrupt);
    CHECK(Has(Must(f.engine->JobJson(ref)), R"("text":"{\"$sealed\":\"k1\"}")"));
  }
}

TEST_CASE("a result passed off as data, or data of another task, does not run", "[seal][session]") {
  Fixture f;
  LiveThrough(f, Sealing::kDefault);
  f.session->Pause();
  const std::string forged = f.AddMarked();
  f.Tamper(
      "UPDATE jobs SET data = (SELECT body FROM finished) WHERE job = (SELECT max(job) "
      "FROM jobs)");
  const std::string genuine = f.AddMarked();
  f.session->Resume();
  CHECK(TakeOne(*f.session).spec.id == genuine);
  const JobOutcome outcome = Must(f.engine->WaitFinished({.id = forged, .queue = ""}, 10'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(Has(outcome.error, "PayloadUnreadable"));
}

TEST_CASE("a store that requires seals runs nothing that is not sealed", "[seal][session]") {
  Fixture f(Security{});
  const std::string plain = f.AddMarked();
  f.Open({.keys = {Key("k1")}, .require = true});
  const std::string sealed = f.AddMarked();
  CHECK(TakeOne(*f.session).spec.id == sealed);
  const JobOutcome outcome = Must(f.engine->WaitFinished({.id = plain, .queue = ""}, 10'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(Has(outcome.error, "not sealed"));
}

}  // namespace millrace::testing
