#include "jobs/payload_keys.h"

#include <map>
#include <string>
#include <string_view>

#include "base/macros.h"
#include "base/text.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Blob;
using store::Connection;
using store::Query;

constexpr std::string_view kKeySetting = "seal_key/";
constexpr int64_t kSliceJobs = 1'000;

std::string Setting(const std::string& id) {
  return std::string(kKeySetting) + id;
}

// Jobs by the id of the key that they need; empty: none.
using KeyCounts = std::map<std::string, int64_t>;

// Counts a slice of jobs after *row; *row is where the next one begins, 0 at the end.
Status CountSlice(Connection& connection, int64_t* row, KeyCounts* counts) {
  Query q(connection, sql::payloads::kSelectSealedHeads);
  q.Bind(*row, kSliceJobs);
  for (int64_t seen = 0;; ++seen) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) {
      if (seen < kSliceJobs) *row = 0;
      return Status::Ok();
    }
    *row = q.Int(0);
    std::string data_key = SealedKeyId(q.BlobBytes(1));
    std::string end_key = q.IsNull(2) ? data_key : SealedKeyId(q.BlobBytes(2));
    ++(*counts)[data_key];
    if (end_key != data_key) ++(*counts)[end_key];
  }
}

}  // namespace

Status CheckKeys(Connection& connection, const Keyring& keyring, bool* unknown) {
  *unknown = false;
  for (const Keyring::KeyCheck& check : keyring.Checks()) {
    const std::string name = Setting(check.id);
    Query q(connection, sql::payloads::kSelectSetting);
    q.Bind(name);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) {
      *unknown = true;
    } else if (q.BlobBytes(0) != check.value) {
      return Status(Code::kInvalidArgument,
                    "security.keys: the secret of key " + Quoted(check.id) +
                        " is not the one that this store was used with before; give that one, or "
                        "a new key a new id");
    }
  }
  return Status::Ok();
}

Status RememberKeys(Ledger& ledger, const Keyring& keyring) {
  bool unknown = false;
  RETURN_IF_ERROR(CheckKeys(ledger.connection(), keyring, &unknown));
  for (const Keyring::KeyCheck& check : keyring.Checks()) {
    const std::string name = Setting(check.id);
    Query q(ledger.connection(), sql::payloads::kInsertSetting);
    q.Bind(name, Blob{check.value});
    RETURN_IF_ERROR(q.Run());
  }
  return Status::Ok();
}

Result<DoctorCheck> CountKeys(Connection& connection, const Keyring& keyring) {
  DoctorCheck check{.name = "payload_keys", .ok = true, .detail = "no payload was ever sealed"};
  ASSIGN_OR_RETURN(const int64_t known, connection.QueryInt(sql::payloads::kCountKeys));
  if (known == 0) return check;
  KeyCounts counts;
  int64_t row = 0;
  do {
    const Status status = CountSlice(connection, &row, &counts);
    if (status.code() == Code::kCorrupt)
      return DoctorCheck{.name = check.name, .ok = false, .detail = status.message()};
    RETURN_IF_ERROR(status);
  } while (row != 0);
  check.detail.clear();
  for (const auto& [id, jobs] : counts) {
    if (!check.detail.empty()) check.detail += ", ";
    check.detail += std::to_string(jobs) + (jobs == 1 ? " job needs " : " jobs need ");
    check.detail += id.empty() ? "no key" : "key " + Quoted(id);
    if (id.empty() || keyring.empty() || keyring.Has(id)) continue;
    check.detail += " (not given)";
    check.ok = false;
  }
  if (counts.empty()) check.detail = "there is no job";
  return check;
}

}  // namespace millrace::jobs
