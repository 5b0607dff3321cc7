#include "jobs/payload_keys.h"

#include <string>

#include "jobs/enqueue.h"
#include "jobs/jobs_test_util.h"
#include "jobs/payloads.h"

namespace millrace::jobs {
namespace {

std::unique_ptr<const Keyring> Ring(const std::string& id = "k1", char seed = 'a') {
  return RequireOk(Keyring::Create({.keys = {{.id = id, .secret = std::string(32, seed)}}}));
}

struct Fixture {
  std::unique_ptr<const Keyring> ring = Ring();
  JobsFixture jobs{{.keyring = ring.get()}};
};

TEST_CASE("a store remembers its keys and knows a wrong one", "[jobs][seal]") {
  Fixture f;
  bool unknown = false;
  RequireOk(CheckKeys(f.jobs.connection(), *f.ring, &unknown));
  CHECK(unknown);
  f.jobs.MustDo([&](Ledger& ledger) { return RememberKeys(ledger, *f.ring); });
  RequireOk(CheckKeys(f.jobs.connection(), *f.ring, &unknown));
  CHECK_FALSE(unknown);
  f.jobs.MustDo([&](Ledger& ledger) { return RememberKeys(ledger, *f.ring); });
  CHECK(f.jobs.Int("SELECT count(*) FROM settings WHERE name LIKE 'seal_key/%'") == 1);

  const auto wrong = Ring("k1", 'b');
  RequireError(CheckKeys(f.jobs.connection(), *wrong, &unknown), Code::kInvalidArgument,
               "the secret of key \"k1\"");
  RequireError(f.jobs.Do([&](Ledger& ledger) { return RememberKeys(ledger, *wrong); }),
               Code::kInvalidArgument, "the secret of key \"k1\"");
  const auto other = Ring("k2", 'b');
  RequireOk(CheckKeys(f.jobs.connection(), *other, &unknown));
  CHECK(unknown);
  RequireOk(CheckKeys(f.jobs.connection(), Keyring::Off(), &unknown));
  CHECK_FALSE(unknown);
}

TEST_CASE("doctor counts the jobs that need a key", "[jobs][seal]") {
  Fixture f;
  const auto count = [&](const Keyring& keyring) {
    return RequireOk(CountKeys(f.jobs.connection(), keyring));
  };
  CHECK(count(*f.ring).detail == "no payload was ever sealed");
  f.jobs.MustDo([&](Ledger& ledger) { return RememberKeys(ledger, *f.ring); });
  CHECK(count(*f.ring).detail == "there is no job");
  const auto other = Ring("k2", 'b');
  f.jobs.AddId("plain");
  for (const char* id : {"a", "b"}) {
    JobSpec spec = Spec(id);
    SealSpec(*f.ring, &spec);
    f.jobs.Add(spec);
  }
  f.jobs.Settle(f.jobs.ClaimOne(), MakeOutcome(Outcome::Kind::kCompleted));
  const std::string result =
      other->Seal(Sealing::kSign, {.field = SealField::kResult, .queue = "q", .name = "n"}, "1");
  f.jobs.Settle(f.jobs.ClaimOne(), MakeOutcome(Outcome::Kind::kCompleted, result));
  DoctorCheck check = count(*f.ring);
  CHECK_FALSE(check.ok);
  CHECK(check.detail ==
        R"(1 job needs no key, 2 jobs need key "k1", 1 job needs key "k2" (not given))");
  check = count(Keyring::Off());  // without any key nobody expects to read
  CHECK(check.ok);
  CHECK(check.detail == R"(1 job needs no key, 2 jobs need key "k1", 1 job needs key "k2")");
}

TEST_CASE("doctor goes over all jobs, slice by slice", "[jobs][seal]") {
  Fixture f;
  f.jobs.MustDo([&](Ledger& ledger) { return RememberKeys(ledger, *f.ring); });
  f.jobs.MustDo([&](Ledger& ledger) {
    EnqueueAck ack;
    for (int i = 0; i < 2'000; ++i) RequireOk(EnqueueJob(ledger, Spec(), &ack));
    return Status::Ok();
  });
  CHECK(RequireOk(CountKeys(f.jobs.connection(), *f.ring)).detail == "2000 jobs need no key");
}

}  // namespace
}  // namespace millrace::jobs
