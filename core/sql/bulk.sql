-- Changes to many jobs at once. The scans go over a queue's jobs behind a position and say where each stands:
-- job, position (two numbers), name (NULL: no body), time, priority, due_at_ms, seq, flags, holder, token, group (NULL: none),
-- lane (a number, or the group's name).

-- name: scan_ready
-- in: queue_id, position, limit; out: see above; index: primary key, rowid of jobs
SELECT abs(r.seq), r.priority, r.seq, j.name, j.created_at_ms, r.priority, 0, r.seq, r.flags, 0, 0, NULL, 0
FROM ready r LEFT JOIN jobs j ON j.job = abs(r.seq)
WHERE r.queue_id = ?1 AND (r.priority, r.seq) > (?2, ?3) ORDER BY r.priority, r.seq LIMIT ?4;

-- name: scan_group_ready
-- Group by group. in: queue_id, position, limit, group that the position is of; out: see above;
-- index: unique(queue_id, name), primary key, rowid of jobs
SELECT abs(r.seq), r.priority, r.seq, j.name, j.created_at_ms, r.priority, 0, r.seq, r.flags, 0, 0, g.name, g.name
FROM groups g JOIN group_ready r ON r.group_id = g.group_id
  AND (r.priority, r.seq) > (iif(g.name = ?5, ?2, -9223372036854775807), iif(g.name = ?5, ?3, -9223372036854775807))
LEFT JOIN jobs j ON j.job = abs(r.seq)
WHERE g.queue_id = ?1 AND g.name >= ?5 ORDER BY g.name, r.priority, r.seq LIMIT ?4;

-- name: scan_parked
-- Limit by limit. in: queue_id, position, limit, limit that the position is of; out: see above; index: primary key, rowid of jobs
SELECT abs(p.seq), p.priority, p.seq, j.name, j.created_at_ms, p.priority, 0, p.seq, p.flags, 0, 0, NULL, p.limit_id
FROM parked p LEFT JOIN jobs j ON j.job = abs(p.seq)
WHERE p.queue_id = ?1 AND (p.limit_id, p.priority, p.seq) > (?5, ?2, ?3)
ORDER BY p.limit_id, p.priority, p.seq LIMIT ?4;

-- name: scan_scheduled
-- in: queue_id, position, limit; out: see above; index: primary key, rowid of jobs
SELECT abs(s.seq), s.due_at_ms, s.seq, j.name, j.created_at_ms, s.priority, s.due_at_ms, s.seq, s.flags, 0, 0, j.group_name, 0
FROM scheduled s LEFT JOIN jobs j ON j.job = abs(s.seq)
WHERE s.queue_id = ?1 AND (s.due_at_ms, s.seq) > (?2, ?3) ORDER BY s.due_at_ms, s.seq LIMIT ?4;

-- name: scan_active
-- The second number of the position is not used. in: queue_id, position, limit; out: see above; index: rowids
SELECT a.job, a.job, 0, j.name, a.started_at_ms, a.priority, 0, a.seq, a.flags, a.process_id, a.token, j.group_name, 0
FROM active a LEFT JOIN jobs j ON j.job = a.job
WHERE a.queue_id = ?1 AND (a.job, 0) > (?2, ?3) ORDER BY a.job LIMIT ?4;

-- name: scan_blocked
-- in: queue_id, position, limit; out: see above; index: blocked_in_order, rowid of jobs
SELECT b.job, b.priority, b.seq, j.name, j.created_at_ms, b.priority, 0, b.seq, b.flags, 0, 0, j.group_name, 0
FROM blocked b LEFT JOIN jobs j ON j.job = b.job
WHERE b.queue_id = ?1 AND (b.priority, b.seq) > (?2, ?3) ORDER BY b.priority, b.seq LIMIT ?4;

-- name: scan_finished
-- in: queue_id, position, limit, state; out: see above; index: finished_in_order, rowid of jobs
SELECT f.job, f.finished_at_ms, f.job, j.name, f.finished_at_ms, 0, 0, 0, f.flags, 0, 0, NULL, 0
FROM finished f LEFT JOIN jobs j ON j.job = f.job
WHERE f.queue_id = ?1 AND f.state = ?5 AND (f.finished_at_ms, f.job) > (?2, ?3)
ORDER BY f.finished_at_ms, f.job LIMIT ?4;

-- name: is_empty
-- Whether nothing stands in a queue. in: queue_id; out: 1 or 0; index: primary keys, finished_in_order
SELECT NOT EXISTS (SELECT 1 FROM ready WHERE queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM parked WHERE queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM groups g JOIN group_ready r ON r.group_id = g.group_id WHERE g.queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM scheduled WHERE queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM blocked WHERE queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM active WHERE queue_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM finished WHERE queue_id = ?1 AND state = 5)
  AND NOT EXISTS (SELECT 1 FROM finished WHERE queue_id = ?1 AND state = 6)
  AND NOT EXISTS (SELECT 1 FROM finished WHERE queue_id = ?1 AND state = 7);

-- name: count_active
-- Scans the leases, which are as few as there are slots. in: queue_id; out: how many are the queue's
SELECT count(*) FROM active WHERE queue_id = ?1;

-- name: subtract_events
-- The events of a queue that were deleted. in: queue_id, how many; changes: queue_counts; index: rowid
UPDATE queue_counts SET events = max(0, events - ?2) WHERE queue_id = ?1;
