-- Limits on how many jobs run and start, and groups: lanes within a queue that take turns.

-- name: load_limits
-- What limits there are, without their state. in: none; out: limit_id, scope, queue_id, task, concurrency, rate_count,
-- rate_period_ms, max_size
SELECT limit_id, scope, queue_id, task, concurrency, rate_count, rate_period_ms, max_size FROM limits;

-- name: uses_groups
-- Whether a job was ever added to a group. in: none; out: a row if so; index: primary key of settings
SELECT 1 FROM settings WHERE name = 'groups';

-- name: note_groups
-- in: none; changes: settings
INSERT INTO settings (name, value) VALUES ('groups', x'01') ON CONFLICT DO NOTHING;

-- name: read_state
-- in: limit_id; out: active, credit, refilled_at_ms, limited_until_ms, parked, closed_until_ms; index: rowid
SELECT active, credit, refilled_at_ms, limited_until_ms, parked, closed_until_ms FROM limits WHERE limit_id = ?1;

-- name: write_state
-- in: limit_id, active, credit, refilled_at_ms, limited_until_ms, parked, closed_until_ms; changes: limits; index: rowid
UPDATE limits SET active = ?2, credit = ?3, refilled_at_ms = ?4, limited_until_ms = ?5, parked = ?6, closed_until_ms = ?7
WHERE limit_id = ?1;

-- name: insert_limit
-- in: scope, queue_id, task; changes: limits
INSERT INTO limits (scope, queue_id, task, concurrency, rate_count, rate_period_ms, max_size)
VALUES (?1, ?2, ?3, 0, 0, 0, 0);

-- name: write_limit
-- in: limit_id, concurrency, rate_count, rate_period_ms, max_size, active, credit, refilled_at_ms; changes: limits; index: rowid
UPDATE limits SET concurrency = ?2, rate_count = ?3, rate_period_ms = ?4, max_size = ?5, active = ?6, credit = ?7,
  refilled_at_ms = ?8
WHERE limit_id = ?1;

-- name: delete_limit
-- in: limit_id; changes: limits; index: rowid
DELETE FROM limits WHERE limit_id = ?1;

-- name: count_active
-- Jobs that run under a limit; scans the leases, which are as few as there are slots. in: queue_id or 0, task or '';
-- out: how many
SELECT count(*) FROM active a
WHERE (?1 = 0 OR a.queue_id = ?1) AND (?2 = '' OR (SELECT name FROM jobs WHERE jobs.job = a.job) = ?2);

-- name: open_limits
-- Limits that hold back jobs of a queue and would let some start again. in: queue_id, now_ms; out: limit_id;
-- index: limits_with_parked, primary keys
SELECT limit_id FROM limits l
WHERE parked > 0 AND closed_until_ms <= ?2 AND (
  EXISTS (SELECT 1 FROM parked p WHERE p.queue_id = ?1 AND p.limit_id = l.limit_id)
  OR EXISTS (SELECT 1 FROM stalled s WHERE s.queue_id = ?1 AND s.limit_id = l.limit_id))
LIMIT 1000;

-- name: insert_parked
-- in: queue_id, limit_id, priority, seq, flags; changes: parked
INSERT INTO parked (queue_id, limit_id, priority, seq, flags) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: delete_parked
-- in: queue_id, limit_id, priority, seq; changes: parked; index: primary key
DELETE FROM parked WHERE queue_id = ?1 AND limit_id = ?2 AND priority = ?3 AND seq = ?4;

-- name: select_parked
-- The first jobs of a queue that a limit holds back. in: queue_id, limit_id, limit; out: priority, seq, flags; index: primary key
SELECT priority, seq, flags FROM parked WHERE queue_id = ?1 AND limit_id = ?2 ORDER BY priority, seq LIMIT ?3;

-- name: next_parked_queue
-- The queues of which limits hold back jobs, one by one. in: queue_id (exclusive); out: queue_id or NULL; index: primary keys
SELECT min(queue_id) FROM (
  SELECT min(queue_id) AS queue_id FROM parked WHERE queue_id > ?1
  UNION ALL SELECT min(queue_id) FROM stalled WHERE queue_id > ?1);

-- name: queues_with_ready
-- Whom to tell that the store's limit is open again. in: limit; out: queue_id, how many are ready; index: rowids
SELECT c.queue_id, c.ready FROM queue_counts c JOIN queues q ON q.queue_id = c.queue_id
WHERE (c.ready > 0 OR c.scheduled > 0) AND q.paused = 0 LIMIT ?1;

