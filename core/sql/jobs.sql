-- name: insert_job
-- A body without options. in: job, queue_id, name, created_at_ms, salt, priority, data; changes: jobs
INSERT INTO jobs (job, queue_id, name, created_at_ms, salt, priority, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: insert_job_with_group
-- A body with a group and no other option. in: as insert_job, then group_name; changes: jobs
INSERT INTO jobs (job, queue_id, name, created_at_ms, salt, priority, data, group_name)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8);

-- name: insert_job_with_key
-- A body with a deduplication key by the plain rule and no other option. in: as insert_job, then dedup_key; changes: jobs
INSERT INTO jobs (job, queue_id, name, created_at_ms, salt, priority, data, dedup_key)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8);

-- name: insert_job_with_rule
-- A body with a deduplication key by another rule and no other option. in: as insert_job, then dedup_key, dedup_mode,
-- dedup_ttl_ms, dedup_states; changes: jobs
INSERT INTO jobs (job, queue_id, name, created_at_ms, salt, priority, data, dedup_key, dedup_mode, dedup_ttl_ms, dedup_states)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);

-- name: insert_job_with_options
-- A body with options. in: the columns in their order; changes: jobs
INSERT INTO jobs (
  job, queue_id, name, created_at_ms, salt, priority, data, options, custom_id, headers, content_type, lifo,
  due_at_ms, expires_at_ms, max_attempts, backoff_kind, backoff_delay_ms, backoff_max_ms, backoff_jitter,
  max_crashes, time_limit_ms, soft_time_limit_ms, keep_logs, keep_completed_age_ms, keep_completed_count,
  keep_failed_age_ms, keep_failed_count, group_name, dedup_key, join_kind, delivery, sealing, dedup_mode, dedup_ttl_ms,
  dedup_states)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
  ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34);

-- name: insert_key
-- in: custom_id, queue_id, job; changes: job_keys
INSERT INTO job_keys (custom_id, queue_id, job) VALUES (?1, ?2, ?3);

-- name: find_key
-- in: custom_id, queue_id; out: job; index: primary key
SELECT job FROM job_keys WHERE custom_id = ?1 AND queue_id = ?2;

-- name: find_key_newest
-- The newest job that has this id in any queue. in: custom_id; out: job; index: primary key (prefix)
SELECT max(job) FROM job_keys WHERE custom_id = ?1;

-- name: insert_ready
-- in: queue_id, priority, seq, flags; changes: ready
INSERT INTO ready (queue_id, priority, seq, flags) VALUES (?1, ?2, ?3, ?4);

-- name: delete_ready
-- in: queue_id, priority, seq; changes: ready; index: primary key
DELETE FROM ready WHERE queue_id = ?1 AND priority = ?2 AND seq = ?3;

-- name: insert_scheduled
-- in: queue_id, due_at_ms, seq, priority, flags; changes: scheduled
INSERT INTO scheduled (queue_id, due_at_ms, seq, priority, flags) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: delete_scheduled
-- in: queue_id, due_at_ms, seq; changes: scheduled; index: primary key
DELETE FROM scheduled WHERE queue_id = ?1 AND due_at_ms = ?2 AND seq = ?3;

-- name: earliest_due
-- When the first scheduled job of a queue is due. in: queue_id; out: due_at_ms or no row; index: primary key
SELECT due_at_ms FROM scheduled WHERE queue_id = ?1 ORDER BY due_at_ms LIMIT 1;

-- name: select_due
-- Scheduled jobs of a queue that are due, with what their ids are made of. in: queue_id, now_ms, limit;
-- out: due_at_ms, seq, priority, flags, created_at_ms, salt, custom_id, group_name; index: primary key, rowid of jobs
SELECT s.due_at_ms, s.seq, s.priority, s.flags, j.created_at_ms, j.salt, j.custom_id, j.group_name
FROM scheduled s LEFT JOIN jobs j ON j.job = abs(s.seq)
WHERE s.queue_id = ?1 AND s.due_at_ms <= ?2 ORDER BY s.due_at_ms, s.seq LIMIT ?3;

