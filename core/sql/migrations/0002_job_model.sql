-- The whole job model: jobs that wait for others, groups, limits, deduplication, schedules, counters, payload keys.
-- `run` of the places becomes `flags`: 1 = job_runs has a row for the job, 2 = others wait for it (dependencies.depends_on),
-- 4 = it waits or has waited for others (dependencies.job). Numbers for kinds are those of the public headers.

ALTER TABLE sequence ADD COLUMN settings_version INTEGER NOT NULL DEFAULT 0;  -- grows when limits or group settings change

-- Columns behind `options` are NULL unless options = 1, but for group_name, which is there with a group, and dedup_*, which are
-- there with a key (the rule only if it is not the plain one). data stays the last column, so that reading
-- the rest of a row never walks through a large payload.
CREATE TABLE new_jobs (
  job                   INTEGER PRIMARY KEY,
  queue_id              INTEGER NOT NULL REFERENCES queues (queue_id),
  name                  TEXT NOT NULL,
  created_at_ms         INTEGER NOT NULL,
  salt                  INTEGER NOT NULL,
  priority              INTEGER NOT NULL,
  options               INTEGER NOT NULL DEFAULT 0 CHECK (options IN (0, 1)),
  custom_id             TEXT,
  headers               TEXT,
  content_type          INTEGER CHECK (content_type BETWEEN 0 AND 255),
  lifo                  INTEGER CHECK (lifo IN (0, 1)),
  due_at_ms             INTEGER,
  expires_at_ms         INTEGER,
  max_attempts          INTEGER,
  backoff_kind          INTEGER CHECK (backoff_kind BETWEEN 0 AND 3),
  backoff_delay_ms      INTEGER,
  backoff_max_ms        INTEGER,
  backoff_jitter        REAL,
  max_crashes           INTEGER,
  time_limit_ms         INTEGER,
  soft_time_limit_ms    INTEGER,
  keep_logs             INTEGER,
  keep_completed_age_ms INTEGER,
  keep_completed_count  INTEGER,
  keep_failed_age_ms    INTEGER,
  keep_failed_count     INTEGER,
  group_name            TEXT,
  dedup_key             TEXT,
  join_kind             INTEGER CHECK (join_kind BETWEEN 0 AND 2),
  delivery              INTEGER CHECK (delivery BETWEEN 0 AND 1),
  sealing               INTEGER CHECK (sealing BETWEEN 0 AND 3),
  dedup_mode            INTEGER CHECK (dedup_mode BETWEEN 0 AND 4),
  dedup_ttl_ms          INTEGER,
  dedup_states          INTEGER,
  data                  BLOB NOT NULL
) STRICT;
INSERT INTO new_jobs SELECT job, queue_id, name, created_at_ms, salt, priority, options, custom_id, headers, content_type, lifo,
  due_at_ms, expires_at_ms, max_attempts, backoff_kind, backoff_delay_ms, backoff_max_ms, backoff_jitter, max_crashes,
  time_limit_ms, soft_time_limit_ms, keep_logs, keep_completed_age_ms, keep_completed_count, keep_failed_age_ms,
  keep_failed_count, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, data FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE TABLE new_ready (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  priority INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  flags    INTEGER NOT NULL,
  PRIMARY KEY (queue_id, priority, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO new_ready SELECT queue_id, priority, seq, run FROM ready;
DROP TABLE ready;
ALTER TABLE new_ready RENAME TO ready;

CREATE TABLE new_scheduled (
  queue_id  INTEGER NOT NULL REFERENCES queues (queue_id),
  due_at_ms INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  priority  INTEGER NOT NULL,
  flags     INTEGER NOT NULL,
  PRIMARY KEY (queue_id, due_at_ms, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO new_scheduled SELECT queue_id, due_at_ms, seq, priority, run FROM scheduled;
DROP TABLE scheduled;
ALTER TABLE new_scheduled RENAME TO scheduled;

CREATE TABLE new_active (
  job              INTEGER PRIMARY KEY REFERENCES jobs (job),
  queue_id         INTEGER NOT NULL REFERENCES queues (queue_id),
  token            INTEGER NOT NULL,
  process_id       INTEGER NOT NULL,
  priority         INTEGER NOT NULL,
  seq              INTEGER NOT NULL,
  flags            INTEGER NOT NULL,
  started_at_ms    INTEGER NOT NULL,
  deadline_ms      INTEGER,
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  cancel_reason    BLOB
) STRICT;
INSERT INTO new_active SELECT job, queue_id, token, process_id, priority, seq, run, started_at_ms, deadline_ms,
  cancel_requested, CAST(cancel_reason AS BLOB) FROM active;
DROP TABLE active;
ALTER TABLE new_active RENAME TO active;
CREATE INDEX active_by_deadline ON active (deadline_ms) WHERE deadline_ms IS NOT NULL;

CREATE TABLE new_finished (
  job            INTEGER PRIMARY KEY REFERENCES jobs (job),
  queue_id       INTEGER NOT NULL REFERENCES queues (queue_id),
  state          INTEGER NOT NULL CHECK (state BETWEEN 5 AND 7),
  finished_at_ms INTEGER NOT NULL,
  started_at_ms  INTEGER NOT NULL,
  attempts       INTEGER NOT NULL,
  process_id     INTEGER NOT NULL,
  flags          INTEGER NOT NULL,
  content_type   INTEGER NOT NULL CHECK (content_type BETWEEN 0 AND 255),
  body           BLOB NOT NULL
) STRICT;
INSERT INTO new_finished SELECT job, queue_id, state, finished_at_ms, started_at_ms, attempts, process_id, run,
  content_type, body FROM finished;
DROP TABLE finished;
ALTER TABLE new_finished RENAME TO finished;
CREATE INDEX finished_in_order ON finished (queue_id, state, finished_at_ms);

ALTER TABLE job_runs ADD COLUMN checkpoint BLOB;

-- === Flows ===

-- Waits for other jobs; pending counts those that hold it back.
CREATE TABLE blocked (
  job      INTEGER PRIMARY KEY REFERENCES jobs (job),
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  priority INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  flags    INTEGER NOT NULL,
  pending  INTEGER NOT NULL CHECK (pending > 0)
) STRICT;
CREATE INDEX blocked_in_order ON blocked (queue_id, priority, seq);

-- job waits or has waited for depends_on. done: it holds the job back no more. member: both are of one flow, so that who
-- cancels the job cancels the other too. state: how that ended (5, 6, 7), NULL before. id, content_type and body are a copy of
-- what was removed while it was needed still.
CREATE TABLE dependencies (
  job          INTEGER NOT NULL REFERENCES jobs (job),
  position     INTEGER NOT NULL,
  depends_on   INTEGER NOT NULL,
  queue_id     INTEGER NOT NULL,
  policy       INTEGER NOT NULL CHECK (policy BETWEEN 0 AND 6),
  done         INTEGER NOT NULL CHECK (done IN (0, 1)),
  member       INTEGER NOT NULL CHECK (member IN (0, 1)),
  state        INTEGER CHECK (state BETWEEN 5 AND 7),
  name         TEXT,
  id           TEXT,
  content_type INTEGER,
  body         BLOB,
  PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependents ON dependencies (depends_on, job, position);

-- === Deduplication ===

-- The newest job that was added under a key (a throttled one's made_at_ms, salt and custom_id make its id, also when it is gone;
-- of others they are 0, 0 and NULL). until_ms: when the key is free whatever the job does (NULL: it depends on the job).
-- follow_up: the job that waits for the holder's end.
CREATE TABLE dedup_keys (
  queue_id   INTEGER NOT NULL REFERENCES queues (queue_id),
  key        TEXT NOT NULL,
  job        INTEGER NOT NULL,
  mode       INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4),
  made_at_ms INTEGER NOT NULL,
  salt       INTEGER NOT NULL,
  custom_id  TEXT,
  until_ms   INTEGER,
  follow_up  INTEGER,
  PRIMARY KEY (queue_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedup_by_end ON dedup_keys (until_ms) WHERE until_ms IS NOT NULL;

-- === Groups and limits ===

-- Lanes within a queue that have jobs waiting or running, or settings; jobs name theirs (jobs.group_name). turn: its place
-- among those that take turns; 0: none, because it is paused, at a limit, or stalled; of an empty one (ready = 0) it is the
-- last that it had, and says nothing. timer_at_ms: its row in group_timers (0: none). stalled_by, stalled_turn: its row in
-- stalled (0: none). own_limit: group_limits has a row. credit: see limits/bucket.h. Each claim and each end of a job writes a
-- row: every column is paid for.
CREATE TABLE groups (
  group_id         INTEGER PRIMARY KEY,
  queue_id         INTEGER NOT NULL REFERENCES queues (queue_id),
  name             TEXT NOT NULL,
  ready            INTEGER NOT NULL DEFAULT 0 CHECK (ready >= 0),
  active           INTEGER NOT NULL DEFAULT 0 CHECK (active >= 0),
  turn             INTEGER NOT NULL DEFAULT 0,
  timer_at_ms      INTEGER NOT NULL DEFAULT 0,
  stalled_by       INTEGER NOT NULL DEFAULT 0,
  stalled_turn     INTEGER NOT NULL DEFAULT 0,
  paused           INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  own_limit        INTEGER NOT NULL DEFAULT 0 CHECK (own_limit IN (0, 1)),
  credit           INTEGER NOT NULL DEFAULT 0,
  refilled_at_ms   INTEGER NOT NULL DEFAULT 0,
  limited_until_ms INTEGER NOT NULL DEFAULT 0,
  UNIQUE (queue_id, name)
) STRICT;

-- The limits of groups that have their own.
CREATE TABLE group_limits (
  group_id       INTEGER PRIMARY KEY REFERENCES groups (group_id),
  concurrency    INTEGER NOT NULL,
  rate_count     INTEGER NOT NULL,
  rate_period_ms INTEGER NOT NULL,
  max_size       INTEGER NOT NULL
) STRICT;

-- The ready jobs of groups.
CREATE TABLE group_ready (
  group_id INTEGER NOT NULL REFERENCES groups (group_id),
  priority INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  flags    INTEGER NOT NULL,
  PRIMARY KEY (group_id, priority, seq)
) STRICT, WITHOUT ROWID;

-- The groups of a queue that may give a job, in the order of their turns (numbers of the sequence, as those of jobs).
CREATE TABLE turns (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  turn     INTEGER NOT NULL,
  group_id INTEGER NOT NULL REFERENCES groups (group_id),
  PRIMARY KEY (queue_id, turn)
) STRICT, WITHOUT ROWID;

-- Groups that wait for a time: gives = 1: then they get a turn; 0: they are empty, and kept for their rate until then.
CREATE TABLE group_timers (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  gives    INTEGER NOT NULL CHECK (gives IN (0, 1)),
  at_ms    INTEGER NOT NULL,
  group_id INTEGER NOT NULL REFERENCES groups (group_id),
  PRIMARY KEY (queue_id, gives, at_ms, group_id)
) STRICT, WITHOUT ROWID;

-- Limits of the store, of queues, of tasks, and the default of a queue's groups (millrace/limits.h). parked: rows in parked
-- and stalled. closed_until_ms: nothing starts under it before; 0: open; the largest number: until one of its jobs ends.
CREATE TABLE limits (
  limit_id         INTEGER PRIMARY KEY,
  scope            INTEGER NOT NULL CHECK (scope BETWEEN 1 AND 4),
  queue_id         INTEGER NOT NULL DEFAULT 0,
  task             TEXT NOT NULL DEFAULT '',
  concurrency      INTEGER NOT NULL,
  rate_count       INTEGER NOT NULL,
  rate_period_ms   INTEGER NOT NULL,
  max_size         INTEGER NOT NULL,
  active           INTEGER NOT NULL DEFAULT 0 CHECK (active >= 0),
  credit           INTEGER NOT NULL DEFAULT 0,
  refilled_at_ms   INTEGER NOT NULL DEFAULT 0,
  limited_until_ms INTEGER NOT NULL DEFAULT 0,
  parked           INTEGER NOT NULL DEFAULT 0 CHECK (parked >= 0),
  closed_until_ms  INTEGER NOT NULL DEFAULT 0,
  UNIQUE (scope, queue_id, task)
) STRICT;
CREATE INDEX limits_with_parked ON limits (closed_until_ms) WHERE parked > 0;

-- Ready jobs without a group, of a task that is at its limit: out of the claims' way.
CREATE TABLE parked (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  limit_id INTEGER NOT NULL REFERENCES limits (limit_id),
  priority INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  flags    INTEGER NOT NULL,
  PRIMARY KEY (queue_id, limit_id, priority, seq)
) STRICT, WITHOUT ROWID;

-- Groups of which the first job is of a task that is at its limit, with the turns that they come back to.
CREATE TABLE stalled (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  limit_id INTEGER NOT NULL REFERENCES limits (limit_id),
  turn     INTEGER NOT NULL,
  group_id INTEGER NOT NULL REFERENCES groups (group_id),
  PRIMARY KEY (queue_id, limit_id, turn)
) STRICT, WITHOUT ROWID;

-- === Schedules ===

-- next_at_ms: the slot that comes next, NULL when it is paused or has ended. last_job: the newest job that it made, by number and
-- id; queued_job: the newest that was made to wait for the one before.
CREATE TABLE schedules (
  schedule     INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  cron         TEXT NOT NULL,
  time_zone    TEXT NOT NULL,
  every_ms     INTEGER NOT NULL,
  offset_ms    INTEGER NOT NULL,
  solar        TEXT NOT NULL,
  latitude     REAL NOT NULL,
  longitude    REAL NOT NULL,
  start_at_ms  INTEGER NOT NULL,
  end_at_ms    INTEGER NOT NULL,
  max_jobs     INTEGER NOT NULL,
  jitter_ms    INTEGER NOT NULL,
  overlap      INTEGER NOT NULL CHECK (overlap BETWEEN 0 AND 2),
  catch_up     INTEGER NOT NULL CHECK (catch_up BETWEEN 0 AND 2),
  catch_up_max INTEGER NOT NULL,
  paused       INTEGER NOT NULL CHECK (paused IN (0, 1)),
  next_at_ms   INTEGER,
  last_at_ms   INTEGER NOT NULL DEFAULT 0,
  fired        INTEGER NOT NULL DEFAULT 0,
  skipped      INTEGER NOT NULL DEFAULT 0,
  last_job     INTEGER NOT NULL DEFAULT 0,
  queued_job   INTEGER NOT NULL DEFAULT 0,
  last_job_id  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX schedules_by_next ON schedules (next_at_ms) WHERE next_at_ms IS NOT NULL;

-- The job of each slot, packed (core/src/schedule/job_template.h): apart, so that firing does not rewrite a large payload.
CREATE TABLE schedule_jobs (
  schedule INTEGER PRIMARY KEY REFERENCES schedules (schedule),
  job      BLOB NOT NULL
) STRICT;

-- === Counters ===

CREATE TABLE task_counters (
  queue_id  INTEGER NOT NULL REFERENCES queues (queue_id),
  task      TEXT NOT NULL,
  enqueued  INTEGER NOT NULL DEFAULT 0,
  started   INTEGER NOT NULL DEFAULT 0,
  completed INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  retried   INTEGER NOT NULL DEFAULT 0,
  crashed   INTEGER NOT NULL DEFAULT 0,
  wait_ms   BLOB NOT NULL DEFAULT x'',
  run_ms    BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (queue_id, task)
) STRICT, WITHOUT ROWID;

-- Jobs that ended in a minute (of the wall clock, since the epoch); of the newest two weeks.
CREATE TABLE minute_counts (
  queue_id  INTEGER NOT NULL REFERENCES queues (queue_id),
  minute    INTEGER NOT NULL,
  completed INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (queue_id, minute)
) STRICT, WITHOUT ROWID;

-- What the store knows about itself, such as the check values of payload keys.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
