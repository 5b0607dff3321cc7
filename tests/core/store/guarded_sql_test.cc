// What a user's statement may do on our connection, and what it may not.
#include "store/guarded_sql.h"

#include <limits>

#include "store/store_test_util.h"

namespace millrace::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A store with its writer lock held and a transaction open.
class OpenTransaction {
 public:
  OpenTransaction() : store_(OpenStore(directory_.File("jobs.db"))) {
    RequireOk(store_->LockWriter());
    RequireOk(store_->writer().Exec("BEGIN IMMEDIATE"));
    Must("CREATE TABLE app_users (id INTEGER PRIMARY KEY, email TEXT UNIQUE, age INTEGER)");
  }
  ~OpenTransaction() {
    if (store_->writer().in_transaction()) RequireOk(store_->writer().Exec("COMMIT"));
    store_->UnlockWriter();
  }

  Result<SqlResult> Run(const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    return store_->writer().guard().Run(store_->writer(), sql, parameters,
                                        {.deadline = steady_clock::now() + milliseconds(wait_ms)});
  }
  SqlResult Must(const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    return RequireOk(Run(sql, parameters));
  }
  int64_t Count(const std::string& table) {
    return std::get<int64_t>(Must("SELECT count(*) FROM " + table).rows.at(0).at(0));
  }
  Connection& connection() { return store_->writer(); }

  int64_t wait_ms = 60'000;

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

// Statements, and what of them is none of the user's.
const std::vector<std::pair<std::string, std::string>> kRefused = {
    {"SELECT * FROM jobs", "the table jobs"},
    {"SELECT count(*) FROM ready", "the table ready"},
    {"SELECT 1 FROM queues", "the table queues"},
    {"SELECT rowid FROM main.jobs", "the table jobs"},
    {"SELECT 1 IN jobs", "the table jobs"},
    {"SELECT EXISTS (SELECT 1 FROM active)", "the table active"},
    {"WITH x AS (SELECT * FROM jobs) SELECT * FROM x", "the table jobs"},
    {"SELECT * FROM app_users JOIN sequence", "the table sequence"},
    {"SELECT * FROM app_users WHERE id = (SELECT max(job) FROM jobs)", "the table jobs"},
    {"EXPLAIN SELECT * FROM jobs", "the table jobs"},
    {"EXPLAIN QUERY PLAN SELECT * FROM jobs", "the table jobs"},
    {"INSERT INTO ready VALUES (1, 2, 3, 4)", "the table ready"},
    {"INSERT INTO app_users (email) SELECT name FROM jobs", "the table jobs"},
    {"INSERT INTO \"jobs\" DEFAULT VALUES", "the table jobs"},
    {"REPLACE INTO sequence VALUES (1, 2)", "the table sequence"},
    {"INSERT INTO app_users (id) VALUES (1) RETURNING (SELECT max(job) FROM jobs)",
     "the table jobs"},
    {"INSERT INTO app_users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET "
     "age = (SELECT max(job) FROM jobs)",
     "the table jobs"},
    {"UPDATE jobs SET name = 'x'", "the table jobs"},
    {"UPDATE app_users SET age = 1 FROM jobs", "the table jobs"},
    {"DELETE FROM jobs", "the table jobs"},
    {"DELETE FROM app_users WHERE id IN (SELECT job FROM jobs)", "the table jobs"},
    {"CREATE TABLE mine (x)", "the table mine"},
    {"CREATE TABLE appx (x)", "the table appx"},
    {"CREATE TABLE app_x AS SELECT * FROM jobs", "the table jobs"},
    {"CREATE TABLE temp.app_x (x)", "the temporary database"},
    {"CREATE TEMP TABLE app_x (x)", "the temporary database"},
    {"CREATE TEMP VIEW app_x AS SELECT 1", "the temporary database"},
    {"CREATE TEMP TRIGGER app_x AFTER INSERT ON app_users BEGIN SELECT 1; END",
     "the temporary database"},
    {"CREATE VIRTUAL TABLE app_x USING fts5(x)", "the virtual table app_x"},
    {"CREATE VIEW mine AS SELECT 1", "the view mine"},
    {"CREATE INDEX mine ON app_users (age)", "the index mine"},
    {"CREATE INDEX app_x ON jobs (name)", "the table jobs"},
    {"CREATE TRIGGER app_x AFTER INSERT ON jobs BEGIN SELECT 1; END", "the table jobs"},
    {"CREATE TRIGGER mine AFTER INSERT ON app_users BEGIN SELECT 1; END", "the trigger mine"},
    {"DROP TABLE jobs", "the table jobs"},
    {"DROP INDEX finished_in_order", "the index finished_in_order"},
    {"ALTER TABLE jobs ADD COLUMN x", "the table jobs"},
    {"ALTER TABLE jobs RENAME TO app_jobs", "the table jobs"},
    {"ALTER TABLE jobs DROP COLUMN headers", "the table jobs"},
    {"ALTER TABLE app_users RENAME TO mine", "a name that does not begin with app_"},
    {"SELECT * FROM sqlite_schema", "the catalog sqlite_schema"},
    {"SELECT * FROM sqlite_master", "the catalog sqlite_schema"},
    {"UPDATE sqlite_schema SET sql = ''", "the catalog sqlite_schema"},
    {"DELETE FROM sqlite_master", "the catalog sqlite_schema"},
    {"SELECT * FROM sqlite_temp_schema", "the temporary database"},
    {"SELECT * FROM pragma_table_list", "the table pragma_table_list"},
    {"SELECT * FROM pragma_quick_check", "the table pragma_quick_check"},
    {"PRAGMA user_version = 7", "PRAGMA user_version"},
    {"PRAGMA writable_schema = ON", "PRAGMA writable_schema"},
    {"PRAGMA foreign_keys = ON", "PRAGMA foreign_keys"},
    {"PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint"},
    {"ATTACH ':memory:' AS other", "ATTACH"},
    {"DETACH main", "DETACH"},
    {"BEGIN", "BEGIN"},
    {"COMMIT", "COMMIT"},
    {"END", "COMMIT"},
    {"ROLLBACK", "ROLLBACK"},
    {"SAVEPOINT mine", "SAVEPOINT"},
    {"RELEASE user_statement", "SAVEPOINT"},
    {"ROLLBACK TO user_statement", "SAVEPOINT"},
    {"VACUUM", "VACUUM"},
    {"/* x */ vacuum INTO 'copy.db'", "VACUUM"},
    {"ANALYZE", "ANALYZE"},
    {"ANALYZE app_users", "ANALYZE"},
    {"REINDEX", "the index"},
    {"SELECT load_extension('x')", "the function load_extension"},
};

std::string SchemaOf(Connection& connection) {
  return RequireOk(connection.QueryText(
      "SELECT group_concat(type || name || coalesce(sql, '')) FROM sqlite_schema"));
}

}  // namespace

