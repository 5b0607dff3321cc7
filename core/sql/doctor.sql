-- What `doctor` looks at. Long checks go in slices by job number, each a statement of its own.

-- name: file_marks
-- in: none; out: application_id, user_version, journal_mode, SQLite's version
SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
  (SELECT journal_mode FROM pragma_journal_mode), sqlite_version();

-- name: list_tables
-- in: none; out: name
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name;

-- name: check_table
-- Structure, indexes and constraints of one table. in: name, limit; out: what is wrong, 'ok' if nothing
SELECT integrity_check FROM pragma_integrity_check(?1) LIMIT ?2;

-- name: check_references
-- Rows of one table that refer to nothing. in: name, limit; out: rowid (NULL without one), the table that they refer to
SELECT "rowid", parent FROM pragma_foreign_key_check(?1) LIMIT ?2;

-- name: slice_end
-- in: job, how many; out: the last of the jobs that follow, NULL if none does; index: rowid
SELECT max(job) FROM (SELECT job FROM jobs WHERE job > ?1 ORDER BY job LIMIT ?2);

-- name: misplaced_jobs
-- Jobs of a slice that do not stand in exactly one place. in: first job (exclusive), last job, limit; out: job, places;
-- index: rowids, primary keys
SELECT job, places FROM (
  SELECT j.job,
    (SELECT count(*) FROM ready p WHERE p.queue_id = j.queue_id AND p.priority = j.priority
      AND p.seq = iif(j.lifo, -j.job, j.job))
    + (SELECT count(*) FROM group_ready p WHERE p.group_id = (
        SELECT group_id FROM groups g WHERE g.queue_id = j.queue_id AND g.name = j.group_name)
      AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job))
    + (SELECT count(*) FROM parked p WHERE p.queue_id = j.queue_id AND p.limit_id = (
        SELECT limit_id FROM limits WHERE scope = 3 AND queue_id = 0 AND task = j.name)
      AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job))
    + (SELECT count(*) FROM scheduled p WHERE p.queue_id = j.queue_id AND p.due_at_ms IN (j.due_at_ms, r.due_at_ms)
      AND p.seq = iif(j.lifo, -j.job, j.job))
    + (SELECT count(*) FROM blocked p WHERE p.job = j.job)
    + (SELECT count(*) FROM active p WHERE p.job = j.job)
    + (SELECT count(*) FROM finished p WHERE p.job = j.job) AS places
  FROM jobs j LEFT JOIN job_runs r ON r.job = j.job WHERE j.job > ?1 AND j.job <= ?2)
WHERE places <> 1 LIMIT ?3;

-- name: unmarked_runs
-- Jobs of a slice that have gathered something of which their place does not know: it would be left behind.
-- in: first job (exclusive), last job, limit; out: job; index: rowids, primary keys
SELECT r.job FROM job_runs r JOIN jobs j ON j.job = r.job
WHERE r.job > ?1 AND r.job <= ?2 AND coalesce(
  (SELECT flags FROM active p WHERE p.job = r.job), (SELECT flags FROM finished p WHERE p.job = r.job),
  (SELECT flags FROM blocked p WHERE p.job = r.job),
  (SELECT flags FROM ready p WHERE p.queue_id = j.queue_id AND p.priority = j.priority
    AND p.seq = iif(j.lifo, -j.job, j.job)),
  (SELECT flags FROM group_ready p WHERE p.group_id = (
      SELECT group_id FROM groups g WHERE g.queue_id = j.queue_id AND g.name = j.group_name)
    AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job)),
  (SELECT flags FROM parked p WHERE p.queue_id = j.queue_id AND p.limit_id = (
      SELECT limit_id FROM limits WHERE scope = 3 AND queue_id = 0 AND task = j.name)
    AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job)),
  (SELECT flags FROM scheduled p WHERE p.queue_id = j.queue_id AND p.due_at_ms IN (j.due_at_ms, r.due_at_ms)
    AND p.seq = iif(j.lifo, -j.job, j.job))) & 1 = 0
LIMIT ?3;

-- name: wrong_pending
-- Blocked jobs of a slice that do not wait for as much as their dependencies say.
-- in: first job (exclusive), last job, limit; out: job; index: rowid, primary key
SELECT b.job FROM blocked b
WHERE b.job > ?1 AND b.job <= ?2
  AND b.pending <> (SELECT count(*) FROM dependencies d WHERE d.job = b.job AND d.done = 0)