-- name: find_parked
-- Where a job without a group stands if a limit holds it back. in: queue_id, job, priority, seq; out: limit_id, flags;
-- index: unique(scope, queue_id, task), primary key
SELECT p.limit_id, p.flags FROM parked p
WHERE p.queue_id = ?1 AND p.priority = ?3 AND p.seq = ?4 AND p.limit_id = (
  SELECT limit_id FROM limits WHERE scope = 3 AND queue_id = 0 AND task = (SELECT name FROM jobs WHERE job = ?2));

-- name: mark_parked
-- in: queue_id, limit_id, priority, seq, flags; changes: parked; index: primary key
UPDATE parked SET flags = flags | ?5 WHERE queue_id = ?1 AND limit_id = ?2 AND priority = ?3 AND seq = ?4;

-- name: find_group
-- in: queue_id, name; out: columns of groups; index: unique(queue_id, name)
SELECT group_id, queue_id, name, ready, active, turn, timer_at_ms, stalled_by, stalled_turn, paused, own_limit, credit,
  refilled_at_ms, limited_until_ms
FROM groups WHERE queue_id = ?1 AND name = ?2;

-- name: read_group
-- in: group_id; out: as find_group; index: rowid
SELECT group_id, queue_id, name, ready, active, turn, timer_at_ms, stalled_by, stalled_turn, paused, own_limit, credit,
  refilled_at_ms, limited_until_ms
FROM groups WHERE group_id = ?1;

-- name: read_group_limit
-- in: group_id; out: concurrency, rate_count, rate_period_ms, max_size; index: rowid
SELECT concurrency, rate_count, rate_period_ms, max_size FROM group_limits WHERE group_id = ?1;

-- name: insert_group
-- in: group_id, queue_id, name; changes: groups
INSERT INTO groups (group_id, queue_id, name) VALUES (?1, ?2, ?3);

-- name: write_group
-- in: group_id, ready, active, turn, timer_at_ms, stalled_by, stalled_turn, credit, refilled_at_ms, limited_until_ms;
-- changes: groups; index: rowid
UPDATE groups SET ready = ?2, active = ?3, turn = ?4, timer_at_ms = ?5, stalled_by = ?6, stalled_turn = ?7, credit = ?8,
  refilled_at_ms = ?9, limited_until_ms = ?10
WHERE group_id = ?1;

-- name: write_group_counts
-- The same where nothing else has changed. in: group_id, ready, active, turn; changes: groups; index: rowid
UPDATE groups SET ready = ?2, active = ?3, turn = ?4 WHERE group_id = ?1;

-- name: write_group_end
-- The same of a group that is empty: what its turn was stays, so that the row is as long as before. in: group_id, active;
-- changes: groups; index: rowid
UPDATE groups SET ready = 0, active = ?2 WHERE group_id = ?1;

-- name: write_group_settings
-- in: group_id, paused, own_limit; changes: groups; index: rowid
UPDATE groups SET paused = ?2, own_limit = ?3 WHERE group_id = ?1;

-- name: write_group_limit
-- in: group_id, concurrency, rate_count, rate_period_ms, max_size; changes: group_limits
INSERT INTO group_limits (group_id, concurrency, rate_count, rate_period_ms, max_size) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (group_id) DO UPDATE SET concurrency = ?2, rate_count = ?3, rate_period_ms = ?4, max_size = ?5;

-- name: delete_group_limit
-- in: group_id; changes: group_limits; index: rowid
DELETE FROM group_limits WHERE group_id = ?1;

-- name: delete_group
-- in: group_id; changes: groups; index: rowid
DELETE FROM groups WHERE group_id = ?1;

-- name: note_regroup
-- The default of a queue's groups has changed: claims look at them again, from the first name on. in: queue_id;
-- changes: settings
INSERT INTO settings (name, value) VALUES ('regroup:' || ?1, x'') ON CONFLICT (name) DO UPDATE SET value = x'';

-- name: list_regroups
-- Queues of which the groups are to be looked at again. in: none; out: queue_id; index: primary key of settings
SELECT CAST(substr(name, 9) AS INTEGER) FROM settings WHERE name > 'regroup:' AND name < 'regroup;';

-- name: read_regroup
-- How far that has come. in: queue_id; out: the last group's name; index: primary key of settings
SELECT value FROM settings WHERE name = 'regroup:' || ?1;

-- name: write_regroup
-- in: queue_id, the last group's name; changes: settings; index: primary key
UPDATE settings SET value = ?2 WHERE name = 'regroup:' || ?1;

