#include "jobs/event_merge.h"

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

Status EventMerge::LookAhead(size_t queue, int64_t from_seq) {
  Ahead& ahead = ahead_[queue];
  Query q(connection_, sql::read::kSelectEventHeads);
  q.Bind(queues_[queue].id, from_seq, kAhead);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) break;
    ahead.seqs.push_back(q.Int(0));
  }
  ahead.more = std::ssize(ahead.seqs) == kAhead;
  if (!ahead.seqs.empty()) heads_.push({.queue = queue, .seq = ahead.seqs.front()});
  return Status::Ok();
}

Status EventMerge::Start() {
  started_ = true;
  ahead_.resize(queues_.size());
  for (size_t i = 0; i < queues_.size(); ++i) RETURN_IF_ERROR(LookAhead(i, from_seq_));
  return Status::Ok();
}

Result<bool> EventMerge::Next(Row* row) {
  if (!started_) RETURN_IF_ERROR(Start());
  if (heads_.empty()) return false;
  *row = heads_.top();
  heads_.pop();
  Ahead& ahead = ahead_[row->queue];
  ahead.seqs.pop_front();
  if (!ahead.seqs.empty()) {
    heads_.push({.queue = row->queue, .seq = ahead.seqs.front()});
  } else if (ahead.more) {
    RETURN_IF_ERROR(LookAhead(row->queue, row->seq + 1));
  }
  return true;
}

}  // namespace millrace::jobs
