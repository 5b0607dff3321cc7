-- The first schema. A job's body is one immutable row in jobs; where the job stands is a row in a small table of its
-- own (ready, scheduled, active, finished). Exactly one of these four holds it; tests and `doctor` check that.
-- Times are integer milliseconds UTC. Numbers for states, events and content types are those of millrace/types.h.

-- One counter for everything that must be unique and grow: row numbers of jobs, fencing tokens, processes, event positions.
CREATE TABLE sequence (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  next INTEGER NOT NULL CHECK (next > 0)
) STRICT;
INSERT INTO sequence (id, next) VALUES (1, 1);

-- A queue keeps its row for ever, so that its number may be cached; queue_counts says whether it is in use.
CREATE TABLE queues (
  queue_id              INTEGER PRIMARY KEY,
  name                  TEXT NOT NULL UNIQUE,
  paused                INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  keep_completed_age_ms INTEGER,
  keep_completed_count  INTEGER,
  keep_failed_age_ms    INTEGER,
  keep_failed_count     INTEGER
) STRICT;

-- Jobs per state, kept by the transactions that move them: counting is reading one row. events: rows' sum in events.
CREATE TABLE queue_counts (
  queue_id    INTEGER PRIMARY KEY REFERENCES queues (queue_id),
  ready       INTEGER NOT NULL DEFAULT 0,
  prioritized INTEGER NOT NULL DEFAULT 0,
  scheduled   INTEGER NOT NULL DEFAULT 0,
  blocked     INTEGER NOT NULL DEFAULT 0,
  active      INTEGER NOT NULL DEFAULT 0,
  completed   INTEGER NOT NULL DEFAULT 0,
  failed      INTEGER NOT NULL DEFAULT 0,
  cancelled   INTEGER NOT NULL DEFAULT 0,
  events      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The body; data last, so that reading the rest of a row never walks through a large payload. A generated id is made of created_at_ms, job and salt (base/id.h), so it needs no index of its own. Columns
-- behind `options` are NULL unless options = 1.
CREATE TABLE jobs (
  job                   INTEGER PRIMARY KEY,
  queue_id              INTEGER NOT NULL REFERENCES queues (queue_id),
  name                  TEXT NOT NULL,
  created_at_ms         INTEGER NOT NULL,
  salt                  INTEGER NOT NULL,
  priority              INTEGER NOT NULL,
  options               INTEGER NOT NULL DEFAULT 0 CHECK (options IN (0, 1)),
  custom_id             TEXT,
  headers               TEXT,
  content_type          INTEGER CHECK (content_type BETWEEN 0 AND 2),
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
  data                  BLOB NOT NULL
) STRICT;

-- Ids that users gave; unique within a queue.
CREATE TABLE job_keys (
  custom_id TEXT NOT NULL,
  queue_id  INTEGER NOT NULL REFERENCES queues (queue_id),
  job       INTEGER NOT NULL REFERENCES jobs (job),
  PRIMARY KEY (custom_id, queue_id)
) STRICT, WITHOUT ROWID;

-- May be claimed now, in the order of the key. seq is the job's number, negative for LIFO: a job that comes back
-- (delay over, retry, released, rescued) takes its old place. run = 1: job_runs has a row for it.
CREATE TABLE ready (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  priority INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  run      INTEGER NOT NULL CHECK (run IN (0, 1)),
  PRIMARY KEY (queue_id, priority, seq)
) STRICT, WITHOUT ROWID;

-- Due later. A claim moves what is due into ready, so an empty claim reads one key.
CREATE TABLE scheduled (
  queue_id  INTEGER NOT NULL REFERENCES queues (queue_id),
  due_at_ms INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  priority  INTEGER NOT NULL,
  run       INTEGER NOT NULL CHECK (run IN (0, 1)),
  PRIMARY KEY (queue_id, due_at_ms, seq)
) STRICT, WITHOUT ROWID;

-- Leased. token is the fencing token; deadline_ms is of the machine's monotonic clock (only with a time limit).
CREATE TABLE active (
  job              INTEGER PRIMARY KEY REFERENCES jobs (job),
  queue_id         INTEGER NOT NULL REFERENCES queues (queue_id),
  token            INTEGER NOT NULL,
  process_id       INTEGER NOT NULL,
  priority         INTEGER NOT NULL,
  seq              INTEGER NOT NULL,
  run              INTEGER NOT NULL CHECK (run IN (0, 1)),
  started_at_ms    INTEGER NOT NULL,
  deadline_ms      INTEGER,
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  cancel_reason    TEXT
) STRICT;
CREATE INDEX active_by_deadline ON active (deadline_ms) WHERE deadline_ms IS NOT NULL;

-- Ended: 5 completed (body is the result), 6 failed, 7 cancelled (body is the error).
CREATE TABLE finished (
  job            INTEGER PRIMARY KEY REFERENCES jobs (job),
  queue_id       INTEGER NOT NULL REFERENCES queues (queue_id),
  state          INTEGER NOT NULL CHECK (state IN (5, 6, 7)),
  finished_at_ms INTEGER NOT NULL,
  started_at_ms  INTEGER NOT NULL,
  attempts       INTEGER NOT NULL,
  process_id     INTEGER NOT NULL,
  run            INTEGER NOT NULL CHECK (run IN (0, 1)),
  content_type   INTEGER NOT NULL CHECK (content_type BETWEEN 0 AND 2),
  body           BLOB NOT NULL
) STRICT;
CREATE INDEX finished_in_order ON finished (queue_id, state, finished_at_ms);

-- What a job gathers only when it does not simply run once: earlier attempts, progress, a new due time, logs.
CREATE TABLE job_runs (
  job              INTEGER PRIMARY KEY REFERENCES jobs (job),
  attempts_started INTEGER NOT NULL DEFAULT 0,
  attempts_made    INTEGER NOT NULL DEFAULT 0,
  crashes          INTEGER NOT NULL DEFAULT 0,
  due_at_ms        INTEGER,
  started_at_ms    INTEGER NOT NULL DEFAULT 0,
  process_id       INTEGER NOT NULL DEFAULT 0,
  progress         BLOB,
  log_lines        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Errors of attempts, oldest first; the newest ten of a job are kept.
CREATE TABLE attempt_errors (
  job   INTEGER NOT NULL REFERENCES jobs (job),
  token INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  error BLOB NOT NULL,
  PRIMARY KEY (job, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_logs (
  job   INTEGER NOT NULL REFERENCES jobs (job),
  line  INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  text  BLOB NOT NULL,
  PRIMARY KEY (job, line)
) STRICT, WITHOUT ROWID;

-- The event log: one row for all the events of one queue in one commit, packed (jobs/event_log.h).
CREATE TABLE events (
  queue_id INTEGER NOT NULL REFERENCES queues (queue_id),
  seq      INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL,
  n        INTEGER NOT NULL CHECK (n > 0),
  body     BLOB NOT NULL,
  PRIMARY KEY (queue_id, seq)
) STRICT, WITHOUT ROWID;

-- Processes that wait or work; alive as long as their slot's kernel lock is held (wake/liveness.h).
CREATE TABLE processes (
  process_id    INTEGER PRIMARY KEY,
  slot          INTEGER NOT NULL,
  pid           INTEGER NOT NULL,
  host          TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
  session_id    INTEGER PRIMARY KEY,
  process_id    INTEGER NOT NULL REFERENCES processes (process_id),
  name          TEXT NOT NULL,
  language      TEXT NOT NULL,
  queues        TEXT NOT NULL,
  slots         INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL
) STRICT;

-- Damaged records that were taken out of the way, for `doctor`.
CREATE TABLE quarantine (
  id          INTEGER PRIMARY KEY,
  found_at_ms INTEGER NOT NULL,
  queue_id    INTEGER NOT NULL,
  job         INTEGER NOT NULL,
  what        TEXT NOT NULL
) STRICT;
