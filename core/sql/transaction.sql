-- The brackets of every write. IMMEDIATE: the write lock is taken before anything is read, so that a transaction is
-- never upgraded from reading to writing (it could fail with SQLITE_BUSY_SNAPSHOT).

-- name: begin_immediate
-- Opens a write transaction; waits for foreign writers for the connection's busy time-out. in: none; out: none; changes: none; index: none
BEGIN IMMEDIATE;

-- name: commit
-- Commits; after an error the transaction may be open or rolled back already. in: none; out: none; changes: none; index: none
COMMIT;

-- name: roll_back
-- Undoes the open transaction. in: none; out: none; changes: none; index: none
ROLLBACK;