-- name: end_regroup
-- in: queue_id; changes: settings; index: primary key
DELETE FROM settings WHERE name = 'regroup:' || ?1;

-- name: forget_group
-- The last job of a group has ended, and nothing is left to keep. in: group_id, now_ms; changes: groups; index: rowid
DELETE FROM groups WHERE group_id = ?1 AND ready = 0 AND active = 1 AND paused = 0 AND own_limit = 0 AND timer_at_ms = 0
  AND stalled_by = 0 AND limited_until_ms <= ?2;

-- name: next_groups
-- Groups of a queue by name. in: queue_id, name (exclusive), limit; out: group_id, name, 1 if it has jobs and no turn under
-- the default; index: unique(queue_id, name)
SELECT group_id, name, ready > 0 AND turn = 0 AND own_limit = 0 FROM groups
WHERE queue_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3;

-- name: insert_group_ready
-- in: group_id, priority, seq, flags; changes: group_ready
INSERT INTO group_ready (group_id, priority, seq, flags) VALUES (?1, ?2, ?3, ?4);

-- name: delete_group_ready
-- in: group_id, priority, seq; changes: group_ready; index: primary key
DELETE FROM group_ready WHERE group_id = ?1 AND priority = ?2 AND seq = ?3;

-- name: any_before
-- Whether a job of a group comes before a place in its order. in: group_id, priority, seq; out: a row if so; index: primary key
SELECT 1 FROM group_ready WHERE group_id = ?1 AND (priority, seq) < (?2, ?3) LIMIT 1;

-- name: find_group_ready
-- Whether a job is ready in its group. in: queue_id, group, priority, seq; out: flags; index: unique(queue_id, name), primary key
SELECT flags FROM group_ready
WHERE group_id = (SELECT group_id FROM groups WHERE queue_id = ?1 AND name = ?2) AND priority = ?3 AND seq = ?4;

-- name: mark_group_ready
-- in: queue_id, group, priority, seq, flags; changes: group_ready; index: unique(queue_id, name), primary key
UPDATE group_ready SET flags = flags | ?5
WHERE group_id = (SELECT group_id FROM groups WHERE queue_id = ?1 AND name = ?2) AND priority = ?3 AND seq = ?4;

-- name: select_group_head
-- The next job of a group with its body. in: group_id; out: as select_claim; index: primary key, rowid of jobs
SELECT r.priority, r.seq, r.flags, j.job, j.queue_id, j.name, j.created_at_ms, j.salt, j.priority, j.data, j.options,
  j.custom_id, j.headers, j.content_type, j.lifo, j.due_at_ms, j.expires_at_ms, j.max_attempts, j.backoff_kind,
  j.backoff_delay_ms, j.backoff_max_ms, j.backoff_jitter, j.max_crashes, j.time_limit_ms, j.soft_time_limit_ms,
  j.keep_logs, j.keep_completed_age_ms, j.keep_completed_count, j.keep_failed_age_ms, j.keep_failed_count,
  j.group_name, j.dedup_key, j.join_kind, j.delivery, j.sealing, j.dedup_mode, j.dedup_ttl_ms, j.dedup_states
FROM group_ready r LEFT JOIN jobs j ON j.job = abs(r.seq)
WHERE r.group_id = ?1 ORDER BY r.priority, r.seq LIMIT 1;

-- name: select_turns
-- The next groups in a queue's line. in: queue_id, turn (exclusive), limit; out: as find_group (NULL: there is no such group), then
-- the turn; index: primary key, rowid of groups
SELECT g.group_id, g.queue_id, g.name, g.ready, g.active, g.turn, g.timer_at_ms, g.stalled_by, g.stalled_turn, g.paused,
  g.own_limit, g.credit, g.refilled_at_ms, g.limited_until_ms, t.turn
FROM turns t LEFT JOIN groups g ON g.group_id = t.group_id
WHERE t.queue_id = ?1 AND t.turn > ?2 ORDER BY t.turn LIMIT ?3;

-- name: insert_turn
-- in: queue_id, turn, group_id; changes: turns
INSERT INTO turns (queue_id, turn, group_id) VALUES (?1, ?2, ?3);

-- name: delete_turn
-- in: queue_id, turn; changes: turns; index: primary key
DELETE FROM turns WHERE queue_id = ?1 AND turn = ?2;

-- name: delete_turns_up_to
-- The groups that a claim has come by. in: queue_id, turn; changes: turns; index: primary key
DELETE FROM turns WHERE queue_id = ?1 AND turn <= ?2;

