-- What sealing needs to know of the store (jobs/payloads.h).

-- name: select_setting
-- in: name; out: value; index: primary key
SELECT value FROM settings WHERE name = ?1;

-- name: insert_setting
-- Keeps the value that is there. in: name, value; changes: settings
INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING;

-- name: select_sealing
-- How a job's payloads are sealed, by what it asked for and by the head of its data. in: job; out: queue's name, task's name,
-- sealing or NULL, head of data; index: rowid
SELECT q.name, j.name, j.sealing, substr(j.data, 1, 400) FROM jobs j JOIN queues q ON q.queue_id = j.queue_id
WHERE j.job = ?1;

-- name: count_keys
-- How many keys the store knows. in: none; out: count; index: primary key
SELECT count(*) FROM settings WHERE name >= 'seal_key/' AND name < 'seal_key0';

-- name: select_sealed_heads
-- The beginnings of the payloads of some jobs, in order. in: job to begin after, limit; out: job, head of data, head of the
-- result or error or NULL; index: rowid
SELECT j.job, substr(j.data, 1, 64), substr(f.body, 1, 64)
FROM jobs j LEFT JOIN finished f ON f.job = j.job
WHERE j.job > ?1 ORDER BY j.job LIMIT ?2;
