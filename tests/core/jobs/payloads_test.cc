#include "jobs/payloads.h"

#include <string>

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

std::unique_ptr<const Keyring> Ring(const std::string& id = "k1", char seed = 'a') {
  return RequireOk(Keyring::Create({.keys = {{.id = id, .secret = std::string(32, seed)}}}));
}

struct Fixture {
  std::unique_ptr<const Keyring> ring = Ring();
  JobsFixture jobs{{.keyring = ring.get()}};
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What joins and errors that cite others do.
TEST_CASE("a payload made for a job in the store opens as that job's", "[jobs][seal]") {
  Fixture f;
  JobSpec spec = Spec("a");
  SealSpec(*f.ring, &spec);
  CHECK(LooksSealed(spec.data));
  f.jobs.Add(spec);
  const Lease lease = f.jobs.ClaimOne();
  std::string stored;
  f.jobs.MustDo([&](Ledger& ledger) {
    auto sealed = SealFor(ledger, lease.key.row, SealField::kResult, "[1]");
    RequireOk(sealed.status());
    stored = *sealed;
    return Status::Ok();
  });
  CHECK(LooksSealed(stored));
  const int64_t queue_id = lease.place.queue_id;
  const auto open = [&](SealField field, int64_t queue) {
    return OpenStored(f.jobs.connection(), *f.ring, queue, field, stored);
  };
  CHECK(RequireOk(open(SealField::kResult, queue_id)) == "[1]");
  RequireError(open(SealField::kData, queue_id).status(), Code::kCorrupt, "\"k1\"");
  RequireError(open(SealField::kResult, queue_id + 1).status(), Code::kCorrupt, "\"k1\"");
  RequireError(f.jobs.Do([&](Ledger& ledger) {
    return SealFor(ledger, 1'000'000, SealField::kResult, "[1]").status();
  }),
               Code::kCorrupt, "has no body");
}

TEST_CASE("a job that asked for no seal gets none, nor does one without keys", "[jobs][seal]") {
  Fixture f;
  JobSpec spec = Spec("a");
  spec.sealing = Sealing::kNone;
  SealSpec(*f.ring, &spec);
  CHECK_FALSE(LooksSealed(spec.data));
  f.jobs.Add(spec);
  const Lease lease = f.jobs.ClaimOne();
  f.jobs.MustDo([&](Ledger& ledger) {
    CHECK(RequireOk(SealFor(ledger, lease.key.row, SealField::kResult, "[1]")) == "[1]");
    return Status::Ok();
  });
  JobsFixture plain;
  plain.MustDo([&](Ledger& ledger) {
    CHECK(RequireOk(SealFor(ledger, 1, SealField::kResult, "[1]")) == "[1]");
    return Status::Ok();
  });
}

TEST_CASE("a dependency's result and error open by its queue", "[jobs][seal]") {
  const auto ring = Ring();
  const auto sealed = [&](SealField field, const std::string& text) {
    return ring->Seal(Sealing::kEncrypt, {.field = field, .queue = "q", .name = "child"}, text);
  };
  DependencyInfo info{.id = "a", .queue = "q", .result = sealed(SealField::kResult, "[1]")};
  info.error = sealed(SealField::kError, "{}");
  DependencyInfo opened = info;
  RequireOk(OpenDependency(*ring, &opened));
  CHECK(opened.result == "[1]");
  CHECK(opened.error == "{}");
  DependencyInfo shown = info;
  shown.result_type = ContentType::kMessagePack;
  ShowDependency(Keyring::Off(), &shown);
  CHECK(shown.result == R"({"$sealed":"k1"})");
  CHECK(shown.result_type == ContentType::kJson);
  CHECK(shown.error == R"({"$sealed":"k1"})");
  RequireError(OpenDependency(Keyring::Off(), &info), Code::kPermissionDenied,
               "dependency \"a\": the payload (a result) is sealed with key \"k1\"");
}

TEST_CASE("a leased job opens as a whole, or tells what does not", "[jobs][seal]") {
  const auto ring = Ring();
  LeasedJob job;
  job.spec = Spec("a");
  job.spec.name = "t";
  const auto sealed = [&](SealField field, const std::string& text) {
    return ring->Seal(Sealing::kSign, {.field = field, .queue = "q", .name = "t"}, text);
  };
  job.spec.data = sealed(SealField::kData, "{}");
  job.progress = sealed(SealField::kProgress, "1");
  job.checkpoint = sealed(SealField::kCheckpoint, "2");
  LeasedJob opened = job;
  RequireOk(OpenLeased(*ring, &opened));
  CHECK(opened.spec.data == "{}");
  CHECK(opened.progress == "1");
  CHECK(opened.checkpoint == "2");
  job.checkpoint = job.progress;
  const Status refused = OpenLeased(*ring, &job);
  RequireError(refused, Code::kCorrupt, "job \"a\": the payload was not sealed as a checkpoint");
  CHECK(Has(UnreadableError(refused), R"("type":"PayloadUnreadable")"));
}

}  // namespace
}  // namespace millrace::jobs
