-- Schedules: rows that say when to enqueue which job.

-- name: select
-- One schedule. in: id; out: the columns of a schedule; index: unique id
SELECT schedule, id, cron, time_zone, every_ms, offset_ms, solar, latitude, longitude, start_at_ms, end_at_ms, max_jobs,
  jitter_ms, overlap, catch_up, catch_up_max, paused, next_at_ms, last_at_ms, fired, skipped, last_job, queued_job,
  last_job_id
FROM schedules WHERE id = ?1;

-- name: select_page
-- Schedules by id. in: id (exclusive), limit; out: the columns of a schedule; index: unique id
SELECT schedule, id, cron, time_zone, every_ms, offset_ms, solar, latitude, longitude, start_at_ms, end_at_ms, max_jobs,
  jitter_ms, overlap, catch_up, catch_up_max, paused, next_at_ms, last_at_ms, fired, skipped, last_job, queued_job,
  last_job_id
FROM schedules WHERE id > ?1 ORDER BY id LIMIT ?2;

-- name: select_due
-- Schedules whose slot has come, the oldest slot first. in: now_ms, limit; out: the columns of a schedule; index: schedules_by_next
SELECT schedule, id, cron, time_zone, every_ms, offset_ms, solar, latitude, longitude, start_at_ms, end_at_ms, max_jobs,
  jitter_ms, overlap, catch_up, catch_up_max, paused, next_at_ms, last_at_ms, fired, skipped, last_job, queued_job,
  last_job_id
FROM schedules WHERE next_at_ms <= ?1 ORDER BY next_at_ms LIMIT ?2;

-- name: earliest
-- The slot that comes next of all. in: none; out: next_at_ms, or no row; index: schedules_by_next
SELECT next_at_ms FROM schedules WHERE next_at_ms IS NOT NULL ORDER BY next_at_ms LIMIT 1;

-- name: write
-- Creates a schedule or replaces it by its number. in: the columns up to skipped; changes: schedules; index: rowid
INSERT INTO schedules (schedule, id, cron, time_zone, every_ms, offset_ms, solar, latitude, longitude, start_at_ms, end_at_ms,
  max_jobs, jitter_ms, overlap, catch_up, catch_up_max, paused, next_at_ms, last_at_ms, fired, skipped)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
ON CONFLICT (schedule) DO UPDATE SET cron = ?3, time_zone = ?4, every_ms = ?5, offset_ms = ?6, solar = ?7, latitude = ?8,
  longitude = ?9, start_at_ms = ?10, end_at_ms = ?11, max_jobs = ?12, jitter_ms = ?13, overlap = ?14, catch_up = ?15,
  catch_up_max = ?16, paused = ?17, next_at_ms = ?18, last_at_ms = ?19, fired = ?20, skipped = ?21;

-- name: write_progress
-- What firing changes. in: schedule, next_at_ms, last_at_ms, fired, skipped, last_job, queued_job, last_job_id;
-- changes: schedules; index: rowid
UPDATE schedules SET next_at_ms = ?2, last_at_ms = ?3, fired = ?4, skipped = ?5, last_job = ?6, queued_job = ?7,
  last_job_id = ?8
WHERE schedule = ?1;

-- name: write_paused
-- in: schedule, paused, next_at_ms; changes: schedules; index: rowid
UPDATE schedules SET paused = ?2, next_at_ms = ?3 WHERE schedule = ?1;

-- name: write_job
-- in: schedule, job; changes: schedule_jobs; index: rowid
INSERT INTO schedule_jobs (schedule, job) VALUES (?1, ?2) ON CONFLICT (schedule) DO UPDATE SET job = ?2;

-- name: select_job
-- in: schedule; out: job; index: rowid
SELECT job FROM schedule_jobs WHERE schedule = ?1;

-- name: select_jobs
-- The jobs of schedules by number. in: schedule (exclusive), limit; out: schedule, job; index: rowid
SELECT schedule, job FROM schedule_jobs WHERE schedule > ?1 ORDER BY schedule LIMIT ?2;

-- name: delete
-- in: schedule; changes: schedules; index: rowid
DELETE FROM schedules WHERE schedule = ?1;

-- name: delete_job
-- in: schedule; changes: schedule_jobs; index: rowid
DELETE FROM schedule_jobs WHERE schedule = ?1;

-- name: orphan_jobs
-- Job templates without their schedule. in: limit; out: schedule; index: rowids
SELECT j.schedule FROM schedule_jobs j
WHERE NOT EXISTS (SELECT 1 FROM schedules s WHERE s.schedule = j.schedule) LIMIT ?1;
