-- Jobs that wait for others.

-- name: insert_blocked
-- in: job, queue_id, priority, seq, flags, pending; changes: blocked
INSERT INTO blocked (job, queue_id, priority, seq, flags, pending) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: delete_blocked
-- in: job; changes: blocked; index: rowid
DELETE FROM blocked WHERE job = ?1;

-- name: select_blocked
-- A blocked job with what moving it on needs. in: job; out: queue_id, priority, seq, flags, pending, created_at_ms, salt,
-- custom_id, due_at_ms, join_kind, own rules, group_name; index: rowids
SELECT b.queue_id, b.priority, b.seq, b.flags, b.pending, j.created_at_ms, j.salt, j.custom_id, j.due_at_ms, j.join_kind,
  j.keep_completed_age_ms, j.keep_completed_count, j.keep_failed_age_ms, j.keep_failed_count, j.group_name
FROM blocked b JOIN jobs j ON j.job = b.job WHERE b.job = ?1;

-- name: count_down
-- Some of what holds a job back does so no more; no row changes if nothing would be left. in: job, how many; changes: blocked;
-- index: rowid
UPDATE blocked SET pending = pending - ?2 WHERE job = ?1 AND pending > ?2;

-- name: count_up
-- One thing more to wait for. in: job, flags to add; changes: blocked; index: rowid
UPDATE blocked SET pending = pending + 1, flags = flags | ?2 WHERE job = ?1;

-- name: insert_dependency
-- in: job, position, depends_on, queue_id, policy, done, member, state or NULL, name or NULL; changes: dependencies
INSERT INTO dependencies (job, position, depends_on, queue_id, policy, done, member, state, name)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- name: next_position
-- Where a job's next dependency goes. in: job; out: position; index: primary key
SELECT ifnull(max(position) + 1, 0) FROM dependencies WHERE job = ?1;

-- name: waits_already
-- Whether a job that another waits for is among its dependencies before a position. in: job, depends_on, position; out: 1 or 0;
-- index: dependents
SELECT EXISTS (SELECT 1 FROM dependencies WHERE depends_on = ?2 AND job = ?1 AND position < ?3);

-- name: select_dependents
-- Who waits or has waited for a job. in: depends_on; out: job, position, policy, done; index: dependents, primary key
SELECT job, position, policy, done FROM dependencies WHERE depends_on = ?1 ORDER BY job, position;

-- name: select_standing
-- in: job; out: its state if it is blocked (3) or active (4), else 0; index: rowids
SELECT CASE WHEN EXISTS (SELECT 1 FROM blocked WHERE job = ?1) THEN 3
  WHEN EXISTS (SELECT 1 FROM active WHERE job = ?1) THEN 4 ELSE 0 END;

-- name: select_undone
-- What a blocked job waits for although it has ended. in: job; out: position, policy, state, depends_on; index: primary key
SELECT position, policy, state, depends_on FROM dependencies WHERE job = ?1 AND done = 0 AND state IS NOT NULL
ORDER BY position;

-- name: select_unfinished
-- What a job that has not ended waits for that has not either. in: job; out: depends_on; index: primary key, rowid
SELECT depends_on FROM dependencies WHERE job = ?1 AND done = 0 AND state IS NULL
  AND NOT EXISTS (SELECT 1 FROM finished WHERE job = ?1);

-- name: end_dependency
-- in: job, position, state or NULL, done; changes: dependencies; index: primary key
UPDATE dependencies SET state = ?3, done = ?4 WHERE job = ?1 AND position = ?2;

-- name: end_neighbours
-- The same of several at once, that ended alike and hold the job back no more. in: job, first and last position, state;
-- changes: dependencies; index: primary key
UPDATE dependencies SET state = ?4, done = 1 WHERE job = ?1 AND position BETWEEN ?2 AND ?3;

-- name: lose_dependency
-- The same when the other job was removed: how it had ended before is kept. in: job, position, state if it had not, done;
-- changes: dependencies; index: primary key
UPDATE dependencies SET state = ifnull(state, ?3), done = ?4 WHERE job = ?1 AND position = ?2;