-- name: insert_timer
-- in: queue_id, gives, at_ms, group_id; changes: group_timers
INSERT INTO group_timers (queue_id, gives, at_ms, group_id) VALUES (?1, ?2, ?3, ?4);

-- name: delete_timer
-- in: queue_id, gives, at_ms, group_id; changes: group_timers; index: primary key
DELETE FROM group_timers WHERE queue_id = ?1 AND gives = ?2 AND at_ms = ?3 AND group_id = ?4;

-- name: due_timers
-- in: queue_id, gives, now_ms, limit; out: at_ms, group_id; index: primary key
SELECT at_ms, group_id FROM group_timers WHERE queue_id = ?1 AND gives = ?2 AND at_ms <= ?3 ORDER BY at_ms, group_id LIMIT ?4;

-- name: insert_stalled
-- in: queue_id, limit_id, turn, group_id; changes: stalled
INSERT INTO stalled (queue_id, limit_id, turn, group_id) VALUES (?1, ?2, ?3, ?4);

-- name: delete_stalled
-- in: queue_id, limit_id, turn; changes: stalled; index: primary key
DELETE FROM stalled WHERE queue_id = ?1 AND limit_id = ?2 AND turn = ?3;

-- name: select_stalled
-- The first groups of a queue that a limit holds back. in: queue_id, limit_id, limit; out: group_id; index: primary key
SELECT group_id FROM stalled WHERE queue_id = ?1 AND limit_id = ?2 ORDER BY turn LIMIT ?3;

-- name: list_limits
-- All limits, groups' own ones last. in: none; out: scope, queue or '', task, group, concurrency, rate_count, rate_period_ms,
-- max_size, active, credit, refilled_at_ms, limited_until_ms; index: rowids
SELECT l.scope, ifnull(q.name, ''), l.task, '', l.concurrency, l.rate_count, l.rate_period_ms, l.max_size,
  iif(l.scope = 4, (SELECT ifnull(sum(g.active), 0) FROM groups g WHERE g.queue_id = l.queue_id AND g.own_limit = 0), l.active),
  l.credit, l.refilled_at_ms, l.limited_until_ms
FROM limits l LEFT JOIN queues q ON q.queue_id = l.queue_id
UNION ALL
SELECT 4, q.name, '', g.name, o.concurrency, o.rate_count, o.rate_period_ms, o.max_size, g.active, g.credit,
  g.refilled_at_ms, g.limited_until_ms
FROM group_limits o CROSS JOIN groups g ON g.group_id = o.group_id JOIN queues q ON q.queue_id = g.queue_id
ORDER BY 1, 2, 3, 4;

-- name: list_groups
-- in: queue_id, name (exclusive), limit; out: name, paused, ready, active, limited_until_ms, own_limit, rate_count,
-- rate_period_ms (both NULL without a limit of its own), credit, refilled_at_ms; index: unique(queue_id, name), rowid
SELECT g.name, g.paused, g.ready, g.active, g.limited_until_ms, g.own_limit, o.rate_count, o.rate_period_ms, g.credit,
  g.refilled_at_ms
FROM groups g LEFT JOIN group_limits o ON o.group_id = g.group_id
WHERE g.queue_id = ?1 AND g.name > ?2 AND (g.ready > 0 OR g.active > 0 OR g.paused = 1) ORDER BY g.name LIMIT ?3;

-- name: group_default
-- The default of a queue's groups. in: queue_id; out: rate_count, rate_period_ms, limited_until_ms;
-- index: unique(scope, queue_id, task)
SELECT rate_count, rate_period_ms, limited_until_ms FROM limits WHERE scope = 4 AND queue_id = ?1 AND task = '';

-- name: reset_queue_limits
-- The limits of a queue that is as if it had never been. in: queue_id; changes: limits; index: unique(scope, queue_id, task)
DELETE FROM limits WHERE scope IN (2, 4) AND queue_id = ?1;

-- name: reset_queue_group_limits
-- The same with those of its groups. in: queue_id; changes: group_limits; index: unique(queue_id, name), rowid
DELETE FROM group_limits WHERE group_id IN (SELECT group_id FROM groups WHERE queue_id = ?1);

-- name: reset_queue_groups
-- The same with its groups. in: queue_id; changes: groups; index: unique(queue_id, name)
DELETE FROM groups WHERE queue_id = ?1;

-- name: reset_queue_timers
-- And what they wait for. in: queue_id; changes: group_timers; index: primary key
DELETE FROM group_timers WHERE queue_id = ?1;
