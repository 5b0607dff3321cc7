#include "jobs/dedup.h"

#include <limits>
#include <optional>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/job_row.h"
#include "jobs/read.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;
using Mode = Deduplication::Mode;
using Kind = DedupVerdict::Kind;

constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();

// A row of dedup_keys.
struct KeyRow {
  JobKey holder;  // a throttled key's; of others the row only
  Mode mode = Mode::kUnfinished;
  std::optional<int64_t> until_ms;  // a throttled key's end
  int64_t follow_up = 0;            // 0: none
};

Status FindKey(Connection& connection, int64_t queue_id, const std::string& key, KeyRow* row,
               bool* found) {
  Query q(connection, sql::dedup::kFindDedupKey);
  q.Bind(queue_id, key);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  row->holder = {.row = q.Int(0),
                 .created_at_ms = q.Int(1),
                 .salt = static_cast<uint64_t>(q.Int(2)),
                 .custom_id = std::string(q.IsNull(3) ? std::string_view() : q.Text(3))};
  row->mode = static_cast<Mode>(q.Int(4));
  if (!q.IsNull(5)) row->until_ms = q.Int(5);
  row->follow_up = q.Int(6);
  return Status::Ok();
}

// Who counts, and where it stands: the row's holder, or the follow-up of one that has ended.
struct Standing {
  bool exists = false;
  Location at;
  bool followed = false;  // a follow-up waits for it
  Location follower;
};

Status FindStanding(Connection& connection, const KeyRow& row, Standing* standing) {
  RETURN_IF_ERROR(LocateSound(connection, row.holder.row, &standing->at, &standing->exists));
  if (row.follow_up == 0) return Status::Ok();
  bool found = false;
  RETURN_IF_ERROR(LocateSound(connection, row.follow_up, &standing->follower, &found));
  if (!found) return Status::Ok();
  const bool unfinished = standing->exists && standing->at.state < JobState::kCompleted;
  standing->followed = unfinished && standing->follower.state == JobState::kBlocked;
  // One that was cancelled while it waited has never held the key.
  const bool withdrawn = unfinished && standing->follower.state >= JobState::kCompleted;
  if (standing->followed || withdrawn) return Status::Ok();
  standing->at = standing->follower;
  standing->exists = true;
  return Status::Ok();
}

// Whether a key that is not throttled is held, by the rule of `dedup`.
bool IsHeld(const Standing& standing, const Deduplication& dedup, int64_t now_ms) {
  if (!standing.exists) return false;
  const int64_t age_ms = now_ms - standing.at.key.created_at_ms;
  const JobState state = standing.at.state;
  switch (dedup.mode) {
    case Mode::kThrottle:
      return dedup.ttl_ms < 0 || age_ms < dedup.ttl_ms;
    case Mode::kStates:
      return (dedup.states >> static_cast<int>(state) & 1) != 0 &&
             (dedup.ttl_ms == 0 || age_ms < dedup.ttl_ms);
    default:
      return state < JobState::kCompleted;
  }
}

// What a key that is held means for a newcomer.
Kind JudgeHeld(const Standing& standing, Mode mode) {
  if (mode == Mode::kDebounce && standing.at.state == JobState::kScheduled) return Kind::kReplace;
  if (mode != Mode::kFollowUp) return Kind::kDrop;
  return standing.followed || standing.at.state == JobState::kActive ? Kind::kFollow : Kind::kDrop;
}

std::optional<std::string_view> TextOrNull(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return std::string_view(text);
}

void LogDuplicate(Ledger& ledger, int64_t queue_id, const JobKey& job, JobState state,
                  std::string_view dedup_key, const std::string& dropped_id) {
  std::string data = R"({"dedup_key":)";
  AppendJsonString(&data, dedup_key);
  data += R"(,"dropped_id":)";
  if (dropped_id.empty()) {
    data += "null";
  } else {
    AppendJsonString(&data, dropped_id);
  }
  data += '}';
  ledger.Log(queue_id, {.type = EventType::kDuplicate, .state = state, .job = &job, .data = data});
}