-- name: has_ready
-- Whether a claim would find anything or has groups to look at again: the empty claim is this read. in: queue_id, now_ms;
-- out: a row if so; index: primary keys, unique(scope, queue_id, task), limits_with_parked
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM queues WHERE queue_id = ?1 AND paused = 1)
  AND NOT EXISTS (SELECT 1 FROM limits WHERE scope = 1 AND queue_id = 0 AND closed_until_ms > ?2)
  AND NOT EXISTS (SELECT 1 FROM limits WHERE scope = 2 AND queue_id = ?1 AND closed_until_ms > ?2)
  AND (EXISTS (SELECT 1 FROM ready WHERE queue_id = ?1)
    OR EXISTS (SELECT 1 FROM turns WHERE queue_id = ?1)
    OR EXISTS (SELECT 1 FROM scheduled WHERE queue_id = ?1 AND due_at_ms <= ?2)
    OR EXISTS (SELECT 1 FROM group_timers WHERE queue_id = ?1 AND gives = 1 AND at_ms <= ?2)
    OR EXISTS (SELECT 1 FROM limits l WHERE parked > 0 AND closed_until_ms <= ?2 AND (
      EXISTS (SELECT 1 FROM parked p WHERE p.queue_id = ?1 AND p.limit_id = l.limit_id)
      OR EXISTS (SELECT 1 FROM stalled s WHERE s.queue_id = ?1 AND s.limit_id = l.limit_id)))
    OR EXISTS (SELECT 1 FROM settings WHERE name = 'regroup:' || ?1));

-- name: has_work
-- The same for who knows that neither the queue is paused nor a limit of it or of the store is closed. in: queue_id, now_ms;
-- out: a row if so; index: primary keys, limits_with_parked
SELECT 1 WHERE EXISTS (SELECT 1 FROM ready WHERE queue_id = ?1)
  OR EXISTS (SELECT 1 FROM turns WHERE queue_id = ?1)
  OR EXISTS (SELECT 1 FROM scheduled WHERE queue_id = ?1 AND due_at_ms <= ?2)
  OR EXISTS (SELECT 1 FROM group_timers WHERE queue_id = ?1 AND gives = 1 AND at_ms <= ?2)
  OR EXISTS (SELECT 1 FROM limits l WHERE parked > 0 AND closed_until_ms <= ?2 AND (
    EXISTS (SELECT 1 FROM parked p WHERE p.queue_id = ?1 AND p.limit_id = l.limit_id)
    OR EXISTS (SELECT 1 FROM stalled s WHERE s.queue_id = ?1 AND s.limit_id = l.limit_id)))
  OR EXISTS (SELECT 1 FROM settings WHERE name = 'regroup:' || ?1);

-- name: next_due
-- The next time at which a claim may find more: a job is due, a group's time comes, a limit opens by time.
-- in: queue_id, now_ms; out: a time, NULL if none; index: primary keys, unique(scope, queue_id, task), limits_with_parked
SELECT min(at_ms) FROM (
  SELECT min(due_at_ms) AS at_ms FROM scheduled WHERE queue_id = ?1 AND due_at_ms > ?2
  UNION ALL
  SELECT min(at_ms) FROM group_timers WHERE queue_id = ?1 AND gives = 1 AND at_ms > ?2
  UNION ALL
  SELECT closed_until_ms FROM limits
  WHERE ((scope = 1 AND queue_id = 0) OR (scope = 2 AND queue_id = ?1))
    AND closed_until_ms > ?2 AND closed_until_ms < 9223372036854775807
  UNION ALL
  SELECT min(closed_until_ms) FROM limits l
  WHERE parked > 0 AND closed_until_ms > ?2 AND closed_until_ms < 9223372036854775807 AND (
    EXISTS (SELECT 1 FROM parked p WHERE p.queue_id = ?1 AND p.limit_id = l.limit_id)
    OR EXISTS (SELECT 1 FROM stalled s WHERE s.queue_id = ?1 AND s.limit_id = l.limit_id)));

-- name: ready_head
-- Where the first ready job without a group stands. in: queue_id; out: priority, seq; index: primary key
SELECT priority, seq FROM ready WHERE queue_id = ?1 ORDER BY priority, seq LIMIT 1;

-- name: select_claim
-- The next ready jobs of a queue, as far as they stand before a place, with their bodies. in: queue_id, limit, priority, seq;
-- out: ready columns, then jobs columns; index: primary key, rowid of jobs
SELECT r.priority, r.seq, r.flags, j.job, j.queue_id, j.name, j.created_at_ms, j.salt, j.priority, j.data, j.options,
  j.custom_id, j.headers, j.content_type, j.lifo, j.due_at_ms, j.expires_at_ms, j.max_attempts, j.backoff_kind,
  j.backoff_delay_ms, j.backoff_max_ms, j.backoff_jitter, j.max_crashes, j.time_limit_ms, j.soft_time_limit_ms,
  j.keep_logs, j.keep_completed_age_ms, j.keep_completed_count, j.keep_failed_age_ms, j.keep_failed_count,
  j.group_name, j.dedup_key, j.join_kind, j.delivery, j.sealing, j.dedup_mode, j.dedup_ttl_ms, j.dedup_states
FROM ready r LEFT JOIN jobs j ON j.job = abs(r.seq)
WHERE r.queue_id = ?1 AND (r.priority, r.seq) < (?3, ?4) ORDER BY r.priority, r.seq LIMIT ?2;

