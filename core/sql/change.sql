-- Changes to jobs from outside their workers.

-- name: select_own_rules
-- A job's own rules, NULL where it has none. in: job; out: keep_logs, keep_failed_age_ms, keep_failed_count; index: rowid
SELECT keep_logs, keep_failed_age_ms, keep_failed_count FROM jobs WHERE job = ?1;

-- name: replace_job
-- Writes a body anew, with options. in: the columns in their order, as insert_job_with_options; changes: jobs; index: rowid
INSERT OR REPLACE INTO jobs (
  job, queue_id, name, created_at_ms, salt, priority, data, options, custom_id, headers, content_type, lifo,
  due_at_ms, expires_at_ms, max_attempts, backoff_kind, backoff_delay_ms, backoff_max_ms, backoff_jitter,
  max_crashes, time_limit_ms, soft_time_limit_ms, keep_logs, keep_completed_age_ms, keep_completed_count,
  keep_failed_age_ms, keep_failed_count, group_name, dedup_key, join_kind, delivery, sealing, dedup_mode, dedup_ttl_ms,
  dedup_states)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
  ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34);

-- name: move_blocked
-- Another place for when it is blocked no more. in: job, priority, seq; changes: blocked; index: rowid
UPDATE blocked SET priority = ?2, seq = ?3 WHERE job = ?1;

-- name: request_cancel
-- Leaves a note for the holder of a lease. in: job, reason or NULL; changes: active; index: rowid
UPDATE active SET cancel_requested = 1, cancel_reason = ?2 WHERE job = ?1;

-- name: mark_active
-- Adds flags to a lease's place; no row changes if the lease is gone. in: job, token, flags; changes: active; index: rowid
UPDATE active SET flags = flags | ?3 WHERE job = ?1 AND token = ?2;

-- name: mark_ready
-- in: queue_id, priority, seq, flags; changes: ready; index: primary key
UPDATE ready SET flags = flags | ?4 WHERE queue_id = ?1 AND priority = ?2 AND seq = ?3;

-- name: mark_scheduled
-- in: queue_id, due_at_ms, seq, flags; changes: scheduled; index: primary key
UPDATE scheduled SET flags = flags | ?4 WHERE queue_id = ?1 AND due_at_ms = ?2 AND seq = ?3;

-- name: mark_blocked
-- in: job, flags; changes: blocked; index: rowid
UPDATE blocked SET flags = flags | ?2 WHERE job = ?1;

-- name: mark_finished
-- in: job, flags; changes: finished; index: rowid
UPDATE finished SET flags = flags | ?2 WHERE job = ?1;

-- name: write_progress
-- in: job, progress; changes: job_runs
INSERT INTO job_runs (job, progress) VALUES (?1, ?2) ON CONFLICT (job) DO UPDATE SET progress = ?2;

-- name: write_checkpoint
-- in: job, checkpoint; changes: job_runs
INSERT INTO job_runs (job, checkpoint) VALUES (?1, ?2) ON CONFLICT (job) DO UPDATE SET checkpoint = ?2;

-- name: clear_checkpoint
-- in: job; changes: job_runs; index: rowid
UPDATE job_runs SET checkpoint = NULL WHERE job = ?1;

-- name: next_log_line
-- Counts a log line. in: job; out: the line's number, from 1; changes: job_runs
INSERT INTO job_runs (job, log_lines) VALUES (?1, 1) ON CONFLICT (job) DO UPDATE SET log_lines = log_lines + 1
RETURNING log_lines;

-- name: insert_log_line
-- in: job, line, at_ms, text; changes: job_logs
INSERT INTO job_logs (job, line, at_ms, text) VALUES (?1, ?2, ?3, ?4);

-- name: count_log_lines
-- They have no gaps: the oldest goes first. in: job; out: how many there are; index: primary key
SELECT ifnull((SELECT line FROM job_logs WHERE job = ?1 ORDER BY line DESC LIMIT 1)
  - (SELECT line FROM job_logs WHERE job = ?1 ORDER BY line LIMIT 1) + 1, 0);

-- name: trim_log
-- in: job, the newest line that goes; changes: job_logs; index: primary key
DELETE FROM job_logs WHERE job = ?1 AND line <= ?2;

-- name: reset_run
-- Forgets a job's attempts, progress and checkpoint, if its row is needed still: it counts log lines. in: job; changes: job_runs; index: rowid
UPDATE job_runs SET attempts_started = 0, attempts_made = 0, crashes = 0, due_at_ms = NULL, started_at_ms = 0,
  process_id = 0, progress = NULL, checkpoint = NULL
WHERE job = ?1 AND log_lines > 0;

-- name: clear_expiry
-- Who redrives a job wants it to run. in: job; changes: jobs; index: rowid
UPDATE jobs SET expires_at_ms = 0 WHERE job = ?1 AND expires_at_ms > 0;

-- name: set_paused
-- No row changes if it is so already. in: queue_id, 1 or 0; changes: queues; index: rowid
UPDATE queues SET paused = ?2 WHERE queue_id = ?1 AND paused <> ?2;

-- name: set_retention
-- What is NULL stays. in: queue_id, keep_completed_age_ms, keep_completed_count, keep_failed_age_ms, keep_failed_count;
-- changes: queues; index: rowid
UPDATE queues SET keep_completed_age_ms = ifnull(?2, keep_completed_age_ms),
  keep_completed_count = ifnull(?3, keep_completed_count), keep_failed_age_ms = ifnull(?4, keep_failed_age_ms),
  keep_failed_count = ifnull(?5, keep_failed_count)
WHERE queue_id = ?1;

-- name: reset_queue
-- As if it were new. in: queue_id; changes: queues; index: rowid
UPDATE queues SET paused = 0, keep_completed_age_ms = NULL, keep_completed_count = NULL, keep_failed_age_ms = NULL,
  keep_failed_count = NULL
WHERE queue_id = ?1;