// With `if_free` nothing is written if the key has a row.
Status PutKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, const JobKey& job,
              std::optional<int64_t> until_ms, bool if_free = false) {
  if (!until_ms) {
    Query q(ledger.connection(),
            if_free ? sql::dedup::kTakeFreeDedupKey : sql::dedup::kPutDedupKey);
    q.Bind(queue_id, dedup.key, job.row, static_cast<int>(dedup.mode));
    return q.Run();
  }
  Query q(ledger.connection(),
          if_free ? sql::dedup::kTakeFreeTimedDedupKey : sql::dedup::kPutTimedDedupKey);
  q.Bind(queue_id, dedup.key, job.row, static_cast<int>(dedup.mode), job.created_at_ms,
         static_cast<int64_t>(job.salt), TextOrNull(job.custom_id), *until_ms);
  return q.Run();
}

Status CheckStates(const Deduplication& dedup) {
  constexpr uint32_t kAll = 0b1111'1110;  // 1 << JobState
  const bool given = dedup.states != 0 && (dedup.states & ~kAll) == 0;
  if (dedup.mode == Mode::kStates ? given : dedup.states == 0) return Status::Ok();
  return Status(
      Code::kInvalidArgument,
      "dedup.states is " + std::to_string(dedup.states) +
          (dedup.mode == Mode::kStates ? "; a set of 1 << JobState, not empty, is accepted"
                                       : "; 0 is accepted for this mode"));
}

// Until when a key that is taken now is held whatever becomes of its holder.
std::optional<int64_t> EndOf(Ledger& ledger, const Deduplication& dedup) {
  if (dedup.mode != Mode::kThrottle) return std::nullopt;
  return dedup.ttl_ms < 0 ? kForEver : ledger.now_ms() + dedup.ttl_ms;
}

}  // namespace

// All that a verdict rests on.
struct KeyView {
  KeyRow row;
  bool found = false;  // false: nobody has the key
  Standing standing;

  Status Find(Ledger& ledger, int64_t queue_id, const std::string& key) {
    return FindKey(ledger.connection(), queue_id, key, &row, &found);
  }
  Status Load(Ledger& ledger) {
    found = found && !(row.until_ms && *row.until_ms <= ledger.now_ms());
    return found ? FindStanding(ledger.connection(), row, &standing) : Status::Ok();
  }

  DedupVerdict Judge(const Deduplication& dedup, int64_t now_ms) const {
    DedupVerdict verdict;
    if (!found || (!row.until_ms && !IsHeld(standing, dedup, now_ms))) return verdict;
    verdict.kind = row.until_ms ? Kind::kDrop : JudgeHeld(standing, dedup.mode);
    verdict.holder = standing.exists ? standing.at.key : row.holder;
    if (standing.exists) verdict.state = standing.at.state;
    if (standing.exists) verdict.at = standing.at;
    verdict.replaces = verdict.kind == Kind::kFollow && standing.followed;
    if (verdict.replaces) verdict.replaced = standing.follower;
    return verdict;
  }

  // As TakeKey() and TakeFollowUp() leave it.
  void Take(const Deduplication& dedup, const Location& job, std::optional<int64_t> until_ms,
            bool follows) {
    found = true;
    row.mode = dedup.mode;
    row.until_ms = follows ? std::nullopt : until_ms;
    standing.followed = follows;
    if (follows) {
      standing.follower = job;
      standing.follower.state = JobState::kBlocked;
    } else {
      standing = {.exists = true, .at = job, .follower = {}};
    }
  }
};

Status JudgeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, int64_t job,
                DedupVerdict* verdict) {
  KeyView view;
  RETURN_IF_ERROR(view.Find(ledger, queue_id, dedup.key));
  if (job != 0 && view.found && view.row.holder.row == job) {
    verdict->kind = Kind::kTaken;
    return Status::Ok();
  }
  RETURN_IF_ERROR(view.Load(ledger));
  *verdict = view.Judge(dedup, ledger.now_ms());
  return Status::Ok();
}

Status KeyForecast::Next(const std::string& queue, const Deduplication& dedup, const Location& job,
                         DedupVerdict* verdict) {
  std::shared_ptr<KeyView>& view = views_[{queue, dedup.key}];
  if (!view) {
    view = std::make_shared<KeyView>();
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger_.FindQueueId(queue));
    if (queue_id != 0) RETURN_IF_ERROR(view->Find(ledger_, queue_id, dedup.key));
    RETURN_IF_ERROR(view->Load(ledger_));
  }
  *verdict = view->Judge(dedup, ledger_.now_ms());
  if (verdict->kind == Kind::kDrop) return Status::Ok();
  view->Take(dedup, job, EndOf(ledger_, dedup), verdict->kind == Kind::kFollow);
  return Status::Ok();
}

