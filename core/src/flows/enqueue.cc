#include "flows/enqueue.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/macros.h"
#include "flows/circle.h"
#include "flows/members.h"
#include "flows/policy.h"
#include "flows/resolve.h"
#include "jobs/enqueue.h"
#include "jobs/read.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using jobs::kAwaited;
using jobs::kDependent;
using jobs::Location;
using store::Query;
using Note = jobs::Ledger::FlowNote;

Status WithArgument(const std::string& argument, const Status& status) {
  return Status(status.code(), argument + ": " + status.message());
}

// Cancels the new jobs whose ids were revoked before they came.
Status CancelRevoked(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                     std::vector<EnqueueAck>* acks) {
  int64_t revoked = -1;
  for (size_t i = 0; i < specs.size(); ++i) {
    const JobSpec& spec = specs[i];
    EnqueueAck& ack = (*acks)[i];
    if (spec.id.empty() || ack.existing || ack.id != spec.id) continue;
    if (revoked < 0) {  // only those who bring ids of their own pay for the look
      ASSIGN_OR_RETURN(revoked, ledger.FindQueueId(std::string(kRevokedQueue)));
    }
    if (revoked == 0) return Status::Ok();
    if (spec.queue == kRevokedQueue) continue;
    Location found;
    bool exists = false;
    RETURN_IF_ERROR(jobs::Locate(ledger.connection(), spec.id, revoked, &found, &exists));
    if (!exists) continue;
    CancelResult result{};
    RETURN_IF_ERROR(CancelJob(ledger, {.id = spec.id, .queue = spec.queue}, "revoked", &result));
    ack.state = JobState::kCancelled;
  }
  return Status::Ok();
}

}  // namespace

// --- What is in the store ---

Status Enqueue::Find(size_t index, const std::string& argument, const JobRef& job, int64_t* row) {
  std::string name = job.queue + '\n' + job.id;  // neither holds control characters
  if (auto it = rows_.find(name); it != rows_.end()) {
    *row = it->second;
    return Status::Ok();
  }
  Result<Location> at = jobs::FindJob(ledger_.connection(), job);
  if (!at.ok()) return WithArgument(SpecName(specs_, index) + "." + argument, at.status());
  *row = at->key.row;
  rows_.emplace(std::move(name), *row);
  located_.emplace(*row, std::move(*at));
  return Status::Ok();
}

Status Enqueue::FindParent(size_t index) {
  const ParentLink& link = *specs_[index].parent;
  RETURN_IF_ERROR(Find(index, "parent", link.job, &parents_[index]));
  const Location& at = located_.at(parents_[index]);
  if (at.state == JobState::kBlocked) return Status::Ok();
  const std::string parent = SpecName(specs_, index) + ".parent: job " + at.key.PublicId() +
                             " is " + JobStateName(at.state);
  if (at.state == JobState::kActive && link.token == at.token) return Status::Ok();
  if (at.state == JobState::kActive) {
    return Status(Code::kWrongState, parent + "; the token of its lease is accepted, " +
                                         std::to_string(link.token) + " was given");
  }
  return Status(Code::kWrongState, parent +
                                       "; a blocked job, or an active one by its own handler, "
                                       "is accepted");
}

// Two ways to name the same job.
Status Enqueue::CheckOnce(size_t index) {
  std::set<int64_t> rows;
  const std::vector<Dependency>& after = specs_[index].after;
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i].index >= 0) continue;
    int64_t row = 0;
    const std::string argument = "after[" + std::to_string(i) + "]";
    RETURN_IF_ERROR(Find(index, argument, after[i].job, &row));
    if (rows.insert(row).second) continue;
    return Status(Code::kInvalidArgument,
                  SpecName(specs_, index) + "." + argument +
                      " is a job that `after` has already; each is accepted once");
  }
  return Status::Ok();
}

// Whether groups have room for those of the jobs that do not wait for others: those that do come in
// by themselves, as retried ones do, and are not refused.
Status Enqueue::CheckRoom() {
  std::map<std::pair<std::string_view, std::string_view>, int64_t> counts;
  for (const JobSpec& spec : specs_) {
    if (spec.group.empty() || !spec.after.empty()) continue;
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger_.FindQueueId(spec.queue));
    if (queue_id == 0) continue;
    int64_t& coming = counts[{spec.queue, spec.group}];
    const Status room = ledger_.groups().CheckRoom(queue_id, spec.queue, spec.group, coming);
    if (room.code() == Code::kGroupFull) {
      ASSIGN_OR_RETURN(const bool adds, jobs::Adds(ledger_, queue_id, spec));
      if (!adds) continue;
    }
    RETURN_IF_ERROR(room);
    if (jobs::DueAt(spec, ledger_.now_ms()) == 0) ++coming;
  }
  return Status::Ok();
}

