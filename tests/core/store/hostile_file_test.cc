// Whatever bytes are in the file, its WAL or its shared memory: an error, never a crash or a hang.
#include <algorithm>
#include <random>
#include <string>

#include "store/store_test_util.h"

namespace millrace::store {
namespace {

std::string RandomBytes(std::mt19937& random, size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A closed store with some rows in it.
std::string StoreBytes(const std::string& path) {
  auto store = OpenStore(path);
  RequireOk(Write(*store, "CREATE TABLE notes (text TEXT)"));
  for (int i = 0; i < 20; ++i)
    RequireOk(Write(*store, "INSERT INTO notes VALUES (hex(randomblob(500)))"));
  RequireOk(store->Close());
  return ReadFile(path);
}

// Opens it and reads everything; each step may fail, with a sentence.
Status OpenAndRead(const std::string& path) {
  OpenOptions options = OptionsFor(path);
  options.busy_timeout_ms = 0;
  auto store = Store::Open(options);
  if (!store.ok()) return store.status();
  const Result<Reader> reader = (*store)->Read();
  if (!reader.ok()) return reader.status();
  const auto notes = (**reader).QueryInt("SELECT count(*), sum(length(text)) FROM notes");
  if (!notes.ok()) return notes.status();
  const auto verdict = (**reader).QueryText("PRAGMA integrity_check");
  if (!verdict.ok()) return verdict.status();
  return *verdict == "ok" ? Status::Ok() : Status(Code::kCorrupt, *verdict);
}

void CheckStatus(const Status& status) {
  INFO(status.ToString());
  if (status.ok()) return;
  CHECK(!status.message().empty());
  const Code code = status.code();
  CHECK((code == Code::kCorrupt || code == Code::kNotAStore || code == Code::kNewerSchema ||
         code == Code::kIoError || code == Code::kBusy || code == Code::kDiskFull));
}

}  // namespace

TEST_CASE("random bytes are no store", "[store][hostile]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  std::mt19937 random(1);
  for (const size_t count : {1u, 15u, 16u, 99u, 100u, 511u, 512u, 4096u, 8192u, 50'000u}) {
    WriteFile(path, RandomBytes(random, count));
    RequireError(OpenAndRead(path), Code::kNotAStore, "is not an SQLite database");
    WriteFile(path, std::string("SQLite format 3\0", 16) + RandomBytes(random, count));
    const Status status = OpenAndRead(path);
    CHECK_FALSE(status.ok());
    CheckStatus(status);
  }
}

TEST_CASE("a truncated store is reported", "[store][hostile]") {
  TemporaryDirectory directory;
  const std::string bytes = StoreBytes(directory.File("whole.db"));
  const std::string path = directory.File("a.db");
  for (const size_t length : {size_t{16}, size_t{100}, size_t{512}, size_t{4096}, size_t{8191},
                              size_t{8192}, bytes.size() / 2, bytes.size() - 1}) {
    WriteFile(path, bytes.substr(0, length));
    const Status status = OpenAndRead(path);
    INFO(length << " of " << bytes.size() << " bytes");
    // The last byte alone belongs to a page that has room to spare.
    if (length < bytes.size() - 1) CHECK_FALSE(status.ok());
    CheckStatus(status);
  }
}

TEST_CASE("damaged pages of a store are reported or harmless", "[store][hostile]") {
  TemporaryDirectory directory;
  const std::string bytes = StoreBytes(directory.File("whole.db"));
  const std::string path = directory.File("a.db");
  int failed = 0;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    std::string damaged = bytes;
    const size_t start = random() % damaged.size();
    const std::string noise = RandomBytes(random, 1 + random() % 3000);
    damaged.replace(start, std::min(noise.size(), damaged.size() - start), noise, 0,
                    damaged.size() - start);
    WriteFile(path, damaged);
    const Status status = OpenAndRead(path);
    INFO("seed " << seed);
    CheckStatus(status);
    failed += status.ok() ? 0 : 1;
  }
  CHECK(failed > 10);  // most pages of so small a store are empty
}

TEST_CASE("noise in place of the WAL and the shared memory is ignored or reported",
          "[store][hostile]") {
  TemporaryDirectory directory;
  const std::string bytes = StoreBytes(directory.File("whole.db"));
  for (uint32_t seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const std::string path = directory.File(std::to_string(seed) + ".db");
    WriteFile(path, bytes);
    WriteFile(path + "-wal", RandomBytes(random, 1 + random() % 100'000));
    WriteFile(path + "-shm", RandomBytes(random, 1 + random() % 100'000));
    INFO("seed " << seed);
    // No frame of it has a valid checksum, and shared memory that nobody holds is made anew.
    RequireOk(OpenAndRead(path));
  }
}

}  // namespace millrace::store
