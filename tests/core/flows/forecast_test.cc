#include "flows/forecast.h"

#include "flows/flows_test_util.h"
#include "jobs/change.h"

namespace millrace::flows {
namespace {

using Mode = Deduplication::Mode;

JobSpec Keyed(JobSpec spec, Mode mode = Mode::kUnfinished, int64_t ttl_ms = 0) {
  spec.dedup = {.key = "k", .mode = mode, .ttl_ms = ttl_ms};
  return spec;
}

// In the order in which they are given.
std::vector<Fate> Fates(FlowsFixture& f, const std::vector<JobSpec>& specs) {
  std::vector<int32_t> order;
  for (size_t i = 0; i < specs.size(); ++i) order.push_back(static_cast<int32_t>(i));
  std::vector<Fate> fates;
  f.MustDo([&](jobs::Ledger& ledger) { return Foresee(ledger, specs, order, &fates); });
  return fates;
}

int64_t RowOf(FlowsFixture& f, const std::string& id) {
  jobs::Location at;
  bool found = false;
  RequireOk(jobs::Locate(f.connection(), id, 0, &at, &found));
  return at.key.row;
}

TEST_CASE("ids that are taken lead to the job that has them", "[flows]") {
  FlowsFixture f;
  f.AddId("there");
  const std::vector<Fate> fates =
      Fates(f, {Spec("there"), Spec("new"), Spec("new"), Spec("there", "elsewhere"), Spec()});
  CHECK_FALSE(fates[0].added);
  CHECK(fates[0].other == RowOf(f, "there"));
  CHECK(fates[1].added);
  CHECK_FALSE(fates[2].added);
  CHECK(fates[2].other == NewJob(1));
  CHECK(fates[3].added);
  CHECK(fates[4].added);
  CHECK(PositionOf(NewJob(7)) == 7);
}

TEST_CASE("keys are judged as the jobs before leave them", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("h")));
  SECTION("held by a job that waits") {
    const std::vector<Fate> fates =
        Fates(f, {Keyed(Spec("a")), Keyed(Spec("b"), Mode::kFollowUp), Spec("a")});
    CHECK(fates[0].other == RowOf(f, "h"));
    CHECK(fates[1].other == RowOf(f, "h"));
    CHECK(fates[2].added);  // the first was not, so its id is free
  }
  SECTION("held by a job that runs") {
    (void)f.ClaimOne();
    const std::vector<Fate> fates = Fates(f, {Keyed(Spec("a"), Mode::kFollowUp),
                                              Keyed(Spec("b"), Mode::kFollowUp), Keyed(Spec("c"))});
    CHECK(fates[0].follows == RowOf(f, "h"));
    CHECK(fates[0].removes == 0);
    CHECK(fates[1].follows == RowOf(f, "h"));
    CHECK(fates[1].removes == NewJob(0));
    CHECK(fates[2].other == RowOf(f, "h"));
  }
  SECTION("free") {
    f.Run("h");
    const std::vector<Fate> fates =
        Fates(f, {Keyed(Delayed(Spec("a"), 10), Mode::kDebounce),
                  Keyed(Delayed(Spec("b"), 10), Mode::kDebounce), Keyed(Spec("c"))});
    CHECK(fates[0].added);
    CHECK(fates[1].added);
    CHECK(fates[1].removes == NewJob(0));
    CHECK(fates[2].other == NewJob(1));
    CHECK(fates[2].perhaps == 0);
  }
  SECTION("held for a time by one that is gone") {
    f.Run("h");
    f.clock.Advance(1'000);
    f.Add(Keyed(Spec("t"), Mode::kThrottle, 1'000));
    f.Run("t");
    f.MustDo([](jobs::Ledger& ledger) { return jobs::RemoveJob(ledger, {"t", ""}); });
    const std::vector<Fate> fates = Fates(f, {Keyed(Spec("a"))});
    CHECK_FALSE(fates[0].added);
    CHECK(fates[0].other == 0);
  }
  SECTION("by one that waits for others, nobody can know how it will stand") {
    f.Run("h");
    const std::vector<Fate> fates =
        Fates(f, {Spec("z"), Keyed(After(Spec("a"), {0})), Keyed(Spec("b"))});
    CHECK(fates[2].perhaps == NewJob(1));
  }
}

TEST_CASE("the id of a job that loses its place is free", "[flows]") {
  FlowsFixture f;
  const auto debounced = [](JobSpec spec) {
    return Keyed(Delayed(std::move(spec), 10), Mode::kDebounce);
  };
  SECTION("of the call") {
    const std::vector<Fate> fates =
        Fates(f, {debounced(Spec("a")), debounced(Spec("b")), Spec("a"), Spec("a")});
    CHECK(fates[1].removes == NewJob(0));
    CHECK(fates[2].added);
    CHECK(fates[3].other == NewJob(2));
  }
  SECTION("of the store") {
    f.Add(debounced(Spec("s")));
    const std::vector<Fate> fates = Fates(f, {debounced(Spec("b")), Spec("s")});
    CHECK(fates[0].removes == RowOf(f, "s"));
    CHECK(fates[1].added);
  }
  SECTION("perhaps, if nobody can know whether it does") {
    const std::vector<Fate> fates =
        Fates(f, {Spec("z"), debounced(After(Spec("a"), {0})), debounced(Spec("b")), Spec("a")});
    CHECK(fates[3].other == NewJob(1));
    CHECK(fates[3].perhaps == NewJob(1));
  }
}

}  // namespace
}  // namespace millrace::flows