LIMIT ?3;

-- name: forgotten_dependencies
-- Blocked jobs of a slice that wait for something that will not come: a job that is not there, or one whose end was not
-- noticed. in: first job (exclusive), last job, limit; out: job; index: rowid, primary key
SELECT DISTINCT b.job FROM blocked b JOIN dependencies d ON d.job = b.job
WHERE b.job > ?1 AND b.job <= ?2 AND d.done = 0
  AND (NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = d.depends_on)
    OR EXISTS (SELECT 1 FROM finished f WHERE f.job = d.depends_on
      AND (d.state IS NULL OR iif(f.state = 5, d.policy <> 6, d.policy IN (2, 3, 4, 6)))))
LIMIT ?3;

-- name: blocked_edges
-- What blocked jobs wait for that is blocked itself, at one moment. in: none; out: job, depends_on; index: rowids, primary key
SELECT d.job, d.depends_on FROM blocked b JOIN dependencies d ON d.job = b.job
WHERE d.done = 0 AND EXISTS (SELECT 1 FROM blocked o WHERE o.job = d.depends_on);

-- name: unmarked_dependencies
-- Jobs of a slice whose place does not know that they wait for others, or that others wait for them.
-- in: first job (exclusive), last job, limit; out: job; index: rowids, primary keys, dependents
SELECT k.job FROM (
  SELECT j.job, coalesce(
    (SELECT flags FROM active p WHERE p.job = j.job), (SELECT flags FROM finished p WHERE p.job = j.job),
    (SELECT flags FROM blocked p WHERE p.job = j.job),
    (SELECT flags FROM ready p WHERE p.queue_id = j.queue_id AND p.priority = j.priority
      AND p.seq = iif(j.lifo, -j.job, j.job)),
    (SELECT flags FROM group_ready p WHERE p.group_id = (
        SELECT group_id FROM groups g WHERE g.queue_id = j.queue_id AND g.name = j.group_name)
      AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job)),
    (SELECT flags FROM parked p WHERE p.queue_id = j.queue_id AND p.limit_id = (
        SELECT limit_id FROM limits WHERE scope = 3 AND queue_id = 0 AND task = j.name)
      AND p.priority = j.priority AND p.seq = iif(j.lifo, -j.job, j.job)),
    (SELECT flags FROM scheduled p WHERE p.queue_id = j.queue_id AND p.due_at_ms IN (j.due_at_ms, r.due_at_ms)
      AND p.seq = iif(j.lifo, -j.job, j.job))) AS flags
  FROM jobs j LEFT JOIN job_runs r ON r.job = j.job WHERE j.job > ?1 AND j.job <= ?2) k
WHERE (k.flags & 2 = 0 AND EXISTS (SELECT 1 FROM dependencies d WHERE d.depends_on = k.job))
  OR (k.flags & 4 = 0 AND EXISTS (SELECT 1 FROM dependencies d WHERE d.job = k.job))
LIMIT ?3;

-- name: orphan_dependencies
-- Dependencies of jobs that are not there, at one moment. in: limit; out: which job; index: primary keys
SELECT DISTINCT 'job number ' || d.job FROM dependencies d WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = d.job) LIMIT ?1;

-- name: wrong_keys
-- Jobs of a slice with an id of their own under which they are not found.
-- in: first job (exclusive), last job, limit; out: job; index: rowid, primary key
SELECT j.job FROM jobs j
WHERE j.job > ?1 AND j.job <= ?2 AND j.custom_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM job_keys k WHERE k.custom_id = j.custom_id AND k.queue_id = j.queue_id AND k.job = j.job)
LIMIT ?3;

-- name: totals
-- At one moment. in: none; out: jobs, places of jobs, jobs with an id of their own, ids
SELECT (SELECT count(*) FROM jobs),
  (SELECT count(*) FROM ready) + (SELECT count(*) FROM group_ready) + (SELECT count(*) FROM parked)
    + (SELECT count(*) FROM scheduled) + (SELECT count(*) FROM blocked) + (SELECT count(*) FROM active)
    + (SELECT count(*) FROM finished),
  (SELECT count(custom_id) FROM jobs), (SELECT count(*) FROM job_keys);