void AckDropped(Ledger& ledger, int64_t queue_id, const JobSpec& spec, const DedupVerdict& verdict,
                EnqueueAck* ack) {
  ack->id = verdict.holder.PublicId();
  ack->existing = true;
  ack->state = verdict.state;
  LogDuplicate(ledger, queue_id, verdict.holder, verdict.state, spec.dedup.key, spec.id);
}

Status RemoveReplaced(Ledger& ledger, const Location& replaced, std::string_view dedup_key,
                      const JobKey& by, EnqueueAck* ack) {
  ack->replaced_id = replaced.key.PublicId();
  RETURN_IF_ERROR(NoteUnwanted(ledger, replaced.place));
  RETURN_IF_ERROR(RemoveAt(ledger, replaced));
  ledger.Log(replaced.queue_id, {.type = EventType::kRemoved,
                                 .state = replaced.state,
                                 .prev = replaced.state,
                                 .job = &replaced.key});
  LogDuplicate(ledger, replaced.queue_id, by, replaced.state, dedup_key, ack->replaced_id);
  return Status::Ok();
}

Status TakeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, const JobKey& job) {
  if (dedup.mode == Mode::kThrottle) ledger.NoteKeyMade();
  return PutKey(ledger, queue_id, dedup, job, EndOf(ledger, dedup));
}

Status TryTakeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, const JobKey& job,
                  bool* taken) {
  RETURN_IF_ERROR(PutKey(ledger, queue_id, dedup, job, EndOf(ledger, dedup), /*if_free=*/true));
  *taken = ledger.connection().changes() == 1;
  if (*taken && dedup.mode == Mode::kThrottle) ledger.NoteKeyMade();
  return Status::Ok();
}

Status TryTakeKeys(Ledger& ledger, int64_t queue_id, std::span<const JobSpec> specs,
                   int64_t first_row, bool* all) {
  Query q(ledger.connection(), sql::dedup::kTakeFreeDedupKeys);
  q.Bind(queue_id, static_cast<int>(specs[0].dedup.mode), first_row);
  for (size_t i = 0; i < kKeysTogether; ++i) {
    q.BindOne(static_cast<int>(i) + 4, std::string_view(specs[i].dedup.key));
  }
  RETURN_IF_ERROR(q.Run());
  *all = ledger.connection().changes() == static_cast<int64_t>(kKeysTogether);
  return Status::Ok();
}

Status TakeFollowUp(Ledger& ledger, int64_t queue_id, const Deduplication& dedup,
                    const DedupVerdict& verdict, const JobKey& job) {
  RETURN_IF_ERROR(PutKey(ledger, queue_id, dedup, verdict.holder, std::nullopt));
  Query q(ledger.connection(), sql::dedup::kSetFollowUp);
  q.Bind(queue_id, dedup.key, job.row);
  return q.Run();
}

Status RetakeKey(Ledger& ledger, const Location& at) {
  if (!at.keyed) return Status::Ok();
  Body body;
  KeyRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadBody(ledger.connection(), at.key.row, &body, &found));
  const Deduplication& dedup = body.spec.dedup;
  if (dedup.mode == Mode::kThrottle) return Status::Ok();  // counts from the enqueue
  RETURN_IF_ERROR(FindKey(ledger.connection(), at.queue_id, dedup.key, &row, &found));
  if (found && row.until_ms && *row.until_ms > ledger.now_ms()) return Status::Ok();
  if (found && !row.until_ms) {
    Standing standing;
    RETURN_IF_ERROR(FindStanding(ledger.connection(), row, &standing));
    if (IsHeld(standing, dedup, ledger.now_ms())) return Status::Ok();
  }
  return PutKey(ledger, at.queue_id, dedup, at.key, std::nullopt);
}

