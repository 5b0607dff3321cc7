-- What `doctor --repair` does. Each statement is one transaction of its own with nothing else in it: counts are set from the
-- tables, and no other operation's changes are still on their way there.

-- name: orphan_ready
-- Places of no job, or not the job's own. in: none; changes: ready
DELETE FROM ready WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = abs(ready.seq) AND j.queue_id = ready.queue_id
  AND j.priority = ready.priority AND ready.seq = iif(j.lifo, -j.job, j.job));

-- name: orphan_group_ready
-- in: none; changes: group_ready
DELETE FROM group_ready WHERE NOT EXISTS (SELECT 1 FROM jobs j JOIN groups g ON g.queue_id = j.queue_id AND g.name = j.group_name
  WHERE j.job = abs(group_ready.seq) AND g.group_id = group_ready.group_id AND j.priority = group_ready.priority
    AND group_ready.seq = iif(j.lifo, -j.job, j.job));

-- name: orphan_parked
-- in: none; changes: parked
DELETE FROM parked WHERE NOT EXISTS (SELECT 1 FROM jobs j JOIN limits l ON l.scope = 3 AND l.queue_id = 0 AND l.task = j.name
  WHERE j.job = abs(parked.seq) AND j.queue_id = parked.queue_id AND l.limit_id = parked.limit_id
    AND j.priority = parked.priority AND parked.seq = iif(j.lifo, -j.job, j.job));

-- name: orphan_scheduled
-- in: none; changes: scheduled
DELETE FROM scheduled WHERE NOT EXISTS (SELECT 1 FROM jobs j LEFT JOIN job_runs r ON r.job = j.job
  WHERE j.job = abs(scheduled.seq) AND j.queue_id = scheduled.queue_id AND scheduled.due_at_ms IN (j.due_at_ms, r.due_at_ms)
    AND scheduled.seq = iif(j.lifo, -j.job, j.job));

-- name: orphan_active
-- in: none; changes: active
DELETE FROM active WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = active.job AND j.queue_id = active.queue_id);

-- name: orphan_blocked
-- in: none; changes: blocked
DELETE FROM blocked WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = blocked.job AND j.queue_id = blocked.queue_id);

-- name: orphan_finished
-- in: none; changes: finished
DELETE FROM finished WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = finished.job AND j.queue_id = finished.queue_id);

-- name: orphan_keys
-- Ids of no job, or of another one. in: none; changes: job_keys
DELETE FROM job_keys WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = job_keys.job AND j.queue_id = job_keys.queue_id
  AND j.custom_id = job_keys.custom_id);

-- name: orphan_runs
-- in: none; changes: job_runs
DELETE FROM job_runs WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = job_runs.job);

-- name: orphan_attempt_errors
-- in: none; changes: attempt_errors
DELETE FROM attempt_errors WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = attempt_errors.job);

-- name: orphan_logs
-- in: none; changes: job_logs
DELETE FROM job_logs WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = job_logs.job);

-- name: orphan_dependencies
-- What no job waits for. in: none; changes: dependencies
DELETE FROM dependencies WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = dependencies.job);

-- name: orphan_group_limits
-- Limits of no group, or of one that says that it has none of its own. in: none; changes: group_limits
DELETE FROM group_limits WHERE NOT EXISTS (
  SELECT 1 FROM groups g WHERE g.group_id = group_limits.group_id AND g.own_limit = 1);

-- name: orphan_dedup_keys
-- Keys of which the holder is gone or has another one, unless they are held for a time. in: none; changes: dedup_keys
DELETE FROM dedup_keys WHERE until_ms IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = dedup_keys.job
  AND j.queue_id = dedup_keys.queue_id AND j.dedup_key = dedup_keys.key);

-- name: stands_there
-- Whether a job stands in one of the places below, by its number. in: job, number; out: 1 or 0; index: rowid, primary key
SELECT count(*) > 0 FROM (
  SELECT 0 AS n FROM finished WHERE job = ?1
  UNION ALL SELECT 1 FROM active WHERE job = ?1
  UNION ALL SELECT 2 FROM blocked WHERE job = ?1
  UNION ALL SELECT 3 FROM ready p JOIN jobs j ON p.queue_id = j.queue_id AND p.priority = j.priority
    AND p.seq = iif(j.lifo, -j.job, j.job) WHERE j.job = ?1
  UNION ALL SELECT 4 FROM jobs j JOIN groups g ON g.queue_id = j.queue_id AND g.name = j.group_name
    JOIN group_ready p ON p.group_id = g.group_id AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job)
    WHERE j.job = ?1
  UNION ALL SELECT 5 FROM jobs j JOIN limits l ON l.scope = 3 AND l.queue_id = 0 AND l.task = j.name
    JOIN parked p ON p.queue_id = j.queue_id AND p.limit_id = l.limit_id AND p.priority = j.priority
      AND p.seq = iif(j.lifo, -j.job, j.job) WHERE j.job = ?1
  UNION ALL SELECT 6 FROM jobs j LEFT JOIN job_runs r ON r.job = j.job JOIN scheduled p ON p.queue_id = j.queue_id
    AND p.due_at_ms IN (j.due_at_ms, r.due_at_ms) AND p.seq = iif(j.lifo, -j.job, j.job) WHERE j.job = ?1)
