-- Deduplication keys: one row for each key of a queue, which names its holder, the newest job that was added under it. The
-- row says who holds, not whether: that depends on where the holder stands (jobs/dedup.h), so ending a job writes nothing here.

-- name: find_dedup_key
-- in: queue_id, key; out: job, created_at_ms, salt, custom_id, mode, until_ms, follow_up; index: primary key
SELECT job, made_at_ms, salt, custom_id, mode, until_ms, follow_up FROM dedup_keys WHERE queue_id = ?1 AND key = ?2;

-- name: put_dedup_key
-- Makes a job the holder of a key. What it is called is written for a throttled one only, which outlives it: every key is
-- paid for by its bytes. in: queue_id, key, job, mode; changes: dedup_keys
INSERT INTO dedup_keys (queue_id, key, job, mode, made_at_ms, salt) VALUES (?1, ?2, ?3, ?4, 0, 0)
ON CONFLICT (queue_id, key) DO UPDATE SET job = ?3, mode = ?4, made_at_ms = 0, salt = 0, custom_id = NULL, until_ms = NULL,
  follow_up = NULL;

-- name: take_free_dedup_key
-- The same if nobody has it; no row changes otherwise. in: as above; changes: dedup_keys
INSERT INTO dedup_keys (queue_id, key, job, mode, made_at_ms, salt) VALUES (?1, ?2, ?3, ?4, 0, 0)
ON CONFLICT (queue_id, key) DO NOTHING;

-- name: take_free_dedup_keys
-- The same for ten jobs of consecutive numbers, as those of a batch are: a statement costs as much as the row. OR FAIL: an
-- error undoes the whole transaction, so that SQLite need not keep copies of pages to undo the statement alone.
-- in: queue_id, mode, the first job, ten keys; changes: dedup_keys
INSERT OR FAIL INTO dedup_keys (queue_id, key, job, mode, made_at_ms, salt)
VALUES (?1, ?4, ?3, ?2, 0, 0),
  (?1, ?5, ?3 + 1, ?2, 0, 0),
  (?1, ?6, ?3 + 2, ?2, 0, 0),
  (?1, ?7, ?3 + 3, ?2, 0, 0),
  (?1, ?8, ?3 + 4, ?2, 0, 0),
  (?1, ?9, ?3 + 5, ?2, 0, 0),
  (?1, ?10, ?3 + 6, ?2, 0, 0),
  (?1, ?11, ?3 + 7, ?2, 0, 0),
  (?1, ?12, ?3 + 8, ?2, 0, 0),
  (?1, ?13, ?3 + 9, ?2, 0, 0)
ON CONFLICT (queue_id, key) DO NOTHING;

-- name: put_timed_dedup_key
-- The holder of a throttled key. in: queue_id, key, job, mode, made_at_ms, salt, custom_id, until_ms; changes: dedup_keys
INSERT INTO dedup_keys (queue_id, key, job, mode, made_at_ms, salt, custom_id, until_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (queue_id, key) DO UPDATE SET job = ?3, mode = ?4, made_at_ms = ?5, salt = ?6, custom_id = ?7, until_ms = ?8,
  follow_up = NULL;

-- name: take_free_timed_dedup_key
-- The same if nobody has it; no row changes otherwise. in: as above; changes: dedup_keys
INSERT INTO dedup_keys (queue_id, key, job, mode, made_at_ms, salt, custom_id, until_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (queue_id, key) DO NOTHING;

-- name: set_follow_up
-- in: queue_id, key, the job that follows the holder; changes: dedup_keys; index: primary key
UPDATE dedup_keys SET follow_up = ?3 WHERE queue_id = ?1 AND key = ?2;

-- name: delete_dedup_key
-- in: queue_id, key; changes: dedup_keys; index: primary key
DELETE FROM dedup_keys WHERE queue_id = ?1 AND key = ?2;

-- name: forget_dedup_holder
-- The holder is removed; a key that stays for a time stays. in: queue_id, key, job; changes: dedup_keys; index: primary key
DELETE FROM dedup_keys WHERE queue_id = ?1 AND key = ?2 AND job = ?3 AND until_ms IS NULL;

-- name: sweep_dedup_keys
-- Keys of which the time has passed, oldest first. in: now_ms, limit; changes: dedup_keys; index: dedup_by_end, primary key
DELETE FROM dedup_keys WHERE (queue_id, key) IN (
  SELECT queue_id, key FROM dedup_keys WHERE until_ms <= ?1 ORDER BY until_ms LIMIT ?2);

-- name: delete_dedup_keys_of
-- Keys of a queue that is removed. in: queue_id, limit; changes: dedup_keys; index: primary key
DELETE FROM dedup_keys WHERE queue_id = ?1 AND key IN (SELECT key FROM dedup_keys WHERE queue_id = ?1 LIMIT ?2);
