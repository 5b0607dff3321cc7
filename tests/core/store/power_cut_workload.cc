#include "store/power_cut_workload.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/macros.h"
#include "millrace/options.h"
#include "store/crash_vfs.h"

namespace millrace::store {
namespace {

constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS ledger_entries (author INTEGER NOT NULL, number INTEGER NOT NULL, "
    "body BLOB NOT NULL, "
    "PRIMARY KEY (author, number)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS ledger_authors (author INTEGER PRIMARY KEY, entries INTEGER NOT "
    "NULL) STRICT;";

// Mostly small, sometimes over several pages.
std::string BodyOf(int64_t author, int64_t number) {
  const auto mixed = static_cast<uint64_t>(author * 7919 + number) * 0x9E3779B97F4A7C15u;
  const size_t length = number % 13 == 0 ? 9'000 + mixed % 9'000 : mixed % 400;
  std::string body((length + 7) / 8 * 8, '\0');
  for (size_t i = 0; i < body.size(); i += 8) {
    const uint64_t word = (mixed + i) * 0xBF58476D1CE4E5B9u;
    std::memcpy(body.data() + i, &word, 8);
  }
  body.resize(length);
  return body;
}

}  // namespace

bool Torture() {
  const char* value = std::getenv("MILLRACE_TORTURE");
  return value && std::string(value) == "1";
}

class Ledger::AppendOp : public WriteOp {
 public:
  AppendOp(int author, int count, Durability level) : author_(author), count_(count) {
    durability = level;
  }

  Status Apply(Connection& connection) override {
    newest_ = 0;
    {
      Query query(connection, "SELECT entries FROM ledger_authors WHERE author = ?1");
      query.Bind(author_);
      bool row = false;
      RETURN_IF_ERROR(query.Step(&row));
      if (row) newest_ = query.Int(0);
    }
    for (int i = 0; i < count_; ++i) {
      const std::string body = BodyOf(author_, ++newest_);
      Query query(connection,
                  "INSERT INTO ledger_entries (author, number, body) VALUES (?1, ?2, ?3)");
      query.Bind(author_, newest_, Blob{body});
      RETURN_IF_ERROR(query.Run());
    }
    Query query(connection,
                "INSERT INTO ledger_authors (author, entries) VALUES (?1, ?2) "
                "ON CONFLICT (author) DO UPDATE SET entries = ?2");
    query.Bind(author_, newest_);
    return query.Run();
  }
  void Done(const Status&) override {}

  int64_t newest() const { return newest_; }

 private:
  const int author_;
  const int count_;
  int64_t newest_ = 0;
};

Result<std::unique_ptr<Ledger>> Ledger::Open(const std::string& vfs, int64_t wal_limit_bytes) {
  OpenOptions options;
  options.path = "ledger.db";
  options.test_vfs = vfs;
  options.wal_limit_bytes = wal_limit_bytes;
  options.busy_timeout_ms = 1000;
  std::unique_ptr<Ledger> ledger(new Ledger());
  ASSIGN_OR_RETURN(ledger->store_, Store::Open(options));
  RETURN_IF_ERROR(ledger->store_->LockWriter());
  const Status created = ledger->store_->writer().Exec(kCreate);
  ledger->store_->UnlockWriter();
  RETURN_IF_ERROR(created);
  ledger->writer_ = Writer::Create(*ledger->store_, ledger->hooks_, {});
  return ledger;
}

Ledger::~Ledger() {
  if (writer_) writer_->Stop();
  writer_.reset();
}

Status Ledger::Append(int author, Durability durability) {
  return AppendMany(author, 1, durability);
}

Status Ledger::AppendMany(int author, int count, Durability durability) {
  AppendOp op(author, count, durability);
  RETURN_IF_ERROR(writer_->Run(&op, true));
  if (durability == Durability::kPower) acked_[static_cast<size_t>(author)].store(op.newest());
  return Status::Ok();
}

Ledger::Counts Ledger::AckedAtPower() const {
  Counts counts{};
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = acked_[i].load();
  return counts;
}

Ledger::Counts Ledger::Newest() {
  Counts counts{};
  Result<Reader> reader = store_->Read();
  if (!reader.ok()) return counts;
  Query query(**reader, "SELECT author, entries FROM ledger_authors");
  bool row = false;
  while (query.Step(&row).ok() && row) counts[static_cast<size_t>(query.Int(0))] = query.Int(1);
  return counts;
}

Status Ledger::Close() {
  writer_->Stop();
  return store_->Close();
}

std::string Ledger::Check(const Counts& acked) {
  Counts found{};
  if (std::string wrong = ReadEntries(&found); !wrong.empty()) return wrong;
  const Counts counters = Newest();
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string name = "author " + std::to_string(i);
    if (counters[i] != found[i]) {
      return name + ": half done: counter " + std::to_string(counters[i]) + ", entries " +
             std::to_string(found[i]);
    }
    if (found[i] < acked[i]) {
      return name + ": lost: acknowledged " + std::to_string(acked[i]) + ", found " +
             std::to_string(found[i]);
    }
  }
  return "";
}

std::string Ledger::ReadEntries(Counts* found) {
  Result<Reader> reader = store_->Read();
  if (!reader.ok()) return "cannot read: " + reader.status().ToString();
  const Result<std::string> integrity = (*reader)->QueryText("PRAGMA integrity_check");
  if (!integrity.ok()) return "integrity_check: " + integrity.status().ToString();
  if (*integrity != "ok") return "integrity_check: " + *integrity;
  Query query(**reader, "SELECT author, number, body FROM ledger_entries ORDER BY author, number");
  bool row = false;
  Status status = query.Step(&row);
  for (; status.ok() && row; status = query.Step(&row)) {
    const int64_t number = ++(*found)[static_cast<size_t>(query.Int(0))];
    const std::string name = "entry " + std::to_string(query.Int(0)) + "/" + std::to_string(number);
    if (query.Int(1) != number)
      return name + " is missing, " + std::to_string(query.Int(1)) + " is there";
    if (query.BlobBytes(2) != BodyOf(query.Int(0), number)) return name + " has a wrong body";
  }
  if (!status.ok()) return "reading entries: " + status.ToString();
  return "";
}

std::string CheckContents(const std::map<std::string, std::string>& contents,
                          const Ledger::Counts& acked) {
  CrashVfs vfs(contents);
  Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(vfs.name(), 1 << 20);
  if (!ledger.ok()) return "does not open: " + ledger.status().ToString();
  if (std::string wrong = (*ledger)->Check(acked); !wrong.empty()) return wrong;
  for (int author = 0; author < Ledger::kAuthors; ++author) {
    if (Status status = (*ledger)->Append(author, Durability::kPower); !status.ok()) {
      return "does not go on: " + status.ToString();
    }
  }
  if (std::string wrong = (*ledger)->Check((*ledger)->AckedAtPower()); !wrong.empty())
    return "afterwards: " + wrong;
  return "";
}

}  // namespace millrace::store
