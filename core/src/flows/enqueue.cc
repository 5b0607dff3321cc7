#include "flows/enqueue.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/macros.h"
#include "flows/circle.h"
#include "flows/policy.h"
#include "flows/resolve.h"
#include "flows/revoked.h"
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

// Each says where its job stands at the end. What had ended before may have moved blocked ones on;
// if some were cancelled or have lost their places, all may have moved.
Status UpdateAcks(jobs::Ledger& ledger, const std::vector<JobSpec>& specs, bool all,
                  std::vector<EnqueueAck>* acks) {
  RETURN_IF_ERROR(Resolve(ledger));
  for (size_t i = 0; i < specs.size(); ++i) {
    EnqueueAck& ack = (*acks)[i];
    if (ack.existing || !(all || ack.state == JobState::kBlocked)) continue;
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(specs[i].queue));
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::Locate(ledger.connection(), ack.id, queue_id, &at, &found));
    ack.state = found ? at.state : JobState::kCancelled;
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

Status Enqueue::FindParent(size_t index, int64_t* row) {
  const ParentLink& link = *specs_[index].parent;
  RETURN_IF_ERROR(Find(index, "parent", link.job, row));
  const Location& at = located_.at(*row);
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

// Who comes to wait for which jobs of the call.
Status Enqueue::FindLinks() {
  linked_.assign(specs_.size(), 0);
  for (size_t i = 0; i < specs_.size(); ++i) {
    int64_t parent = 0;
    if (const std::optional<ParentLink>& link = specs_[i].parent) {
      RETURN_IF_ERROR(FindParent(i, &parent));
      links_.push_back({.parent = parent, .child = i, .policy = link->policy, .name = link->name});
    }
    if (waiter_ && graph_.awaited[i] == 0 && parent != waiter_->key.row) {
      links_.push_back({.parent = waiter_->key.row, .child = i});
      parent = waiter_->key.row;
    }
    linked_[i] = parent != 0;
  }
  return Status::Ok();
}

// Two ways to name the same job.
Status Enqueue::CheckOnce(size_t index) {
  std::set<int64_t> rows;
  const std::vector<Dependency>& after = specs_[index].after;
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i].index >= 0) continue;
    refers_ = true;
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

// What becomes of the jobs, if that is not the same for all.
Status Enqueue::EnsureFates() {
  if (!fates_.empty()) return Status::Ok();
  const bool named = std::any_of(specs_.begin(), specs_.end(), [](const JobSpec& spec) {
    return !spec.id.empty() || !spec.dedup.key.empty();
  });
  return named ? Foresee(ledger_, specs_, graph_.order, &fates_) : Status::Ok();
}

// Whether groups have room for those of the jobs that do not wait for others: those that do come in
// by themselves, as retried ones do, and are not refused. That some are not added is looked at only
// where it matters.
Status Enqueue::CheckRoom() {
  Status room = CountRoom();
  if (room.code() != Code::kGroupFull) return room;
  RETURN_IF_ERROR(EnsureFates());
  return fates_.empty() ? room : CountRoom();
}

Status Enqueue::CountRoom() {
  std::map<std::pair<std::string_view, std::string_view>, int64_t> counts;
  for (size_t i = 0; i < specs_.size(); ++i) {
    const JobSpec& spec = specs_[i];
    if (spec.group.empty() || !spec.after.empty()) continue;
    if (!fates_.empty() && (!fates_[i].added || fates_[i].follows != 0)) continue;
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger_.FindQueueId(spec.queue));
    if (queue_id == 0) continue;
    int64_t& coming = counts[{spec.queue, spec.group}];
    RETURN_IF_ERROR(ledger_.groups().CheckRoom(queue_id, spec.queue, spec.group, coming));
    if (jobs::DueAt(spec, ledger_.now_ms()) == 0) ++coming;
  }
  return Status::Ok();
}

// A job that is removed because another one of the call takes its place (a follow-up) cannot come
// to wait for anything.
Status Enqueue::CheckParentsStay() {
  std::unordered_map<int64_t, size_t> removed;  // and by whom
  for (size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i].removes > 0) removed.emplace(fates_[i].removes, i);
  }
  for (const Link& link : links_) {
    const auto it = removed.find(link.parent);
    if (it == removed.end()) continue;
    return Status(Code::kNotFound,
                  SpecName(specs_, link.child) + ".parent: " + SpecName(specs_, it->second) +
                      " takes the place of job " + located_.at(link.parent).key.PublicId() +
                      " (deduplication); a parent that stays is accepted");
  }
  return Status::Ok();
}

