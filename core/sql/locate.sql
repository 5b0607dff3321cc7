-- name: select_key
-- What a job's id is made of, its deduplication key and its name. in: job; out: queue_id, created_at_ms, salt, custom_id,
-- dedup_key, name; index: rowid
SELECT queue_id, created_at_ms, salt, custom_id, dedup_key, name FROM jobs WHERE job = ?1;

-- name: select_place
-- Where a job was first put. in: job; out: queue_id, created_at_ms, salt, custom_id, priority, lifo, due_at_ms, whether it
-- has a deduplication key, group_name; index: rowid
SELECT queue_id, created_at_ms, salt, custom_id, priority, lifo, due_at_ms, dedup_key IS NOT NULL, group_name
FROM jobs WHERE job = ?1;

-- name: select_ready_flags
-- Whether a job is ready. in: queue_id, priority, seq; out: flags; index: primary key
SELECT flags FROM ready WHERE queue_id = ?1 AND priority = ?2 AND seq = ?3;

-- name: select_scheduled_flags
-- Whether a job is scheduled. in: queue_id, due_at_ms, seq; out: flags; index: primary key
SELECT flags FROM scheduled WHERE queue_id = ?1 AND due_at_ms = ?2 AND seq = ?3;

-- name: select_blocked_flags
-- Whether a job is blocked. in: job; out: flags; index: rowid
SELECT flags FROM blocked WHERE job = ?1;

-- name: select_finished_state
-- How a job ended. in: job; out: state, flags; index: rowid
SELECT state, flags FROM finished WHERE job = ?1;

-- name: select_finished
-- A finished job's ending. in: job; out: state, finished_at_ms, started_at_ms, attempts, process_id, content_type, body; index: rowid
SELECT state, finished_at_ms, started_at_ms, attempts, process_id, content_type, body FROM finished WHERE job = ?1;