-- name: wrong_counts
-- Counts that do not agree with the tables, at one moment. in: limit; out: queue, what, stored, counted, queue_id
WITH counted (queue_id, what, n) AS (
  SELECT queue_id, 'ready', count(*) FROM ready GROUP BY queue_id
  UNION ALL SELECT queue_id, 'prioritized', count(*) FROM ready WHERE priority <> 0 GROUP BY queue_id
  UNION ALL SELECT queue_id, 'ready', count(*) FROM parked GROUP BY queue_id
  UNION ALL SELECT queue_id, 'prioritized', count(*) FROM parked WHERE priority <> 0 GROUP BY queue_id
  UNION ALL SELECT g.queue_id, 'ready', count(*) FROM group_ready r JOIN groups g ON g.group_id = r.group_id
    GROUP BY g.queue_id
  UNION ALL SELECT g.queue_id, 'prioritized', count(*) FROM group_ready r JOIN groups g ON g.group_id = r.group_id
    WHERE r.priority <> 0 GROUP BY g.queue_id
  UNION ALL SELECT queue_id, 'scheduled', count(*) FROM scheduled GROUP BY queue_id
  UNION ALL SELECT queue_id, 'blocked', count(*) FROM blocked GROUP BY queue_id
  UNION ALL SELECT queue_id, 'active', count(*) FROM active GROUP BY queue_id
  UNION ALL SELECT queue_id, CASE state WHEN 5 THEN 'completed' WHEN 6 THEN 'failed' ELSE 'cancelled' END, count(*)
    FROM finished GROUP BY queue_id, state
  UNION ALL SELECT queue_id, 'events', sum(n) FROM events GROUP BY queue_id),
stored (queue_id, what, n) AS (
  SELECT queue_id, 'ready', ready FROM queue_counts
  UNION ALL SELECT queue_id, 'prioritized', prioritized FROM queue_counts
  UNION ALL SELECT queue_id, 'scheduled', scheduled FROM queue_counts
  UNION ALL SELECT queue_id, 'blocked', blocked FROM queue_counts
  UNION ALL SELECT queue_id, 'active', active FROM queue_counts
  UNION ALL SELECT queue_id, 'completed', completed FROM queue_counts
  UNION ALL SELECT queue_id, 'failed', failed FROM queue_counts
  UNION ALL SELECT queue_id, 'cancelled', cancelled FROM queue_counts
  UNION ALL SELECT queue_id, 'events', events FROM queue_counts)
SELECT ifnull((SELECT name FROM queues q WHERE q.queue_id = both.queue_id), 'number ' || queue_id), what, sum(s), sum(c),
  queue_id
FROM (SELECT queue_id, what, n AS s, 0 AS c FROM stored UNION ALL SELECT queue_id, what, 0, n FROM counted) AS both
GROUP BY queue_id, what HAVING sum(s) <> sum(c) LIMIT ?1;

-- name: wrong_limits
-- Limits of which the counts do not agree with the tables, at one moment. in: limit; out: limit_id, what, stored, counted
SELECT limit_id, what, stored, counted FROM (
  SELECT l.limit_id, 'running' AS what, l.active AS stored, (SELECT count(*) FROM active a
    WHERE (l.queue_id = 0 OR a.queue_id = l.queue_id)
      AND (l.task = '' OR (SELECT name FROM jobs j WHERE j.job = a.job) = l.task)) AS counted
  FROM limits l WHERE l.scope <> 4
  UNION ALL
  SELECT l.limit_id, 'held back', l.parked, (SELECT count(*) FROM parked p WHERE p.limit_id = l.limit_id)
    + (SELECT count(*) FROM stalled s WHERE s.limit_id = l.limit_id)
  FROM limits l)
WHERE stored <> counted LIMIT ?1;

-- name: wrong_groups
-- Groups that do not agree with the tables, at one moment: their counts, their place in the line, what they wait for.
-- in: limit; out: group, what, stored, counted
WITH in_group (group_id, n) AS (SELECT group_id, count(*) FROM group_ready GROUP BY group_id),
running (queue_id, name, n) AS (
  SELECT a.queue_id, j.group_name, count(*) FROM active a JOIN jobs j ON j.job = a.job
  WHERE j.group_name IS NOT NULL GROUP BY a.queue_id, j.group_name),