Status Enqueue::Prepare() {
  RETURN_IF_ERROR(Arrange(specs_, &graph_));
  RETURN_IF_ERROR(CheckRoom());
  parents_.assign(specs_.size(), 0);
  bool parents = false;
  for (size_t i = 0; i < specs_.size(); ++i) {
    RETURN_IF_ERROR(CheckOnce(i));
    if (!specs_[i].parent) continue;
    parents = true;
    RETURN_IF_ERROR(FindParent(i));
  }
  if (waiter_) {
    parents = true;
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (graph_.awaited[i] == 0 && parents_[i] == 0) parents_[i] = waiter_->key.row;
    }
  }
  // Without a parent nothing that exists comes to wait for what is new.
  if (!parents || located_.empty()) return Status::Ok();
  return CheckNoCircle(ledger_, specs_, parents_,
                       [this](const JobRef& job) { return rows_.at(job.queue + '\n' + job.id); });
}

// --- Writing ---

// Where a dependency stands now: it may have been there before, and have ended.
Status Enqueue::Standing(const Dependency& dependency, Edge* edge) {
  edge->policy = dependency.policy;
  edge->name = dependency.name;
  edge->member = dependency.index >= 0;
  if (dependency.index >= 0) {
    const Added& added = added_[static_cast<size_t>(dependency.index)];
    edge->row = added.row;
    edge->queue_id = added.queue_id;
    if (!added.existing) return Status::Ok();
  } else {
    edge->row = rows_.at(dependency.job.queue + '\n' + dependency.job.id);
  }
  edge->gone = true;
  auto it = located_.find(edge->row);
  if (it == located_.end()) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::LocateRow(ledger_.connection(), edge->row, &at, &found));
    if (!found) return Status::Ok();  // removed, while its deduplication key is still held
    it = located_.emplace(edge->row, std::move(at)).first;
  }
  edge->gone = false;
  Location& at = it->second;
  edge->queue_id = at.queue_id;
  if (at.state >= JobState::kCompleted) edge->state = at.state;
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, at, kAwaited));
  at.place.flags |= kAwaited;
  return Status::Ok();
}

Status Enqueue::GatherWaits(size_t index, Waits* waits) {
  waits->edges.reserve(specs_[index].after.size());
  for (const Dependency& dependency : specs_[index].after) {
    Edge edge;
    RETURN_IF_ERROR(Standing(dependency, &edge));
    if (edge.gone) continue;
    if (edge.state != JobState{}) {
      const Effect effect = EffectOf(edge.policy, edge.state);
      if (effect == Effect::kForget) continue;
      edge.done = effect == Effect::kDone || effect == Effect::kRun;
      waits->at_once = waits->at_once || effect == Effect::kRun;
      waits->reconsider = waits->reconsider || (!edge.done && effect != Effect::kKeep);
    }
    if (!edge.done) ++waits->pending;
    waits->edges.push_back(edge);
  }
  return Status::Ok();
}

Status Enqueue::WriteEdges(int64_t row, const std::vector<Edge>& edges) {
  int64_t position = 0;
  for (const Edge& edge : edges) {
    std::optional<int> state;
    if (edge.state != JobState{}) state = static_cast<int>(edge.state);
    std::optional<std::string_view> name;
    if (!edge.name.empty()) name = edge.name;
    Query q(ledger_.connection(), sql::flows::kInsertDependency);
    q.Bind(row, position++, edge.row, edge.queue_id, static_cast<int>(edge.policy), edge.done,
           edge.member, state, name);
    RETURN_IF_ERROR(q.Run());
  }
  return Status::Ok();
}

// The job of which this one is the follow-up (deduplication).
Status Enqueue::Follow(const jobs::DedupVerdict& verdict, Waits* waits) {
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, verdict.at, kAwaited));
  waits->edges.push_back({.row = verdict.holder.row,
                          .queue_id = verdict.at.queue_id,
                          .policy = DependencyPolicy::kIgnore});
  ++waits->pending;
  return Status::Ok();
}

Status Enqueue::AddSpec(size_t index, EnqueueAck* ack) {
  const JobSpec& spec = specs_[index];
  Added& added = added_[index];
  jobs::NewJob job{.has_room = true};
  RETURN_IF_ERROR(jobs::AddBody(ledger_, spec, &job, ack));
  added = {.row = job.key.row, .existing = !job.added};
  if (!job.added) return spec.parent && !spec.id.empty() ? AdoptExisting(index) : Status::Ok();
  added.queue_id = job.place.queue_id;
  Waits waits;
  RETURN_IF_ERROR(GatherWaits(index, &waits));
  if (waits.at_once && !waits.reconsider) waits.pending = 0;
  if (job.dedup && job.dedup->kind == jobs::DedupVerdict::Kind::kFollow) {
    RETURN_IF_ERROR(Follow(*job.dedup, &waits));
  }
  const bool join = spec.join != JoinKind::kRun && waits.pending == 0;
  // Even if all of them are forgotten already: a join is known by it when it is redriven.
  if (!spec.after.empty() || !waits.edges.empty()) job.place.flags |= kDependent;
  if (graph_.awaited[index] != 0 || parents_[index] != 0) job.place.flags |= kAwaited;
  RETURN_IF_ERROR(Put(job.place, join ? 1 : waits.pending, &ack->state));
  jobs::LogAdded(ledger_, spec, job, ack->state);
  RETURN_IF_ERROR(WriteEdges(added.row, waits.edges));
  added.unsettled = join || waits.reconsider;
  if (join) ledger_.NoteFlow({.kind = Note::Kind::kCountDown, .row = added.row});
  if (waits.reconsider) ledger_.NoteFlow({.kind = Note::Kind::kReconsider, .row = added.row});
  return parents_[index] != 0 ? AddChild(index, true) : Status::Ok();
}

