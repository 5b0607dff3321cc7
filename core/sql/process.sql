-- name: insert_process
-- Registers a process that waits or works. in: process_id, slot, pid, host, started_at_ms; changes: processes
INSERT INTO processes (process_id, slot, pid, host, started_at_ms) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: delete_process
-- Forgets a process. in: process_id; changes: processes; index: rowid
DELETE FROM processes WHERE process_id = ?1;

-- name: select_processes
-- All registered processes. in: none; out: process_id, slot, pid
SELECT process_id, slot, pid FROM processes ORDER BY process_id;

-- name: select_process_slot
-- Where a process can be rung. in: process_id; out: slot; index: rowid
SELECT slot FROM processes WHERE process_id = ?1;

-- name: insert_session
-- Registers a worker session. in: session_id, process_id, name, language, queues (JSON array), slots, started_at_ms; changes: sessions
INSERT INTO sessions (session_id, process_id, name, language, queues, slots, started_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: delete_session
-- Forgets a worker session. in: session_id; changes: sessions; index: rowid
DELETE FROM sessions WHERE session_id = ?1;

-- name: delete_sessions_of
-- Forgets the sessions of a process. in: process_id; changes: sessions
DELETE FROM sessions WHERE process_id = ?1;

-- name: update_session_slots
-- Changes what a listing shows. in: session_id, slots; changes: sessions; index: rowid
UPDATE sessions SET slots = ?2 WHERE session_id = ?1;

-- name: select_sessions
-- All worker sessions with how many jobs each process holds. in: none; out: process_id, name, language, host, pid,
-- started_at_ms, slot, slots, queue name (a row each), active
SELECT s.process_id, s.name, s.language, p.host, p.pid, s.started_at_ms, p.slot, s.slots, q.value,
  (SELECT count(*) FROM active a WHERE a.process_id = s.process_id), s.session_id
FROM sessions s JOIN processes p ON p.process_id = s.process_id, json_each(s.queues) q
ORDER BY s.session_id, q.key;

-- name: select_held
-- Jobs that a process holds; the active table is as small as the number of jobs that run. in: process_id, limit; out: job
SELECT job FROM active WHERE process_id = ?1 LIMIT ?2;

-- name: select_leases
-- Leases of a process with what others have asked of them. in: process_id; out: token, cancel_requested, cancel_reason
SELECT token, cancel_requested, cancel_reason FROM active WHERE process_id = ?1;

-- name: select_overdue
-- Jobs over their hard limit on the monotonic clock. in: monotonic_ms, limit; out: job; index: active_by_deadline
SELECT job FROM active WHERE deadline_ms IS NOT NULL AND deadline_ms < ?1 LIMIT ?2;