Status ForgetHolder(Ledger& ledger, int64_t queue_id, std::string_view dedup_key, int64_t row) {
  KeyRow key;
  bool found = false;
  const std::string name(dedup_key);
  RETURN_IF_ERROR(FindKey(ledger.connection(), queue_id, name, &key, &found));
  if (!found || key.holder.row != row || key.until_ms) return Status::Ok();
  Location next;
  if (key.follow_up != 0) {
    RETURN_IF_ERROR(LocateSound(ledger.connection(), key.follow_up, &next, &found));
    const Deduplication dedup{.key = name, .mode = key.mode};
    if (found) return PutKey(ledger, queue_id, dedup, next.key, std::nullopt);
  }
  Query q(ledger.connection(), sql::dedup::kForgetDedupHolder);
  q.Bind(queue_id, dedup_key, row);
  return q.Run();
}

Result<int64_t> SweepKeys(Ledger& ledger, int64_t limit) {
  Query q(ledger.connection(), sql::dedup::kSweepDedupKeys);
  q.Bind(ledger.now_ms(), limit);
  RETURN_IF_ERROR(q.Run());
  return ledger.connection().changes();
}

Status SweepNoted(Ledger& ledger) {
  const int64_t made = ledger.TakeKeysMade();
  return made == 0 ? Status::Ok() : SweepKeys(ledger, 2 * made + 8).status();
}

Status DeleteKeysOf(Ledger& ledger, int64_t queue_id, int64_t limit, bool* more) {
  Query q(ledger.connection(), sql::dedup::kDeleteDedupKeysOf);
  q.Bind(queue_id, limit);
  RETURN_IF_ERROR(q.Run());
  *more = ledger.connection().changes() == limit;
  return Status::Ok();
}

Result<std::string> ReadHolder(Connection& connection, const std::string& queue,
                               const std::string& key, int64_t now_ms) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckName(key, "key"));
  ASSIGN_OR_RETURN(const int64_t queue_id, QueueIdOf(connection, queue));
  KeyRow row;
  bool found = false;
  RETURN_IF_ERROR(FindKey(connection, queue_id, key, &row, &found));
  if (!found) return std::string();
  if (row.until_ms) return *row.until_ms > now_ms ? row.holder.PublicId() : std::string();
  Standing standing;
  RETURN_IF_ERROR(FindStanding(connection, row, &standing));
  if (!standing.exists) return std::string();
  Body body;  // for its own rule: nobody else's is at hand
  RETURN_IF_ERROR(LoadBody(connection, standing.at.key.row, &body, &found));
  return IsHeld(standing, body.spec.dedup, now_ms) ? standing.at.key.PublicId() : std::string();
}

Result<bool> ReleaseKey(Ledger& ledger, const std::string& queue, const std::string& key) {
  ASSIGN_OR_RETURN(const std::string holder,
                   ReadHolder(ledger.connection(), queue, key, ledger.now_ms()));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  Query q(ledger.connection(), sql::dedup::kDeleteDedupKey);
  q.Bind(queue_id, key);
  RETURN_IF_ERROR(q.Run());
  return !holder.empty();
}

Status CheckDeduplication(const Deduplication& dedup) {
  const auto mode = static_cast<int>(dedup.mode);
  RETURN_IF_ERROR(CheckRange(mode, 0, static_cast<int>(Mode::kStates), "dedup.mode"));
  if (dedup.key.empty()) {
    const bool plain = dedup.mode == Mode::kUnfinished && dedup.ttl_ms == 0 && dedup.states == 0;
    if (plain) return Status::Ok();
    return Status(Code::kInvalidArgument,
                  "dedup.key is empty; the other fields of dedup are accepted with a key only");
  }
  RETURN_IF_ERROR(CheckName(dedup.key, "dedup.key"));
  if (dedup.mode == Mode::kThrottle && dedup.ttl_ms != -1) {
    if (dedup.ttl_ms >= 1 && dedup.ttl_ms <= kDurationMaxMs) return CheckStates(dedup);
    return Status(Code::kInvalidArgument, "dedup.ttl_ms is " + std::to_string(dedup.ttl_ms) +
                                              "; 1 to " + std::to_string(kDurationMaxMs) +
                                              ", or -1 for ever, is accepted for throttle");
  }
  if (dedup.mode != Mode::kThrottle) {
    const int64_t most = dedup.mode == Mode::kStates ? kDurationMaxMs : 0;
    RETURN_IF_ERROR(CheckRange(dedup.ttl_ms, 0, most, "dedup.ttl_ms"));
  }
  return CheckStates(dedup);
}

}  // namespace millrace::jobs
