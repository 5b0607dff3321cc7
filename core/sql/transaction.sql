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

-- name: save_point
-- Where a user's statement begins. in: none; out: none; changes: none; index: none
SAVEPOINT user_statement;

-- name: roll_back_to_save_point
-- Undoes a user's statement. in: none; out: none; changes: none; index: none
ROLLBACK TO user_statement;

-- name: release_save_point
-- Ends a user's statement. in: none; out: none; changes: none; index: none
RELEASE user_statement;

-- name: count_foreign_objects
-- Objects that are neither the user's own nor SQLite's. in: none; out: how many; index: none (the schema)
SELECT count(*) FROM sqlite_schema
WHERE name NOT LIKE 'app~_%' ESCAPE '~' AND name NOT LIKE 'sqlite~_%' ESCAPE '~';

-- name: find_object
-- Whether the file has a table or view. in: name; out: a row if it has; index: none (the schema)
SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE;