TEST_CASE("values of each type go in and come back", "[store][guarded_sql]") {
  OpenTransaction open;
  open.Must("CREATE TABLE app_values (n, r, t, b, z)");
  const std::string text("h\0llo \xc3\xa9", 8);
  const std::string bytes("\0\xff", 2);
  open.Must("INSERT INTO app_values VALUES (?, ?, ?, ?, ?)",
            {std::numeric_limits<int64_t>::min(), 0.5, text, SqlBlob{bytes}, std::monostate()});
  open.Must("INSERT INTO app_values VALUES (?, ?, ?, ?, ?)",
            {int64_t{0}, -1e300, std::string(), SqlBlob{}, std::monostate()});
  const SqlResult result = open.Must("SELECT n, r, t, b AS bytes, z FROM app_values");
  CHECK(result.columns == std::vector<std::string>{"n", "r", "t", "bytes", "z"});
  REQUIRE(result.rows.size() == 2);
  CHECK(std::get<int64_t>(result.rows[0][0]) == std::numeric_limits<int64_t>::min());
  CHECK(std::get<double>(result.rows[0][1]) == 0.5);
  CHECK(std::get<std::string>(result.rows[0][2]) == text);
  CHECK(std::get<SqlBlob>(result.rows[0][3]).bytes == bytes);
  CHECK(std::holds_alternative<std::monostate>(result.rows[0][4]));
  CHECK(std::get<std::string>(result.rows[1][2]).empty());
  CHECK(std::get<SqlBlob>(result.rows[1][3]).bytes.empty());
}

TEST_CASE("a result tells what the statement changed", "[store][guarded_sql]") {
  OpenTransaction open;
  const SqlResult inserted =
      open.Must("INSERT INTO app_users (id, email) VALUES (?, ?), (?, ?)",
                {int64_t{7}, std::string("a"), int64_t{9}, std::string("b")});
  CHECK(inserted.changes == 2);
  CHECK(inserted.last_insert_rowid == 9);
  CHECK(open.Must("UPDATE app_users SET age = 1 WHERE id = 7").changes == 1);
  CHECK(open.Must("UPDATE app_users SET age = 1 WHERE id = 8").changes == 0);
  const SqlResult selected = open.Must("SELECT id FROM app_users");
  CHECK(selected.changes == 0);
  CHECK(selected.last_insert_rowid == 0);
  CHECK(open.Must("CREATE TABLE app_more (x)").changes == 0);
  const SqlResult returned =
      open.Must("INSERT INTO app_users (email) VALUES ('c') RETURNING id, email");
  CHECK(returned.rows.size() == 1);
  CHECK(returned.changes == 1);
  CHECK(open.Must("DELETE FROM app_users").changes == 3);
}

