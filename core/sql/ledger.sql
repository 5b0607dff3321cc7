-- name: read_sequence
-- The next free number of the store, and what its limits' settings are known by. in: none; out: next, settings_version;
-- index: rowid
SELECT next, settings_version FROM sequence WHERE id = 1;

-- name: write_sequence
-- Stores both, once a commit. in: next, settings_version; changes: sequence
UPDATE sequence SET next = ?1, settings_version = ?2 WHERE id = 1;

-- name: find_queue
-- A queue by its name. in: name; out: queue_id; index: unique(name)
SELECT queue_id FROM queues WHERE name = ?1;

-- name: insert_queue
-- in: name; out: queue_id; changes: queues
INSERT INTO queues (name) VALUES (?1) RETURNING queue_id;

-- name: read_queue
-- Pause flag and retention of a queue. in: queue_id; out: name and rules (NULL: the store's default); index: rowid
SELECT name, paused, keep_completed_age_ms, keep_completed_count, keep_failed_age_ms, keep_failed_count
FROM queues WHERE queue_id = ?1;

-- name: add_counts
-- Adds a commit's changes to the counts of a queue. in: queue_id, changes in the order of the columns; changes: queue_counts
INSERT INTO queue_counts (queue_id, ready, prioritized, scheduled, blocked, active, completed, failed, cancelled, events)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (queue_id) DO UPDATE SET
  ready = ready + ?2, prioritized = prioritized + ?3, scheduled = scheduled + ?4, blocked = blocked + ?5,
  active = active + ?6, completed = completed + ?7, failed = failed + ?8, cancelled = cancelled + ?9,
  events = events + ?10;

-- name: read_counts
-- in: queue_id; out: counts in the order of the columns, pause flag; index: rowid
SELECT c.ready, c.prioritized, c.scheduled, c.blocked, c.active, c.completed, c.failed, c.cancelled, c.events
FROM queue_counts c WHERE c.queue_id = ?1;

-- name: insert_events
-- One commit's events of one queue. in: queue_id, seq, at_ms, n, body; changes: events
INSERT INTO events (queue_id, seq, at_ms, n, body) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: oldest_events
-- The oldest rows of a queue's log. in: queue_id, limit; out: seq, n; index: primary key
SELECT seq, n FROM events WHERE queue_id = ?1 ORDER BY seq LIMIT ?2;

-- name: delete_events_up_to
-- in: queue_id, seq; changes: events; index: primary key
DELETE FROM events WHERE queue_id = ?1 AND seq <= ?2;

-- name: delete_counts
-- A queue without a row here is not in use and not listed. in: queue_id; changes: queue_counts; index: rowid
DELETE FROM queue_counts WHERE queue_id = ?1;
