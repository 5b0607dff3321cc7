#include "jobs/snapshot.h"

#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

TEST_CASE("a snapshot sees one moment, whatever others commit", "[jobs][snapshot]") {
  const wake::TemporaryDirectory directory;
  const auto store = store::OpenStore(directory.File("jobs.db"));
  const auto set = [&](int next) {
    RequireOk(store::Write(*store, "UPDATE sequence SET next = " + std::to_string(next)));
  };
  set(5);
  const store::Reader reader = RequireOk(store->Read());
  {
    const Snapshot outer(*reader);
    RequireOk(outer.status());
    CHECK(RequireOk(reader->QueryInt("SELECT next FROM sequence")) == 5);
    set(6);
    {
      const Snapshot inner(*reader);  // the same moment
      RequireOk(inner.status());
      CHECK(RequireOk(reader->QueryInt("SELECT next FROM sequence")) == 5);
    }
    CHECK(reader->in_transaction());
    CHECK(RequireOk(reader->QueryInt("SELECT next FROM sequence")) == 5);
  }
  CHECK_FALSE(reader->in_transaction());
  CHECK(RequireOk(reader->QueryInt("SELECT next FROM sequence")) == 6);
}

TEST_CASE("inside a write transaction a snapshot leaves the transaction alone",
          "[jobs][snapshot]") {
  JobsFixture f;
  f.MustDo([](Ledger& ledger) {
    const Snapshot snapshot(ledger.connection());
    return snapshot.status();
  });
}

}  // namespace
}  // namespace millrace::jobs
