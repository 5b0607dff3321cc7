-- What callers read. Statements of one answer run inside begin_read .. end_read, so that they see one state of the store.

-- name: begin_read
-- Opens a read transaction; the first read fixes what it sees. in: none; out: none
BEGIN DEFERRED;

-- name: end_read
-- in: none; out: none
COMMIT;

-- name: select_queue_of
-- in: job; out: queue_id; index: rowid
SELECT queue_id FROM jobs WHERE job = ?1;

-- name: select_ending
-- How a job ended. in: job; out: state, finished_at_ms, started_at_ms, attempts, process_id, content_type, body; index: rowid
SELECT state, finished_at_ms, started_at_ms, attempts, process_id, content_type, body FROM finished WHERE job = ?1;

-- name: select_worker
-- The name of the worker that a lease names, or where its process ran; no row when both are gone. in: process_id; out: name;
-- index: rowid of processes; sessions are few
SELECT name FROM (
  SELECT 0 AS choice, session_id AS n, name FROM sessions WHERE process_id = ?1
  UNION ALL
  SELECT 1, 0, host || ':' || pid FROM processes WHERE process_id = ?1)
ORDER BY choice, n LIMIT 1;

-- name: select_attempt_errors
-- in: job; out: error, oldest first; index: primary key
SELECT error FROM attempt_errors WHERE job = ?1 ORDER BY token;

-- name: list_ready
-- Those of groups and those that a limit holds back among the others, by priority and age. in: queue_id, limit, offset, name or
-- NULL; out: job; index: primary keys, unique(queue_id, name), rowid of jobs for a name
SELECT abs(seq), priority, seq FROM ready
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
UNION ALL
SELECT abs(r.seq), r.priority, r.seq FROM groups g JOIN group_ready r ON r.group_id = g.group_id
WHERE g.queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(r.seq)) = ?4)
UNION ALL
SELECT abs(seq), priority, seq FROM parked
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
ORDER BY 2, 3 LIMIT ?2 OFFSET ?3;

-- name: list_ready_descending
-- Those of groups and those that a limit holds back among the others, by priority and age. in: queue_id, limit, offset, name or
-- NULL; out: job; index: primary keys, unique(queue_id, name), rowid of jobs for a name
SELECT abs(seq), priority, seq FROM ready
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
UNION ALL
SELECT abs(r.seq), r.priority, r.seq FROM groups g JOIN group_ready r ON r.group_id = g.group_id
WHERE g.queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(r.seq)) = ?4)
UNION ALL
SELECT abs(seq), priority, seq FROM parked
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
ORDER BY 2 DESC, 3 DESC LIMIT ?2 OFFSET ?3;

-- name: list_scheduled
-- in: queue_id, limit, offset, name or NULL; out: job; index: primary key, rowid of jobs for a name
SELECT abs(seq) FROM scheduled
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
ORDER BY due_at_ms, seq LIMIT ?2 OFFSET ?3;

-- name: list_scheduled_descending
-- in: queue_id, limit, offset, name or NULL; out: job; index: primary key, rowid of jobs for a name
SELECT abs(seq) FROM scheduled
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE job = abs(seq)) = ?4)
ORDER BY due_at_ms DESC, seq DESC LIMIT ?2 OFFSET ?3;

-- name: list_blocked
-- in: queue_id, limit, offset, name or NULL; out: job; index: blocked_in_order, rowid of jobs for a name
SELECT job FROM blocked
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = blocked.job) = ?4)
ORDER BY priority, seq LIMIT ?2 OFFSET ?3;

-- name: list_blocked_descending
-- in: queue_id, limit, offset, name or NULL; out: job; index: blocked_in_order, rowid of jobs for a name
SELECT job FROM blocked
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = blocked.job) = ?4)
ORDER BY priority DESC, seq DESC LIMIT ?2 OFFSET ?3;

-- name: list_active
-- Scans the leases, which are as few as there are slots. in: queue_id, limit, offset, name or NULL; out: job
SELECT job FROM active
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = active.job) = ?4)
ORDER BY started_at_ms, token LIMIT ?2 OFFSET ?3;

-- name: list_active_descending
-- Scans the leases, which are as few as there are slots. in: queue_id, limit, offset, name or NULL; out: job
SELECT job FROM active
WHERE queue_id = ?1 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = active.job) = ?4)
ORDER BY started_at_ms DESC, token DESC LIMIT ?2 OFFSET ?3;

-- name: list_finished
-- in: queue_id, limit, offset, name or NULL, state; out: job; index: finished_in_order, rowid of jobs for a name
SELECT job FROM finished
WHERE queue_id = ?1 AND state = ?5 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = finished.job) = ?4)
ORDER BY finished_at_ms, job LIMIT ?2 OFFSET ?3;

-- name: list_finished_descending
-- in: queue_id, limit, offset, name or NULL, state; out: job; index: finished_in_order, rowid of jobs for a name
SELECT job FROM finished
WHERE queue_id = ?1 AND state = ?5 AND (?4 IS NULL OR (SELECT name FROM jobs WHERE jobs.job = finished.job) = ?4)
ORDER BY finished_at_ms DESC, job DESC LIMIT ?2 OFFSET ?3;

-- name: select_queue_counts
-- One queue's counts. in: name; out: name, paused, counts; index: unique(name), rowid
SELECT q.name, q.paused, c.ready, c.prioritized, c.scheduled, c.blocked, c.active, c.completed, c.failed, c.cancelled
FROM queues q LEFT JOIN queue_counts c ON c.queue_id = q.queue_id WHERE q.name = ?1;

-- name: list_queue_counts
-- All queues in use, and those that are paused before anything was put into them. in: none; out: as select_queue_counts;
-- index: unique(name), rowid
SELECT q.name, q.paused, c.ready, c.prioritized, c.scheduled, c.blocked, c.active, c.completed, c.failed, c.cancelled
FROM queues q LEFT JOIN queue_counts c ON c.queue_id = q.queue_id
WHERE c.queue_id IS NOT NULL OR q.paused = 1 ORDER BY q.name;

-- name: select_logs
-- in: job, limit, offset; out: at_ms, text, oldest first; index: primary key
SELECT at_ms, text FROM job_logs WHERE job = ?1 ORDER BY line LIMIT ?2 OFFSET ?3;

-- name: select_events
-- A stretch of a queue's log. in: queue_id, seq of the first row, limit; out: seq, at_ms, n, body; index: primary key
SELECT seq, at_ms, n, body FROM events WHERE queue_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3;

-- name: select_event_heads
-- Where the commits of a stretch of a queue's log are. in: queue_id, seq of the first row, limit; out: seq; index: primary key
SELECT seq FROM events WHERE queue_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3;

-- name: select_event_row
-- One commit's events of a queue. in: queue_id, seq; out: seq, at_ms, n, body; index: primary key
SELECT seq, at_ms, n, body FROM events WHERE queue_id = ?1 AND seq = ?2;

-- name: list_queue_ids
-- All queues that ever were. in: none; out: queue_id, name
SELECT queue_id, name FROM queues ORDER BY queue_id;

-- name: newest_events
-- The end of a queue's log. in: queue_id; out: seq, n; index: primary key
SELECT seq, n FROM events WHERE queue_id = ?1 ORDER BY seq DESC LIMIT 1;

-- name: select_result
-- The JSON result of a job that completed at a time; no row if it has ended again since. in: job, finished_at_ms; out: body;
-- index: rowid
SELECT body FROM finished WHERE job = ?1 AND state = 5 AND content_type = 0 AND finished_at_ms = ?2;