-- name: forget_dependency
-- in: job, position; changes: dependencies; index: primary key
DELETE FROM dependencies WHERE job = ?1 AND position = ?2;

-- name: detach
-- A job no longer waits for another; what is done stays. in: job, depends_on; changes: dependencies; index: dependents
DELETE FROM dependencies WHERE depends_on = ?2 AND job = ?1 AND done = 0;

-- name: select_held_after
-- What still holds a job back. in: job, position before the first, limit; out: position, depends_on; index: primary key
SELECT position, depends_on FROM dependencies WHERE job = ?1 AND position > ?2 AND done = 0 ORDER BY position LIMIT ?3;

-- name: list_dependents
-- Who waits or has waited for a job, in the order in which they were added. in: depends_on, limit, offset; out: job,
-- created_at_ms, salt, custom_id, queue; index: dependents, rowids
SELECT d.job, j.created_at_ms, j.salt, j.custom_id, q.name
FROM (SELECT DISTINCT job FROM dependencies WHERE depends_on = ?1) d
JOIN jobs j ON j.job = d.job JOIN queues q ON q.queue_id = j.queue_id ORDER BY d.job LIMIT ?2 OFFSET ?3;

-- name: first_dependent
-- The first that waits or has waited for a job. in: depends_on; out: policy, job, created_at_ms, salt, custom_id, queue;
-- index: dependents, rowids
SELECT d.policy, d.job, j.created_at_ms, j.salt, j.custom_id, q.name
FROM dependencies d JOIN jobs j ON j.job = d.job JOIN queues q ON q.queue_id = j.queue_id
WHERE d.depends_on = ?1 ORDER BY d.job LIMIT 1;

-- name: delete_dependencies
-- in: job; changes: dependencies; index: primary key
DELETE FROM dependencies WHERE job = ?1;

-- name: reopen_dependents
-- A job is to run again: those that wait for it still wait for how that ends. in: depends_on; changes: dependencies;
-- index: dependents
UPDATE dependencies SET state = NULL WHERE depends_on = ?1 AND done = 0;

-- name: keep_ending
-- A job is about to be removed: its id stays with all that have waited for it, its ending with those that have not ended
-- themselves. in: depends_on, id; changes: dependencies; index: dependents, rowids
UPDATE dependencies SET id = ?2, state = ifnull(state, (SELECT f.state FROM finished f WHERE f.job = ?1)),
  content_type = iif(EXISTS (SELECT 1 FROM finished w WHERE w.job = dependencies.job), NULL,
    (SELECT f.content_type FROM finished f WHERE f.job = ?1)),
  body = iif(EXISTS (SELECT 1 FROM finished w WHERE w.job = dependencies.job), NULL,
    (SELECT f.body FROM finished f WHERE f.job = ?1))
WHERE depends_on = ?1;

-- name: select_held
-- in: job; out: how many dependencies are not done, its join_kind; index: primary key, rowid
SELECT (SELECT count(*) FROM dependencies WHERE job = ?1 AND done = 0), (SELECT join_kind FROM jobs WHERE job = ?1);

-- name: count_unmet
-- How many dependencies hold a job that has run back from running again: none if one that lets it run at once (policy 4) has
-- failed. in: job; out: how many; index: primary key
SELECT iif(EXISTS (SELECT 1 FROM dependencies WHERE job = ?1 AND policy = 4 AND state IN (6, 7)), 0,
  (SELECT count(*) FROM dependencies WHERE job = ?1 AND done = 0));

-- name: count_dependencies
-- in: job; out: how many, how many of these are not done; index: primary key
SELECT count(*), count(*) FILTER (WHERE done = 0) FROM dependencies WHERE job = ?1;

-- name: select_dependencies
-- What a job waits or has waited for, with how that has ended so far. in: job, limit, offset; out: depends_on, name, queue,
-- policy, done, id (removed ones), created_at_ms, salt, custom_id, state or NULL, content_type, body, task; index: primary key,
-- rowids
SELECT d.depends_on, d.name, q.name, d.policy, d.done, d.id, j.created_at_ms, j.salt, j.custom_id,
  iif(j.job IS NULL, d.state, f.state), iif(f.job IS NULL, d.content_type, f.content_type),
  iif(f.job IS NULL, d.body, f.body), j.name
