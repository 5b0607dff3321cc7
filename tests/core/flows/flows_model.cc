#include "flows/flows_model.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::flows {

int64_t FlowsModel::Pending(size_t job) const {
  return std::count_if(jobs[job].edges.begin(), jobs[job].edges.end(),
                       [](const ModelEdge& edge) { return !edge.done && !edge.forgotten; });
}

void FlowsModel::Add(ModelJob job) {
  bool at_once = false;
  bool look_again = false;
  for (ModelEdge& edge : job.edges) {
    if (!edge.ended) continue;
    const Effect effect = EffectOf(edge.policy, *edge.ended);
    edge.forgotten = effect == Effect::kForget;
    edge.done = effect == Effect::kDone || effect == Effect::kRun;
    at_once = at_once || effect == Effect::kRun;
    look_again = look_again || effect == Effect::kFail || effect == Effect::kCancel ||
                 effect == Effect::kRemove;
  }
  const size_t index = jobs.size();
  jobs.push_back(std::move(job));
  ModelJob& added = jobs.back();
  added.continued = at_once;
  added.state = JobState::kBlocked;
  if (look_again) {
    reconsider_.push_back(index);
  } else if (at_once || Pending(index) == 0) {
    added.state = added.join == JoinKind::kRun ? JobState::kReady : JobState::kBlocked;
    if (added.join != JoinKind::kRun) released_.push_back(index);
  }
}

void FlowsModel::End(size_t job, JobState state) {
  jobs[job].state = state;
  notes_.push_back({.job = job, .state = state, .gone = false});
}

void FlowsModel::Remove(size_t job) {
  jobs[job].exists = false;
  notes_.push_back({.job = job, .state = JobState::kCancelled, .gone = true});
}

void FlowsModel::Redrive(size_t job) {
  for (ModelJob& other : jobs) {
    for (ModelEdge& edge : other.edges) {
      if (edge.on == job && !edge.done) edge.ended.reset();
    }
  }
  ModelJob& at = jobs[job];
  at.continued = false;
  at.cancel_requested = false;
  at.state = Pending(job) > 0 || at.join != JoinKind::kRun ? JobState::kBlocked : JobState::kReady;
  if (at.state == JobState::kBlocked && Pending(job) == 0) released_.push_back(job);
}

void FlowsModel::Wait(size_t job) {
  ModelJob& at = jobs[job];
  if (at.cancel_requested) {
    for (const size_t member : Members(job)) CancelOne(member);
    return End(job, JobState::kCancelled);
  }
  at.continued = false;
  at.state = Pending(job) > 0 ? JobState::kBlocked : JobState::kReady;
  if (at.state == JobState::kBlocked) reconsider_.push_back(job);
}

void FlowsModel::GoBack(size_t job) {
  ModelJob& at = jobs[job];
  at.continued = std::any_of(at.edges.begin(), at.edges.end(), [](const ModelEdge& edge) {
    return !edge.forgotten && edge.policy == DependencyPolicy::kContinue && edge.ended &&
           *edge.ended != JobState::kCompleted;
  });
  at.state = at.continued || Pending(job) == 0 ? JobState::kReady : JobState::kBlocked;
  if (at.state == JobState::kBlocked) reconsider_.push_back(job);
}

std::vector<size_t> FlowsModel::Members(size_t top) const {
  const auto finished = [&](size_t job) {
    return !jobs[job].exists || jobs[job].state >= JobState::kCompleted;
  };
  const auto counts = [](const ModelEdge& edge) {
    return edge.policy != DependencyPolicy::kOnFailure && !edge.forgotten;
  };
  std::vector<size_t> taken = {top};
  for (size_t next = 0; next < taken.size(); ++next) {
    for (const ModelEdge& edge : jobs[taken[next]].edges) {
      if (!counts(edge) || !edge.member || edge.ended || finished(edge.on)) continue;
      if (std::find(taken.begin(), taken.end(), edge.on) != taken.end()) continue;
      bool wanted = false;
      for (size_t other = 0; other < jobs.size(); ++other) {
        const bool by_member = std::find(taken.begin(), taken.end(), other) != taken.end();
        for (const ModelEdge& theirs : jobs[other].edges) {
          if (theirs.on != edge.on || !counts(theirs) || finished(other)) continue;
          // Who was taken along by another way than membership still wants it.
          wanted = wanted || !by_member || !theirs.member;
        }
      }
      if (!wanted) taken.push_back(edge.on);
    }
  }
  taken.erase(taken.begin());
  return taken;
}

