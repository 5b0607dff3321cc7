-- What happened to the jobs of each task in each queue. Every process gathers and adds its own (jobs/counters.h).

-- name: read_histograms
-- in: queue_id, task; out: wait_ms, run_ms, packed; index: primary key
SELECT wait_ms, run_ms FROM task_counters WHERE queue_id = ?1 AND task = ?2;

-- name: add_counters
-- in: queue_id, task, what is added in the order of the columns, then the new histograms; changes: task_counters
INSERT INTO task_counters (queue_id, task, enqueued, started, completed, failed, cancelled, retried, crashed, wait_ms, run_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (queue_id, task) DO UPDATE SET
  enqueued = enqueued + ?3, started = started + ?4, completed = completed + ?5, failed = failed + ?6,
  cancelled = cancelled + ?7, retried = retried + ?8, crashed = crashed + ?9, wait_ms = ?10, run_ms = ?11;

-- name: list_counters
-- Of one queue. in: queue_id; out: columns of task_counters; index: primary key (prefix)
SELECT queue_id, task, enqueued, started, completed, failed, cancelled, retried, crashed, wait_ms, run_ms
FROM task_counters WHERE queue_id = ?1 ORDER BY task;

-- name: list_all_counters
-- Of all queues: every row is an answer. in: none; out: columns of task_counters; index: primary key (its order)
SELECT queue_id, task, enqueued, started, completed, failed, cancelled, retried, crashed, wait_ms, run_ms
FROM task_counters ORDER BY queue_id, task;

-- name: add_minute
-- in: queue_id, minute, completed, failed; changes: minute_counts
INSERT INTO minute_counts (queue_id, minute, completed, failed) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue_id, minute) DO UPDATE SET completed = completed + ?3, failed = failed + ?4;

-- name: delete_minutes
-- The oldest minutes of a queue before one. in: queue_id, minute, limit; changes: minute_counts; index: primary key
DELETE FROM minute_counts WHERE queue_id = ?1 AND minute IN (
  SELECT minute FROM minute_counts WHERE queue_id = ?1 AND minute < ?2 ORDER BY minute LIMIT ?3);

-- name: oldest_minute
-- in: queue_id, the first that counts; out: minute or no row; index: primary key
SELECT minute FROM minute_counts WHERE queue_id = ?1 AND minute >= ?2 ORDER BY minute LIMIT 1;

-- name: list_minutes
-- in: queue_id, first and last minute; out: minute, completed, failed; index: primary key
SELECT minute, completed, failed FROM minute_counts WHERE queue_id = ?1 AND minute BETWEEN ?2 AND ?3 ORDER BY minute;

-- name: total_ended
-- What all tasks of a queue have come to. in: queue_id; out: completed, failed; index: primary key (prefix)
SELECT ifnull(sum(completed), 0), ifnull(sum(failed), 0) FROM task_counters WHERE queue_id = ?1;

-- name: select_task
-- The name of a job's task. in: job; out: name; index: rowid
SELECT name FROM jobs WHERE job = ?1;