TEST_CASE("what a user's own tables need is allowed", "[store][guarded_sql]") {
  OpenTransaction open;
  const std::vector<std::string> allowed = {
      "CREATE TABLE IF NOT EXISTS app_users (x)",
      "CREATE TABLE App_Mixed (x)",
      "CREATE TABLE app_counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT UNIQUE)",
      "INSERT INTO app_counted (x) VALUES ('a')",
      "CREATE TABLE app_strict (id INTEGER PRIMARY KEY, g INTEGER AS (id + 1)) STRICT",
      "CREATE TABLE app_child (id INTEGER REFERENCES app_users (id), CHECK (id > 0))",
      "CREATE INDEX app_users_by_age ON app_users (age) WHERE age IS NOT NULL",
      "REINDEX app_users_by_age",
      "CREATE VIEW app_adults AS SELECT * FROM app_users WHERE age > 17",
      "SELECT count(*) FROM app_adults",
      "CREATE TABLE app_log (what TEXT)",
      "CREATE TRIGGER app_noted AFTER INSERT ON app_users BEGIN "
      "INSERT INTO app_log VALUES (new.email); END",
      "INSERT INTO app_users (email, age) VALUES ('a', 20) "
      "ON CONFLICT (email) DO UPDATE SET age = excluded.age RETURNING id",
      "INSERT OR IGNORE INTO app_users (email) VALUES ('a')",
      "REPLACE INTO app_users (email) VALUES ('b')",
      "WITH jobs (x) AS (SELECT 1) SELECT x FROM jobs",
      "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100) "
      "SELECT sum(x) FROM n",
      "SELECT value FROM json_each('[1,2]')",
      "VALUES (1), (2)",
      "EXPLAIN SELECT * FROM app_users",
      "UPDATE app_users SET age = age + 1 FROM app_log WHERE app_log.what = app_users.email",
      "ALTER TABLE app_users ADD COLUMN name TEXT NOT NULL DEFAULT '' CHECK (length(name) < 9)",
      "ALTER TABLE app_users RENAME COLUMN name TO nick",
      "ALTER TABLE app_users DROP COLUMN nick",
      "ALTER TABLE app_log RENAME TO app_logged",
      "CREATE TABLE app_copy AS SELECT * FROM app_users",
      "DROP TRIGGER app_noted",
      "DROP VIEW app_adults",
      "DROP INDEX app_users_by_age",
      "DROP TABLE app_counted",
      "DROP TABLE IF EXISTS app_counted",
      "  -- a comment\n/* and another */ SELECT 1 ; -- and one behind it",
  };
  for (const std::string& sql : allowed) {
    INFO(sql);
    RequireOk(open.Run(sql).status());
  }
}

TEST_CASE("what is not a user's own is refused before it runs", "[store][guarded_sql]") {
  OpenTransaction open;
  const std::string before = SchemaOf(open.connection());
  for (const auto& [sql, touched] : kRefused) {
    INFO(sql);
    const int64_t changes = open.connection().total_changes();
    const Status status = open.Run(sql).status();
    RequireError(status, Code::kPermissionDenied, touched);
    CHECK(open.connection().in_transaction());
    CHECK(SchemaOf(open.connection()) == before);
    if (sql.find("RENAME TO mine") == std::string::npos)
      CHECK(open.connection().total_changes() == changes);
  }
  CHECK(open.Count("app_users") == 0);
}

TEST_CASE("views and triggers of the user's reach nothing else either", "[store][guarded_sql]") {
  OpenTransaction open;
  // What a view or trigger says is looked at when it is used.
  open.Must("CREATE VIEW app_spy AS SELECT name FROM jobs");
  RequireError(open.Run("SELECT * FROM app_spy").status(), Code::kPermissionDenied,
               "the table jobs (through app_spy)");
  open.Must(
      "CREATE TRIGGER app_sneak AFTER INSERT ON app_users BEGIN "
      "INSERT INTO queues (name) VALUES (new.email); END");
  RequireError(open.Run("INSERT INTO app_users (email) VALUES ('x')").status(),
               Code::kPermissionDenied, "the table queues (through app_sneak)");
  open.Must("CREATE VIEW app_front AS SELECT 1 AS x");
  open.Must(
      "CREATE TRIGGER app_instead INSTEAD OF INSERT ON app_front BEGIN "
      "DELETE FROM jobs; END");
  RequireError(open.Run("INSERT INTO app_front VALUES (1)").status(), Code::kPermissionDenied,
               "the table jobs (through app_instead)");
  CHECK(open.Count("app_users") == 0);
}

