// The rest of the job model on an encrypted store: flows, schedules, transactions and follow-up
// jobs pass payloads on, and the file never shows one.
#include <filesystem>
#include <string>
#include <vector>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/store_test_util.h"

namespace millrace::testing {
namespace {

constexpr const char* kMark = "Zanzibar-7431";

std::string Marked(const std::string& what) {
  return R"({"x":")" + std::string(kMark) + " " + what + R"("})";
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Fixture {
  Fixture() { Open(true); }
  ~Fixture() {
    session.reset();
    engine.reset();
    CHECK(FilesWith(kMark) == std::vector<std::string>{});
  }
  void Open(bool with_key) {
    session.reset();
    engine.reset();
    Security security;
    if (with_key) security.keys = {{.id = "k1", .secret = std::string(32, 'a')}};
    engine = Must(Engine::Open({.path = dir.file(), .security = security}));
    session = Must(engine->OpenSession({.queues = {"q"}, .slots = 8}));
  }
  std::vector<std::string> FilesWith(const std::string& text) {
    std::vector<std::string> names;
    const auto folder = std::filesystem::path(dir.file()).parent_path();
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (Has(store::ReadFile(entry.path()), text)) names.push_back(entry.path().filename());
    }
    return names;
  }
  std::vector<EnqueueAck> AddAll(std::vector<JobSpec> jobs) {
    return Must(engine->Enqueue(std::move(jobs), {}));
  }
  // Takes the next job, which must be of this name, and ends it.
  LeasedJob Run(const std::string& name, const Outcome& outcome) {
    LeasedJob job = TakeOne(*session);
    REQUIRE(job.spec.name == name);
    Must(SettleAndWait(*session, job.token, outcome).status);
    return job;
  }
  JobOutcome End(const std::string& id) {
    return Must(engine->WaitFinished({.id = id, .queue = ""}, 10'000));
  }

  TempDir dir;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Session> session;
};

JobSpec After(JobSpec spec, std::vector<int32_t> indices,
              DependencyPolicy policy = DependencyPolicy::kFail) {
  for (const int32_t index : indices) spec.after.push_back({.index = index, .policy = policy});
  return spec;
}

}  // namespace

TEST_CASE("a waiting job reads the sealed results of others", "[seal][flows]") {
  Fixture f;
  JobSpec brief = Spec("brief", Marked("a"));
  brief.keep_completed = Keep{.age_ms = -1, .count = 0};  // its result is kept for the parent alone
  const auto acks =
      f.AddAll({brief, Spec("child", Marked("b")),
                After(Spec("parent", Marked("c")), {0, 1}, DependencyPolicy::kIgnore)});
  CHECK(f.Run("brief", Completed(Marked("first"))).spec.data == Marked("a"));
  f.Run("child", Failed(std::string(kMark) + " second", false));
  const LeasedJob parent = f.Run("parent", Completed());
  CHECK(parent.spec.data == Marked("c"));
  REQUIRE(parent.dependencies.size() == 2);
  CHECK(parent.dependencies[0].result == Marked("first"));
  CHECK(Has(parent.dependencies[1].error, std::string(kMark) + " second"));
  const DependencyPage page =
      Must(f.engine->Dependencies({.job = {.id = acks[2].id, .queue = ""}}));
  REQUIRE(page.dependencies.size() == 2);
  CHECK(page.dependencies[0].result == Marked("first"));
  CHECK(Has(page.dependencies[1].error, std::string(kMark) + " second"));
}

TEST_CASE("joins open the results of others and seal their own", "[seal][flows]") {
  Fixture f;
  JobSpec forward = After(Spec("forward"), {0});
  forward.join = JoinKind::kForward;
  JobSpec collect = After(Spec("collect"), {0, 1});
  collect.join = JoinKind::kCollect;
  const auto acks = f.AddAll({Spec("a"), Spec("b"), forward, collect});
  f.Run("a", Completed(Marked("1")));
  f.Run("b", Completed(Marked("2")));
  CHECK(f.End(acks[2].id).result == Marked("1"));
  CHECK(f.End(acks[3].id).result == "[" + Marked("1") + "," + Marked("2") + "]");
}

TEST_CASE("an error that cites a sealed one is sealed", "[seal][flows]") {
  Fixture f;
  const auto acks = f.AddAll({Spec("a"), After(Spec("b"), {0})});
  f.Run("a", Failed(std::string(kMark) + " cause", false));
  const JobOutcome outcome = f.End(acks[1].id);
  CHECK(outcome.state == JobState::kFailed);
  CHECK(Has(outcome.error, "DependencyFailed"));
  CHECK(Has(outcome.error, std::string(kMark) + " cause"));
}

TEST_CASE("a join that cannot open a result fails and says which key it needs", "[seal][flows]") {
  Fixture f;
  JobSpec plain = Spec("b");
  plain.sealing = Sealing::kNone;
  JobSpec collect = After(Spec("collect"), {0, 1});
  collect.join = JoinKind::kCollect;
  const auto acks = f.AddAll({Spec("a"), plain, collect});
  LeasedJob a = TakeOne(*f.session);
  REQUIRE(a.spec.name == "a");
  f.session->Pause();
  SettleAndWait(*f.session, a.token, Completed(Marked("1")));
  f.Open(false);
  f.Run("b", Completed("2"));
  const JobOutcome outcome = f.End(acks[2].id);
  CHECK(outcome.state == JobState::kFailed);
  CHECK(Has(outcome.error, "PayloadUnreadable"));
  CHECK(Has(outcome.error, R"(\"k1\")"));
}

TEST_CASE("what a handler adds with its end is sealed", "[seal][session]") {
  Fixture f;
  f.AddAll({Spec("first")});
  Outcome outcome = Completed();
  outcome.jobs = {Spec("next", Marked("follow"))};
  f.Run("first", outcome);
  CHECK(f.Run("next", Completed()).spec.data == Marked("follow"));
}

TEST_CASE("jobs of a transaction are sealed", "[seal][transaction]") {
  Fixture f;
  auto transaction = Must(f.engine->Begin({}));
  Must(transaction->Enqueue({Spec("task", Marked("tx"))}));
  JobSpec bad = Spec();
  bad.sealing = static_cast<Sealing>(9);
  CHECK(transaction->Enqueue({bad}).status().code() == Code::kInvalidArgument);
  Must(transaction->Commit());
  CHECK(f.Run("task", Completed()).spec.data == Marked("tx"));
}

TEST_CASE("a schedule's template is sealed, and its jobs open", "[seal][schedule]") {
  Fixture f;
  ScheduleSpec schedule;
  schedule.id = "hourly";
  schedule.timing.every_ms = 3'600'000;
  schedule.immediately = true;
  schedule.job = Spec("task", Marked("slot"));
  Must(f.engine->PutSchedule(schedule, {}));
  CHECK(f.Run("task", Completed()).spec.data == Marked("slot"));
  CHECK(Must(f.engine->GetSchedule("hourly")).spec.job.data == Marked("slot"));
  const auto listed = Must(f.engine->ListSchedules("", 10));
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].spec.job.data == Marked("slot"));
  f.Open(false);
  CHECK(f.engine->GetSchedule("hourly").status().code() == Code::kPermissionDenied);
  CHECK(Has(Must(f.engine->ListSchedules("", 10)).at(0).spec.job.data, R"({"$sealed":"k1"})"));
}

}  // namespace millrace::testing