WHERE n = ?2;

-- name: delete_finished_place
-- in: job; changes: finished; index: rowid
DELETE FROM finished WHERE job = ?1;

-- name: insert_blocked_place
-- in: job, queue_id, priority, seq, flags, pending; changes: blocked
INSERT INTO blocked (job, queue_id, priority, seq, flags, pending) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: delete_active_place
-- Whoever holds the lease. in: job; changes: active; index: rowid
DELETE FROM active WHERE job = ?1;

-- name: delete_blocked_place
-- in: job; changes: blocked; index: rowid
DELETE FROM blocked WHERE job = ?1;

-- name: delete_ready_place
-- in: job; changes: ready; index: primary key
DELETE FROM ready WHERE (queue_id, priority, seq) IN (
  SELECT queue_id, priority, iif(lifo, -job, job) FROM jobs WHERE job = ?1);

-- name: delete_group_ready_place
-- in: job; changes: group_ready; index: primary key
DELETE FROM group_ready WHERE (group_id, priority, seq) IN (
  SELECT g.group_id, j.priority, iif(j.lifo, -j.job, j.job)
  FROM jobs j JOIN groups g ON g.queue_id = j.queue_id AND g.name = j.group_name WHERE j.job = ?1);

-- name: delete_parked_place
-- in: job; changes: parked; index: primary key
DELETE FROM parked WHERE (queue_id, limit_id, priority, seq) IN (
  SELECT j.queue_id, l.limit_id, j.priority, iif(j.lifo, -j.job, j.job)
  FROM jobs j JOIN limits l ON l.scope = 3 AND l.queue_id = 0 AND l.task = j.name WHERE j.job = ?1);

-- name: delete_scheduled_place
-- in: job; changes: scheduled; index: primary key
DELETE FROM scheduled WHERE (queue_id, due_at_ms, seq) IN (
  SELECT j.queue_id, d.due_at_ms, iif(j.lifo, -j.job, j.job)
  FROM jobs j JOIN (SELECT due_at_ms FROM jobs WHERE job = ?1 UNION SELECT due_at_ms FROM job_runs WHERE job = ?1) d
  WHERE j.job = ?1 AND d.due_at_ms IS NOT NULL);

-- name: flags_of
-- What the place of a job must say (jobs/place.h). in: job; out: flags; index: rowid, primary key, dependents
SELECT iif(EXISTS (SELECT 1 FROM job_runs WHERE job = ?1), 1, 0)
  | iif(EXISTS (SELECT 1 FROM dependencies WHERE depends_on = ?1), 2, 0)
  | iif(EXISTS (SELECT 1 FROM dependencies WHERE job = ?1), 4, 0)
  | iif(EXISTS (SELECT 1 FROM job_runs WHERE job = ?1 AND checkpoint IS NOT NULL), 8, 0);

-- name: pending_of
-- How many jobs hold one back. in: job; out: count; index: primary key
SELECT count(*) FROM dependencies WHERE job = ?1 AND done = 0;

-- name: set_pending
-- in: job, how many; changes: blocked; index: rowid
UPDATE blocked SET pending = ?2 WHERE job = ?1;

-- name: lost_dependencies
-- What a job waits for that has ended or is not there. in: job; out: depends_on, how it ended (NULL: not there); index: primary keys
SELECT d.depends_on, f.state FROM dependencies d LEFT JOIN finished f ON f.job = d.depends_on
WHERE d.job = ?1 AND d.done = 0
  AND (f.job IS NOT NULL OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = d.depends_on));

-- name: insert_lost_key
-- The id of a job that is not found under it, unless another job has it. in: job; changes: job_keys
INSERT OR IGNORE INTO job_keys (custom_id, queue_id, job)
SELECT custom_id, queue_id, job FROM jobs WHERE job = ?1 AND custom_id IS NOT NULL;