TEST_CASE("a copy of one of our tables does not open the way into it", "[store][guarded_sql]") {
  OpenTransaction open;
  // SQLite copies between tables of the same form without looking at columns.
  open.Must(
      "CREATE TABLE app_ready (queue_id INTEGER NOT NULL, priority INTEGER NOT NULL, "
      "seq INTEGER NOT NULL, flags INTEGER NOT NULL, PRIMARY KEY (queue_id, priority, seq)) "
      "STRICT, WITHOUT ROWID");
  RequireError(open.Run("INSERT INTO app_ready SELECT * FROM ready").status(),
               Code::kPermissionDenied, "the table ready");
  RequireError(open.Run("INSERT INTO ready SELECT * FROM app_ready").status(),
               Code::kPermissionDenied, "the table ready");
}

TEST_CASE("a reference to one of our tables has no effect", "[store][guarded_sql]") {
  OpenTransaction open;
  open.Must("CREATE TABLE app_notes (job INTEGER REFERENCES jobs (job) ON DELETE CASCADE)");
  open.Must("INSERT INTO app_notes VALUES (1)");
  RequireOk(open.connection().Exec("DELETE FROM jobs"));
  CHECK(open.Count("app_notes") == 1);
}

TEST_CASE("a statement that fails changes nothing", "[store][guarded_sql]") {
  OpenTransaction open;
  open.Must("INSERT INTO app_users (email) VALUES ('a')");
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"INSERT INTO app_users (email) VALUES ('b'), ('a')", "UNIQUE constraint failed"},
      {"INSERT OR FAIL INTO app_users (email) VALUES ('b'), ('a')", "UNIQUE constraint failed"},
      {"INSERT INTO app_users (id) VALUES ('x')", "datatype mismatch"},
      {"SELEC 1", "syntax error"},
      {"SELECT * FROM app_none", "no such table: app_none"},
      {"INSERT INTO app_users (nope) VALUES (1)", "no column named nope"},
      {"ALTER TABLE app_users RENAME TO jobs", "already another table"},
      {"CREATE TABLE app_users (x)", "already exists"},
      {"", "no statement"},
      {" -- nothing", "no statement"},
      {"SELECT 1; SELECT 2", "several statements"},
      {"SELECT 1; DROP TABLE jobs", "several statements"},
      {"SELECT 1; nonsense", "several statements"},
      {std::string("SELECT 1\0", 9), "NUL"},
  };
  for (const auto& [sql, message] : wrong) {
    INFO(sql);
    RequireError(open.Run(sql).status(), Code::kInvalidArgument, message);
    CHECK(open.connection().in_transaction());
    CHECK(open.Count("app_users") == 1);
  }
  RequireError(open.Run("SELECT ?, ?", {int64_t{1}}).status(), Code::kInvalidArgument,
               "parameters has 1 elements; the statement takes 2");
  RequireError(open.Run("SELECT 1", {int64_t{1}}).status(), Code::kInvalidArgument,
               "parameters has 1 elements; the statement takes 0");
}

TEST_CASE("a statement that rolls everything back says so", "[store][guarded_sql]") {
  OpenTransaction open;
  open.Must("INSERT INTO app_users (email) VALUES ('a')");
  RequireError(open.Run("INSERT OR ROLLBACK INTO app_users (email) VALUES ('a')").status(),
               Code::kInvalidArgument, "rolled the whole transaction back");
  CHECK_FALSE(open.connection().in_transaction());
}

TEST_CASE("statements are bounded in time, rows and bytes", "[store][guarded_sql]") {
  OpenTransaction open;
  const std::string numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) ";
  RequireError(open.Run(numbers + "SELECT x FROM n").status(), Code::kTooLarge, "100000 rows");
  RequireError(open.Run(numbers + "SELECT zeroblob(10000000) FROM n").status(), Code::kTooLarge,
               "bytes");
  RequireError(open.Run("SELECT zeroblob(300000000)").status(), Code::kTooLarge, "bytes");
  RequireError(open.Run("SELECT '" + std::string(SqlGuard::kMaxSqlBytes, 'x') + "'").status(),
               Code::kTooLarge, "sql has");
  std::string deep(100'000, '(');
  RequireError(open.Run("SELECT " + deep + "1" + std::string(100'000, ')')).status(),
               Code::kInvalidArgument, "");
  open.wait_ms = 20;
  RequireError(open.Run(numbers + "SELECT max(x) FROM n").status(), Code::kTimeout, "longer");
  RequireError(open.Run(numbers + "INSERT INTO app_users (id) SELECT x FROM n").status(),
               Code::kTimeout, "longer");
  CHECK_FALSE(open.connection().in_transaction());  // to give up a write ends the transaction
}

TEST_CASE("our own statements are not asked about", "[store][guarded_sql]") {
  OpenTransaction open;
  open.Must("SELECT 1");
  CHECK(RequireOk(open.connection().QueryInt("SELECT count(*) FROM jobs")) == 0);
  RequireOk(open.connection().Exec("PRAGMA user_version"));
}

}  // namespace millrace::store