// The id was taken: the parent waits for that job too, unless it does already or that has ended.
Status Enqueue::AdoptExisting(size_t index) {
  Location at;
  bool found = false;
  RETURN_IF_ERROR(jobs::LocateRow(ledger_.connection(), added_[index].row, &at, &found));
  if (!found || at.state >= JobState::kCompleted) return Status::Ok();
  {
    Query q(ledger_.connection(), sql::flows::kSelectDependents);
    q.Bind(at.key.row);
    for (;;) {
      bool dependent = false;
      RETURN_IF_ERROR(q.Step(&dependent));
      if (!dependent) break;
      if (q.Int(0) == parents_[index]) return Status::Ok();
    }
  }
  added_[index].queue_id = at.queue_id;
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, at, kAwaited));
  return AddChild(index, false);
}

Status Enqueue::Put(const jobs::Place& place, int64_t pending, JobState* state) {
  constexpr jobs::Cause kCause = jobs::Cause::kEnqueue;
  if (pending > 0) {
    *state = JobState::kBlocked;
    return jobs::PutBlocked(ledger_, place, pending, jobs::kNowhere, kCause);
  }
  const bool later = place.due_at_ms != 0;
  *state = later ? JobState::kScheduled : JobState::kReady;
  return later ? jobs::PutScheduled(ledger_, place, jobs::kNowhere, kCause)
               : jobs::PutReady(ledger_, place, jobs::kNowhere, kCause);
}

// The job is one thing more that its parent waits for.
Status Enqueue::AddChild(size_t index, bool member) {
  const int64_t parent = parents_[index];
  const std::optional<ParentLink>& link = specs_[index].parent;
  auto [it, first] = next_position_.try_emplace(parent, 0);
  if (first) {
    Query q(ledger_.connection(), sql::flows::kNextPosition);
    q.Bind(parent);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    it->second = q.Int(0);
  }
  std::optional<std::string_view> name;
  if (link && !link->name.empty()) name = link->name;
  {
    Query q(ledger_.connection(), sql::flows::kInsertDependency);
    q.Bind(parent, it->second++, added_[index].row, added_[index].queue_id,
           static_cast<int>(link ? link->policy : DependencyPolicy::kFail), false, member, nullptr,
           name);
    RETURN_IF_ERROR(q.Run());
  }
  if (waiter_ && parent == waiter_->key.row) return Status::Ok();
  Location& at = located_.at(parent);
  if (at.state == JobState::kBlocked) {
    Query q(ledger_.connection(), sql::flows::kCountUp);
    q.Bind(parent, kDependent);
    return q.Run();
  }
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, at, kDependent));
  at.place.flags |= kDependent;
  return Status::Ok();
}

// What had ended before may have moved some of the new jobs on.
Status Enqueue::UpdateAcks(std::vector<EnqueueAck>* acks) {
  if (std::none_of(added_.begin(), added_.end(), [](const Added& a) { return a.unsettled; })) {
    return Status::Ok();
  }
  RETURN_IF_ERROR(Resolve(ledger_));
  for (size_t i = 0; i < added_.size(); ++i) {
    if (added_[i].existing || (*acks)[i].state != JobState::kBlocked) continue;
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::LocateRow(ledger_.connection(), added_[i].row, &at, &found));
    (*acks)[i].state = found ? at.state : JobState::kCancelled;
  }
  return Status::Ok();
}

Status Enqueue::Write(std::vector<EnqueueAck>* acks) {
  acks->assign(specs_.size(), {});
  added_.assign(specs_.size(), {});
  for (const int32_t index : graph_.order) {
    RETURN_IF_ERROR(AddSpec(static_cast<size_t>(index), &(*acks)[static_cast<size_t>(index)]));
  }
  RETURN_IF_ERROR(UpdateAcks(acks));
  return CancelRevoked(ledger_, specs_, acks);
}

Status EnqueueJobs(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                   std::vector<EnqueueAck>* acks) {
  if (IsFlow(specs)) {
    Enqueue enqueue(ledger, specs);
    RETURN_IF_ERROR(enqueue.Prepare());
    return enqueue.Write(acks);
  }
  RETURN_IF_ERROR(jobs::EnqueueJobs(ledger, specs, acks));
  return CancelRevoked(ledger, specs, acks);
}

Status EnqueueJob(jobs::Ledger& ledger, const JobSpec& spec, EnqueueAck* ack) {
  const std::vector<JobSpec> specs = {spec};
  std::vector<EnqueueAck> acks;
  RETURN_IF_ERROR(EnqueueJobs(ledger, specs, &acks));
  *ack = std::move(acks[0]);
  return Status::Ok();
}

}  // namespace millrace::flows