Status Enqueue::Prepare() {
  RETURN_IF_ERROR(Arrange(specs_, &graph_));
  RETURN_IF_ERROR(CheckRoom());
  for (size_t i = 0; i < specs_.size(); ++i) RETURN_IF_ERROR(CheckOnce(i));
  RETURN_IF_ERROR(FindLinks());
  // Without a link nothing that exists comes to wait for what is new.
  if (links_.empty()) return Status::Ok();
  RETURN_IF_ERROR(EnsureFates());
  if (!refers_ && fates_.empty()) return Status::Ok();  // nor does what is new for what exists
  RETURN_IF_ERROR(CheckParentsStay());
  Circle circle(ledger_, specs_, fates_,
                [this](const JobRef& job) { return rows_.at(job.queue + '\n' + job.id); });
  for (const Link& link : links_) circle.AddLink(link.parent, link.child);
  return circle.Check();
}

// --- Writing ---

// Whether a job that counts for one of the call came with it, and was not there before.
bool Enqueue::IsFresh(const Added& added) const {
  return !added.existing || added.row >= first_fresh_;
}

// Where a dependency stands now: it may have been there before, and have ended.
Status Enqueue::Standing(const Dependency& dependency, Edge* edge) {
  edge->policy = dependency.policy;
  edge->name = dependency.name;
  if (dependency.index < 0) {
    edge->row = rows_.at(dependency.job.queue + '\n' + dependency.job.id);
    return LookUp(edge);
  }
  const Added& added = added_[static_cast<size_t>(dependency.index)];
  edge->row = added.row;
  edge->queue_id = added.queue_id;
  edge->member = IsFresh(added);
  return added.existing || !replaced_.empty() ? LookUp(edge) : Status::Ok();
}

Status Enqueue::LookUp(Edge* edge) {
  if (const auto it = replaced_.find(edge->row); it != replaced_.end()) {
    edge->queue_id = it->second.queue_id;
    it->second.awaited = true;  // and will be told at the end
    return Status::Ok();
  }
  auto it = located_.find(edge->row);
  if (it == located_.end()) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::LocateRow(ledger_.connection(), edge->row, &at, &found));
    edge->gone = !found;  // removed, while its deduplication key is still held
    if (!found) return Status::Ok();
    it = located_.emplace(edge->row, std::move(at)).first;
  }
  Location& at = it->second;
  edge->queue_id = at.queue_id;
  if (at.state >= JobState::kCompleted) edge->state = at.state;
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, at, kAwaited));
  at.place.flags |= kAwaited;
  return Status::Ok();
}

// For those that come to wait for it later in the call; those that do already were told.
void Enqueue::NoteReplaced(const jobs::DedupVerdict& verdict) {
  const bool replaces = verdict.kind == jobs::DedupVerdict::Kind::kReplace;
  if (!replaces && !verdict.replaces) return;
  const Location& at = replaces ? verdict.at : verdict.replaced;
  replaced_[at.key.row] = {.id = at.key.PublicId(), .queue_id = at.queue_id};
  located_.erase(at.key.row);
}