-- name: select_body
-- One job's body. in: job; out: jobs columns; index: rowid
SELECT job, queue_id, name, created_at_ms, salt, priority, data, options, custom_id, headers, content_type, lifo,
  due_at_ms, expires_at_ms, max_attempts, backoff_kind, backoff_delay_ms, backoff_max_ms, backoff_jitter,
  max_crashes, time_limit_ms, soft_time_limit_ms, keep_logs, keep_completed_age_ms, keep_completed_count,
  keep_failed_age_ms, keep_failed_count, group_name, dedup_key, join_kind, delivery, sealing, dedup_mode, dedup_ttl_ms,
  dedup_states
FROM jobs WHERE job = ?1;

-- name: delete_ready_up_to
-- Takes away what select_claim has read: a prefix of the queue. in: queue_id, priority, seq; changes: ready; index: primary key
DELETE FROM ready WHERE queue_id = ?1 AND (priority, seq) <= (?2, ?3);

-- name: insert_active
-- in: job, queue_id, token, process_id, priority, seq, flags, started_at_ms, deadline_ms; changes: active
INSERT INTO active (job, queue_id, token, process_id, priority, seq, flags, started_at_ms, deadline_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- name: delete_active
-- Ends a lease; no row changes if the token is no longer the job's. in: job, token; changes: active; index: rowid
DELETE FROM active WHERE job = ?1 AND token = ?2;

-- name: delete_active_as_known
-- The same if nobody has touched the lease's row; its columns are compared because RETURNING costs ten times as much.
-- in: job, token, flags; changes: active; index: rowid
DELETE FROM active WHERE job = ?1 AND token = ?2 AND flags = ?3 AND cancel_requested = 0;

-- name: select_active
-- in: job; out: columns of active; index: rowid
SELECT job, queue_id, token, process_id, priority, seq, flags, started_at_ms, cancel_requested, cancel_reason
FROM active WHERE job = ?1;

-- name: insert_finished
-- in: in the order of the columns; changes: finished
INSERT INTO finished (job, queue_id, state, finished_at_ms, started_at_ms, attempts, process_id, flags, content_type, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);

-- name: delete_finished
-- in: job; changes: finished; index: rowid
DELETE FROM finished WHERE job = ?1;

-- name: select_run
-- What a job has gathered. in: job; out: columns of job_runs; index: rowid
SELECT attempts_started, attempts_made, crashes, due_at_ms, started_at_ms, process_id, progress, log_lines, checkpoint
FROM job_runs WHERE job = ?1;

-- name: write_run
-- Attempts of a job after one that did not end it. in: job, attempts_started, attempts_made, crashes, due_at_ms,
-- started_at_ms, process_id; changes: job_runs
INSERT INTO job_runs (job, attempts_started, attempts_made, crashes, due_at_ms, started_at_ms, process_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (job) DO UPDATE SET attempts_started = ?2, attempts_made = ?3, crashes = ?4, due_at_ms = ?5,
  started_at_ms = ?6, process_id = ?7;

-- name: delete_run
-- in: job; changes: job_runs; index: rowid
DELETE FROM job_runs WHERE job = ?1;

-- name: insert_attempt_error
-- in: job, token, at_ms, error; changes: attempt_errors
INSERT INTO attempt_errors (job, token, at_ms, error) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (job, token) DO UPDATE SET at_ms = ?3, error = ?4;

-- name: trim_attempt_errors
-- Keeps the newest errors of a job. in: job, how many; changes: attempt_errors; index: primary key
DELETE FROM attempt_errors WHERE job = ?1 AND token <= (
  SELECT token FROM attempt_errors WHERE job = ?1 ORDER BY token DESC LIMIT 1 OFFSET ?2);

-- name: delete_attempt_errors
-- in: job; changes: attempt_errors; index: primary key
DELETE FROM attempt_errors WHERE job = ?1;

-- name: delete_logs
-- in: job; changes: job_logs; index: primary key
DELETE FROM job_logs WHERE job = ?1;

-- name: delete_body
-- in: job; changes: jobs; index: rowid
DELETE FROM jobs WHERE job = ?1;

-- name: delete_key
-- in: custom_id, queue_id; changes: job_keys; index: primary key
DELETE FROM job_keys WHERE custom_id = ?1 AND queue_id = ?2;

-- name: select_expired_finished
-- The oldest finished jobs of a queue and state that are older than a time. in: queue_id, state, before_ms, limit; out: job, flags;
-- index: finished_in_order
SELECT job, flags FROM finished WHERE queue_id = ?1 AND state = ?2 AND finished_at_ms < ?3
ORDER BY finished_at_ms, job LIMIT ?4;

-- name: quarantine
-- Records a damaged record that was taken out of the way. in: found_at_ms, queue_id, job, what; changes: quarantine
INSERT INTO quarantine (found_at_ms, queue_id, job, what) VALUES (?1, ?2, ?3, ?4);