-- name: strangers
-- Processes that hold leases and are not registered. in: limit; out: process_id
SELECT DISTINCT a.process_id FROM active a
WHERE NOT EXISTS (SELECT 1 FROM processes p WHERE p.process_id = a.process_id) LIMIT ?1;

-- name: insert_running_groups
-- Groups of running jobs that have no row. in: none; changes: groups
INSERT OR IGNORE INTO groups (queue_id, name)
SELECT DISTINCT a.queue_id, j.group_name FROM active a JOIN jobs j ON j.job = a.job WHERE j.group_name IS NOT NULL;

-- name: next_groups
-- in: group_id, limit; out: the group_ids that follow; index: rowid
SELECT group_id FROM groups WHERE group_id > ?1 ORDER BY group_id LIMIT ?2;

-- name: clear_turns
-- All groups leave the line and get in line anew (those that are still there keep their order). in: none; changes: turns
DELETE FROM turns;

-- name: clear_group_timers
-- in: none; changes: group_timers
DELETE FROM group_timers;

-- name: clear_stalled
-- in: none; changes: stalled
DELETE FROM stalled;

-- name: recount_groups
-- in: none; changes: groups
UPDATE groups SET turn = 0, timer_at_ms = 0, stalled_by = 0, stalled_turn = 0,
  ready = (SELECT count(*) FROM group_ready r WHERE r.group_id = groups.group_id),
  active = (SELECT count(*) FROM active a JOIN jobs j ON j.job = a.job
    WHERE a.queue_id = groups.queue_id AND j.group_name = groups.name);

-- name: recount_limits
-- in: none; changes: limits
UPDATE limits SET
  active = iif(scope = 4, active, (SELECT count(*) FROM active a
    WHERE (limits.queue_id = 0 OR a.queue_id = limits.queue_id)
      AND (limits.task = '' OR (SELECT name FROM jobs j WHERE j.job = a.job) = limits.task))),
  parked = (SELECT count(*) FROM parked p WHERE p.limit_id = limits.limit_id)
    + (SELECT count(*) FROM stalled s WHERE s.limit_id = limits.limit_id);

-- name: recount_queue
-- in: queue_id; changes: queue_counts
INSERT INTO queue_counts (queue_id, ready, prioritized, scheduled, blocked, active, completed, failed, cancelled, events)
SELECT ?1,
  (SELECT count(*) FROM ready WHERE queue_id = ?1) + (SELECT count(*) FROM parked WHERE queue_id = ?1)
    + (SELECT count(*) FROM group_ready r JOIN groups g ON g.group_id = r.group_id WHERE g.queue_id = ?1),
  (SELECT count(*) FROM ready WHERE queue_id = ?1 AND priority <> 0)
    + (SELECT count(*) FROM parked WHERE queue_id = ?1 AND priority <> 0)
    + (SELECT count(*) FROM group_ready r JOIN groups g ON g.group_id = r.group_id
      WHERE g.queue_id = ?1 AND r.priority <> 0),
  (SELECT count(*) FROM scheduled WHERE queue_id = ?1), (SELECT count(*) FROM blocked WHERE queue_id = ?1),
  (SELECT count(*) FROM active WHERE queue_id = ?1),
  (SELECT count(*) FROM finished WHERE queue_id = ?1 AND state = 5),
  (SELECT count(*) FROM finished WHERE queue_id = ?1 AND state = 6),
  (SELECT count(*) FROM finished WHERE queue_id = ?1 AND state = 7),
  ifnull((SELECT sum(n) FROM events WHERE queue_id = ?1), 0)
WHERE true
ON CONFLICT (queue_id) DO UPDATE SET ready = excluded.ready, prioritized = excluded.prioritized,
  scheduled = excluded.scheduled, blocked = excluded.blocked, active = excluded.active, completed = excluded.completed,
  failed = excluded.failed, cancelled = excluded.cancelled, events = excluded.events;

-- name: mend_counters
-- in: none; changes: task_counters
UPDATE task_counters SET enqueued = max(0, enqueued), started = max(0, started), completed = max(0, completed),
  failed = max(0, failed), cancelled = max(0, cancelled), retried = max(0, retried), crashed = max(0, crashed)
WHERE min(enqueued, started, completed, failed, cancelled, retried, crashed) < 0;

-- name: clear_quarantine
-- What was told is told. in: none; changes: quarantine
DELETE FROM quarantine;