void FlowsModel::CancelOne(size_t job) {
  ModelJob& at = jobs[job];
  if (!at.exists || at.state >= JobState::kCompleted) return;
  if (at.state == JobState::kActive) {
    at.cancel_requested = true;
  } else {
    End(job, JobState::kCancelled);
  }
}

void FlowsModel::CancelFlow(size_t job) {
  if (jobs[job].state >= JobState::kCompleted) return;
  const std::vector<size_t> members = Members(job);
  CancelOne(job);
  for (const size_t member : members) CancelOne(member);
}

void FlowsModel::RemoveFlow(size_t job) {
  const std::vector<size_t> members = Members(job);
  Remove(job);
  for (const size_t member : members) {
    if (jobs[member].state == JobState::kActive) {
      jobs[member].cancel_requested = true;
    } else {
      Remove(member);
    }
  }
}

void FlowsModel::Release(size_t job) {
  if (!jobs[job].exists || jobs[job].state != JobState::kBlocked) return;
  if (jobs[job].join == JoinKind::kRun) {
    jobs[job].state = JobState::kReady;
  } else {
    End(job, JobState::kCompleted);
  }
}

void FlowsModel::Apply(size_t waiting, ModelEdge* edge, Effect effect, const Note& note) {
  ModelJob& job = jobs[waiting];
  if (!note.gone || !edge->ended) edge->ended = note.state;
  if (edge->done) return;
  const bool blocked = job.state == JobState::kBlocked;
  edge->forgotten = effect == Effect::kForget;
  if (!blocked) {
    edge->done = note.gone || effect == Effect::kDone || effect == Effect::kRemove ||
                 (effect == Effect::kRun && job.state != JobState::kActive);
    return;
  }
  edge->done = effect == Effect::kDone || effect == Effect::kRun || note.gone;
  if (effect == Effect::kRun) {
    job.continued = true;
    return Release(waiting);
  }
  if (effect == Effect::kRemove) return Remove(waiting);
  if (effect == Effect::kFail) return End(waiting, JobState::kFailed);
  if (effect == Effect::kCancel) return End(waiting, JobState::kCancelled);
  if (Pending(waiting) == 0) released_.push_back(waiting);
}

void FlowsModel::Reconsider(size_t job) {
  for (ModelEdge& edge : jobs[job].edges) {
    if (!jobs[job].exists || jobs[job].state != JobState::kBlocked) return;
    if (edge.done || edge.forgotten || !edge.ended) continue;
    Apply(job, &edge, EffectOf(edge.policy, *edge.ended),
          {.job = edge.on, .state = *edge.ended, .gone = false});
  }
}

void FlowsModel::Settle() {
  while (!notes_.empty() || !reconsider_.empty() || !released_.empty()) {
    for (const size_t job : std::exchange(reconsider_, {})) Reconsider(job);
    for (const Note& note : std::exchange(notes_, {})) {
      for (size_t other = 0; other < jobs.size(); ++other) {
        for (ModelEdge& edge : jobs[other].edges) {
          const bool concerned = jobs[other].exists && edge.on == note.job && !edge.forgotten;
          if (!concerned || (note.gone && edge.done)) continue;
          Apply(other, &edge,
                note.gone ? EffectOfRemoval(edge.policy) : EffectOf(edge.policy, note.state), note);
        }
      }
    }
    for (const size_t job : std::exchange(released_, {})) Release(job);
  }
}

}  // namespace millrace::flows