Status Enqueue::TellOfReplaced() {
  for (const auto& [row, replaced] : replaced_) {
    if (!replaced.awaited) continue;
    {
      Query q(ledger_.connection(), sql::flows::kKeepEnding);
      q.Bind(row, replaced.id);
      RETURN_IF_ERROR(q.Run());
    }
    ledger_.NoteFlow(
        {.kind = Note::Kind::kGone, .row = row, .state = JobState::kCancelled, .id = replaced.id});
    unsettled_ = true;
  }
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

Status Enqueue::WriteEdge(int64_t row, int64_t position, const Edge& edge) {
  std::optional<int> state;
  if (edge.state != JobState{}) state = static_cast<int>(edge.state);
  std::optional<std::string_view> name;
  if (!edge.name.empty()) name = edge.name;
  Query q(ledger_.connection(), sql::flows::kInsertDependency);
  q.Bind(row, position, edge.row, edge.queue_id, static_cast<int>(edge.policy), edge.done,
         edge.member, state, name);
  return q.Run();
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
  if (!job.added) return Status::Ok();
  first_fresh_ = std::min(first_fresh_, added.row);
  if (job.dedup) NoteReplaced(*job.dedup);
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
  if (graph_.awaited[index] != 0 || linked_[index] != 0) job.place.flags |= kAwaited;
  RETURN_IF_ERROR(Put(job.place, join ? 1 : waits.pending, &ack->state));
  jobs::LogAdded(ledger_, spec, job, ack->state);
  int64_t position = 0;
  for (const Edge& edge : waits.edges) RETURN_IF_ERROR(WriteEdge(added.row, position++, edge));
  unsettled_ = unsettled_ || join || waits.reconsider;
  if (join) ledger_.NoteFlow({.kind = Note::Kind::kCountDown, .row = added.row});
  if (waits.reconsider) ledger_.NoteFlow({.kind = Note::Kind::kReconsider, .row = added.row});
  return Status::Ok();
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

Status Enqueue::PositionsOf(int64_t row, Positions** positions) {
  auto [it, first] = positions_.try_emplace(row);
  *positions = &it->second;
  if (!first) return Status::Ok();
  Query q(ledger_.connection(), sql::flows::kNextPosition);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  it->second = {.first = q.Int(0), .next = q.Int(0)};
  return Status::Ok();
}

// A child that was there before: it may have ended, and the parent may wait for it already.
Status Enqueue::AddExisting(const Link& link, const Positions& positions, Edge* edge, bool* waits) {
  RETURN_IF_ERROR(LookUp(edge));
  *waits = !edge->gone;
  if (edge->gone) return Status::Ok();
  {
    Query q(ledger_.connection(), sql::flows::kWaitsAlready);
    q.Bind(link.parent, edge->row, positions.first);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    *waits = q.Int(0) == 0;
  }
  if (edge->state == JobState{}) return Status::Ok();
  const Effect effect = EffectOf(edge->policy, edge->state);
  if (effect == Effect::kForget) *waits = false;
  const auto parent = located_.find(link.parent);
  const bool runs = parent != located_.end() && parent->second.state == JobState::kActive &&
                    !(waiter_ && link.parent == waiter_->key.row);
  // What has failed counts for a running job when it comes to wait.
  edge->done = effect == Effect::kDone || (runs && effect == Effect::kRemove);
  return Status::Ok();
}

// A parent waits for one job more.
Status Enqueue::AddLink(const Link& link) {
  const Added& child = added_[link.child];
  if (!child.existing && replaced_.contains(child.row)) return Status::Ok();
  Positions* positions = nullptr;
  RETURN_IF_ERROR(PositionsOf(link.parent, &positions));
  Edge edge{.row = child.row,
            .queue_id = child.queue_id,
            .policy = link.policy,
            .member = IsFresh(child),
            .name = link.name};
  bool waits = true;
  if (child.existing) RETURN_IF_ERROR(AddExisting(link, *positions, &edge, &waits));
  if (!waits) return Status::Ok();
  RETURN_IF_ERROR(WriteEdge(link.parent, positions->next++, edge));
  return waiter_ && link.parent == waiter_->key.row ? Status::Ok() : TellParent(link.parent, edge);
}

Status Enqueue::TellParent(int64_t parent, const Edge& edge) {
  const auto it = located_.find(parent);
  if (it == located_.end()) return Status(Code::kNotFound, "a parent was removed by its own call");
  Location& at = it->second;
  if (at.state == JobState::kBlocked && !edge.done) {
    Query q(ledger_.connection(), sql::flows::kCountUp);
    q.Bind(parent, kDependent);
    RETURN_IF_ERROR(q.Run());
    if (edge.state == JobState{} || EffectOf(edge.policy, edge.state) == Effect::kKeep) {
      return Status::Ok();
    }
    ledger_.NoteFlow({.kind = Note::Kind::kReconsider, .row = parent});
    unsettled_ = true;
    return Status::Ok();
  }
  RETURN_IF_ERROR(jobs::MarkPlace(ledger_, at, kDependent));
  at.place.flags |= kDependent;
  return Status::Ok();
}

Status Enqueue::Write(std::vector<EnqueueAck>* acks) {
  acks->assign(specs_.size(), {});
  added_.assign(specs_.size(), {});
  for (const int32_t index : graph_.order) {
    RETURN_IF_ERROR(AddSpec(static_cast<size_t>(index), &(*acks)[static_cast<size_t>(index)]));
  }
  for (const Link& link : links_) RETURN_IF_ERROR(AddLink(link));
  RETURN_IF_ERROR(TellOfReplaced());
  bool revoked = false;
  RETURN_IF_ERROR(CancelRevoked(ledger_, specs_, *acks, &revoked));
  const bool all = revoked || !replaced_.empty();
  return all || unsettled_ ? UpdateAcks(ledger_, specs_, all, acks) : Status::Ok();
}

Status EnqueueJobs(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                   std::vector<EnqueueAck>* acks) {
  if (IsFlow(specs)) {
    Enqueue enqueue(ledger, specs);
    RETURN_IF_ERROR(enqueue.Prepare());
    return enqueue.Write(acks);
  }
  RETURN_IF_ERROR(jobs::EnqueueJobs(ledger, specs, acks));
  bool moved = false;
  RETURN_IF_ERROR(CancelRevoked(ledger, specs, *acks, &moved));
  const auto replaces = [](const EnqueueAck& ack) { return !ack.replaced_id.empty(); };
  moved = moved || (specs.size() > 1 && std::any_of(acks->begin(), acks->end(), replaces));
  return moved ? UpdateAcks(ledger, specs, true, acks) : Status::Ok();
}

Status EnqueueJob(jobs::Ledger& ledger, const JobSpec& spec, EnqueueAck* ack) {
  const std::vector<JobSpec> specs = {spec};
  std::vector<EnqueueAck> acks;
  RETURN_IF_ERROR(EnqueueJobs(ledger, specs, &acks));
  *ack = std::move(acks[0]);
  return Status::Ok();
}

}  // namespace millrace::flows
