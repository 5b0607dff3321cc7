-- What the administration's answers are made of, as JSON text where SQLite can make it.

-- name: inspect_store
-- The store as a whole. in: path, durability; out: a JSON object
SELECT json_object(
  'path', ?1, 'durability', ?2,
  'bytes', (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size),
  'free_bytes', (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size),
  'schema_version', (SELECT user_version FROM pragma_user_version),
  'quarantined', (SELECT count(*) FROM quarantine));

-- name: inspect_queues
-- All queues in use or paused, by name, with their counts and rules (null: the default of whoever opens the store).
-- in: none; out: a JSON array; index: rowid
SELECT json_group_array(json_object(
  'queue', q.name, 'paused', json(iif(q.paused, 'true', 'false')),
  'ready', ifnull(c.ready, 0), 'prioritized', ifnull(c.prioritized, 0), 'scheduled', ifnull(c.scheduled, 0),
  'blocked', ifnull(c.blocked, 0), 'active', ifnull(c.active, 0), 'completed', ifnull(c.completed, 0),
  'failed', ifnull(c.failed, 0), 'cancelled', ifnull(c.cancelled, 0), 'events', ifnull(c.events, 0),
  'keep_completed', iif(q.keep_completed_age_ms IS NULL, NULL,
    json_object('age_ms', q.keep_completed_age_ms, 'count', q.keep_completed_count)),
  'keep_failed', iif(q.keep_failed_age_ms IS NULL, NULL,
    json_object('age_ms', q.keep_failed_age_ms, 'count', q.keep_failed_count))) ORDER BY q.name)
FROM queues q LEFT JOIN queue_counts c ON c.queue_id = q.queue_id
WHERE c.queue_id IS NOT NULL OR q.paused = 1;

-- name: inspect_workers
-- All worker sessions; `active` is of the whole process. in: JSON array of the live processes; out: a JSON array
SELECT json_group_array(json_object(
  'process_id', s.process_id, 'name', s.name, 'language', s.language, 'host', p.host, 'pid', p.pid,
  'started_at_ms', s.started_at_ms, 'slots', s.slots, 'queues', json(s.queues),
  'active', (SELECT count(*) FROM active a WHERE a.process_id = s.process_id),
  'alive', json(iif(s.process_id IN (SELECT value FROM json_each(?1)), 'true', 'false'))) ORDER BY s.session_id)
FROM sessions s LEFT JOIN processes p ON p.process_id = s.process_id;

-- name: newest_logs
-- in: job, limit; out: at_ms, text, oldest first; index: primary key
SELECT at_ms, text FROM (SELECT line, at_ms, text FROM job_logs WHERE job = ?1 ORDER BY line DESC LIMIT ?2) ORDER BY line;

-- name: count_failed_of_name
-- in: queue_id, name; out: how many; index: finished_in_order, rowid of jobs
SELECT count(*) FROM finished f JOIN jobs j ON j.job = f.job WHERE f.queue_id = ?1 AND f.state = 6 AND j.name = ?2;