compared (name, what, stored, counted) AS (
  SELECT g.name, 'waiting', g.ready, ifnull(r.n, 0) FROM groups g LEFT JOIN in_group r ON r.group_id = g.group_id
  UNION ALL
  SELECT g.name, 'running', g.active, ifnull(r.n, 0)
  FROM groups g LEFT JOIN running r ON r.queue_id = g.queue_id AND r.name = g.name
  UNION ALL
  SELECT r.name, 'running', 0, r.n FROM running r
  WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.queue_id = r.queue_id AND g.name = r.name)
  UNION ALL
  SELECT g.name, 'turn', g.turn, ifnull(
    (SELECT t.turn FROM turns t WHERE t.queue_id = g.queue_id AND t.turn = g.turn AND t.group_id = g.group_id), 0)
  FROM groups g WHERE g.ready > 0
  UNION ALL
  SELECT g.name, 'timer', g.timer_at_ms, ifnull((SELECT g.timer_at_ms FROM group_timers t WHERE t.queue_id = g.queue_id
    AND t.gives = (g.timer_at_ms > 0) AND t.at_ms = abs(g.timer_at_ms) AND t.group_id = g.group_id), 0)
  FROM groups g
  UNION ALL
  SELECT g.name, 'stalled by', g.stalled_by, ifnull((SELECT s.limit_id FROM stalled s WHERE s.queue_id = g.queue_id
    AND s.limit_id = g.stalled_by AND s.turn = g.stalled_turn AND s.group_id = g.group_id), 0)
  FROM groups g
  UNION ALL
  SELECT 'all groups', 'turns', (SELECT count(*) FROM groups WHERE ready > 0 AND turn <> 0), (SELECT count(*) FROM turns)
  UNION ALL
  SELECT 'all groups', 'timers', (SELECT count(*) FROM groups WHERE timer_at_ms <> 0), (SELECT count(*) FROM group_timers)
  UNION ALL
  SELECT 'all groups', 'stalled', (SELECT count(*) FROM groups WHERE stalled_by <> 0), (SELECT count(*) FROM stalled))
SELECT name, what, stored, counted FROM compared WHERE stored <> counted LIMIT ?1;

-- name: wrong_dedup_keys
-- Deduplication keys of which the holder is gone or has another key, unless they are held for a time. in: limit; out: key
SELECT key FROM dedup_keys k WHERE k.until_ms IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = k.job
  AND j.queue_id = k.queue_id AND j.dedup_key = k.key) LIMIT ?1;

-- name: wrong_counters
-- Counters below 0. in: limit; out: task
SELECT task FROM task_counters WHERE min(enqueued, started, completed, failed, cancelled, retried, crashed) < 0 LIMIT ?1;

-- name: holders
-- Who holds leases, and the slot of each (NULL: not registered). in: none; out: process_id, slot, leases
SELECT a.process_id, p.slot, count(*) FROM active a LEFT JOIN processes p ON p.process_id = a.process_id
GROUP BY a.process_id;

-- name: sequence_state
-- in: none; out: the next number, the largest that is in use; index: rowids
SELECT ifnull((SELECT next FROM sequence WHERE id = 1), 0),
  max(ifnull((SELECT max(job) FROM jobs), 0), ifnull((SELECT max(token) FROM active), 0),
    ifnull((SELECT max(process_id) FROM processes), 0), ifnull((SELECT max(session_id) FROM sessions), 0),
    ifnull((SELECT max(group_id) FROM groups), 0), ifnull((SELECT max(max(turn, stalled_turn)) FROM groups), 0),
    ifnull((SELECT max(schedule) FROM schedules), 0),
    ifnull((SELECT max(newest) FROM (SELECT (SELECT max(seq) FROM events e WHERE e.queue_id = q.queue_id) AS newest
      FROM queues q)), 0));

-- name: quarantined
-- in: none; out: how many, the newest's job and what it is
SELECT (SELECT count(*) FROM quarantine), job, what FROM quarantine ORDER BY id DESC LIMIT 1;

-- name: list_queues
-- in: none; out: queue_id, name
SELECT queue_id, name FROM queues ORDER BY queue_id;