FROM dependencies d LEFT JOIN queues q ON q.queue_id = d.queue_id LEFT JOIN jobs j ON j.job = d.depends_on
LEFT JOIN finished f ON f.job = d.depends_on
WHERE d.job = ?1 ORDER BY d.position LIMIT ?2 OFFSET ?3;

-- name: select_results
-- The same for a join: only what it makes its result of. in: job, limit; out: state, content_type, body, queue_id;
-- index: primary key, rowid
SELECT ifnull(f.state, d.state), iif(f.job IS NULL, d.content_type, f.content_type), iif(f.job IS NULL, d.body, f.body),
  d.queue_id
FROM dependencies d LEFT JOIN finished f ON f.job = d.depends_on WHERE d.job = ?1 ORDER BY d.position LIMIT ?2;

-- name: select_cause
-- Why a job that others wait for has ended. in: job; out: created_at_ms, salt, custom_id, name, state, content_type, body,
-- queue_id; index: rowids
SELECT j.created_at_ms, j.salt, j.custom_id, j.name, f.state, f.content_type, f.body, j.queue_id
FROM jobs j LEFT JOIN finished f ON f.job = j.job WHERE j.job = ?1;

-- name: select_kept_cause
-- The same of a removed job, from a job that has waited for it. in: depends_on; out: state, body, queue_id;
-- index: dependents, primary key
SELECT state, body, queue_id FROM dependencies WHERE depends_on = ?1 ORDER BY body IS NULL LIMIT 1;

-- name: error_parts
-- in: an error's JSON text; out: type, message, stack (NULL: it has none); index: none needed
SELECT e ->> '$.type', e ->> '$.message', e ->> '$.stack' FROM (SELECT iif(json_valid(?1), ?1, 'null') AS e);

-- name: select_task
-- in: job; out: name, queue; index: rowids
SELECT j.name, q.name FROM jobs j JOIN queues q ON q.queue_id = j.queue_id WHERE j.job = ?1;

-- name: select_members
-- Jobs of the same flow that a job waits for and that have not ended. in: job; out: depends_on; index: primary key, rowid
SELECT d.depends_on FROM dependencies d
WHERE d.job = ?1 AND d.member = 1 AND d.policy <> 6 AND d.state IS NULL
  AND NOT EXISTS (SELECT 1 FROM finished f WHERE f.job = d.depends_on)
ORDER BY d.position;

-- name: count_waiting
-- How many unfinished jobs wait for one to succeed. in: depends_on; out: how many; index: dependents, primary key, rowid
SELECT count(*) FROM dependencies d
WHERE d.depends_on = ?1 AND d.policy <> 6 AND NOT EXISTS (SELECT 1 FROM finished f WHERE f.job = d.job);

-- name: set_join
-- A job becomes one that no worker runs; a body without options gets their defaults. in: job, join_kind; changes: jobs;
-- index: rowid
UPDATE jobs SET options = 1, join_kind = ?2, content_type = ifnull(content_type, 0), lifo = ifnull(lifo, 0),
  due_at_ms = ifnull(due_at_ms, 0), expires_at_ms = ifnull(expires_at_ms, 0), max_attempts = ifnull(max_attempts, 1),
  backoff_kind = ifnull(backoff_kind, 0), backoff_delay_ms = ifnull(backoff_delay_ms, 0),
  backoff_max_ms = ifnull(backoff_max_ms, 0), backoff_jitter = ifnull(backoff_jitter, 0),
  max_crashes = ifnull(max_crashes, 3), time_limit_ms = ifnull(time_limit_ms, 0),
  soft_time_limit_ms = ifnull(soft_time_limit_ms, 0), keep_logs = ifnull(keep_logs, -1), delivery = ifnull(delivery, 0),
  sealing = ifnull(sealing, 0)
WHERE job = ?1;
