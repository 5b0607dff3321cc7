#include "store/connection.h"

#include <limits>
#include <optional>
#include <string>

#include "store/store_test_util.h"

namespace millrace::store {
namespace {

std::unique_ptr<Connection> OpenMemory() {
  return RequireOk(Connection::Open({.path = ":memory:", .create = true}));
}

constexpr char kInsert[] = "INSERT INTO things (number, real, text, blob) VALUES (?1, ?2, ?3, ?4)";
constexpr char kSelect[] = "SELECT number, real, text, blob FROM things ORDER BY rowid";

std::unique_ptr<Connection> OpenWithTable() {
  auto connection = OpenMemory();
  RequireOk(connection->Exec(
      "CREATE TABLE things (number INTEGER UNIQUE, real REAL, text TEXT, blob BLOB) STRICT"));
  return connection;
}

}  // namespace

TEST_CASE("a query gives back what was bound", "[store][connection]") {
  auto connection = OpenWithTable();
  const std::string text("h\0llo \xc3\xa9", 8);
  const std::string bytes("\0\xff\x01", 3);
  {
    Query insert(*connection, kInsert);
    insert.Bind(std::numeric_limits<int64_t>::min(), 0.5, text, Blob{bytes});
    RequireOk(insert.Run());
    insert.Bind(nullptr, std::optional<double>(), std::optional<std::string_view>(), nullptr);
    RequireOk(insert.Run());
  }
  CHECK(connection->changes() == 1);
  CHECK(connection->total_changes() == 2);

  Query select(*connection, kSelect);
  bool row = false;
  RequireOk(select.Step(&row));
  REQUIRE(row);
  CHECK(select.Int(0) == std::numeric_limits<int64_t>::min());
  CHECK(select.Real(1) == 0.5);
  CHECK(select.Text(2) == text);
  CHECK(select.BlobBytes(3) == bytes);
  RequireOk(select.Step(&row));
  REQUIRE(row);
  for (int column = 0; column < 4; ++column) CHECK(select.IsNull(column));
  CHECK(select.Text(2).empty());
  RequireOk(select.Step(&row));
  CHECK_FALSE(row);
}

TEST_CASE("empty text and bytes are not NULL", "[store][connection]") {
  auto connection = OpenWithTable();
  {
    Query insert(*connection, kInsert);
    insert.Bind(1, 1.0, std::string_view(), Blob{});
    RequireOk(insert.Run());
  }
  Query select(*connection, kSelect);
  bool row = false;
  RequireOk(select.Step(&row));
  REQUIRE(row);
  CHECK_FALSE(select.IsNull(2));
  CHECK_FALSE(select.IsNull(3));
}

TEST_CASE("bindings do not outlive their query", "[store][connection]") {
  auto connection = OpenWithTable();
  {
    const std::string text = "x";  // bound without a copy: it must live until Run()
    Query insert(*connection, kInsert);
    insert.Bind(1, 1.0, text, Blob{"y"});
    RequireOk(insert.Run());
  }
  Query insert(*connection, kInsert);
  RequireOk(insert.Run());  // nothing bound: NULLs, not the freed memory of before
  CHECK(RequireOk(connection->QueryInt("SELECT count(*) FROM things WHERE text IS NULL")) == 1);
}

TEST_CASE("errors of a query say what failed", "[store][connection]") {
  auto connection = OpenWithTable();
  SECTION("a constraint") {
    Query insert(*connection, kInsert);
    insert.Bind(1, 1.0, "a", Blob{"b"});
    RequireOk(insert.Run());
    insert.Bind(1, 1.0, "a", Blob{"b"});
    RequireError(insert.Run(), Code::kInternal, "UNIQUE constraint failed: things.number");
    insert.Bind(2, 1.0, "a", Blob{"b"});
    RequireOk(insert.Run());  // usable again
  }
  SECTION("a missing table means that the file is not what it says") {
    Query query(*connection, "SELECT 1 FROM elsewhere");
    RequireError(query.Run(), Code::kCorrupt, "no such table: elsewhere");
  }
  SECTION("bad SQL is a bug of ours") {
    Query query(*connection, "SELEKT 1");
    RequireError(query.Run(), Code::kInternal, "SELEKT 1");
  }
  SECTION("too many bindings") {
    Query query(*connection, "SELECT ?1");
    query.Bind(1, 2);
    bool row = false;
    RequireError(query.Step(&row), Code::kInternal, "SELECT ?1");
    CHECK_FALSE(row);
  }
  SECTION("the same statement twice at a time") {
    RequireOk(connection->Exec("INSERT INTO things (number) VALUES (1), (2)"));
    Query first(*connection, kSelect);
    bool row = false;
    RequireOk(first.Step(&row));
    Query second(*connection, kSelect);
    RequireError(second.Step(&row), Code::kInternal, "in use already");
  }
}

TEST_CASE("a value over SQLite's limit is too large", "[store][connection]") {
  auto connection = OpenWithTable();
  Query query(*connection, "INSERT INTO things (blob) VALUES (zeroblob(?1))");
  query.Bind(int64_t{2'000'000'000});
  RequireError(query.Run(), Code::kTooLarge, "string or blob too big");
}

TEST_CASE("a full database is a full disk, and works again", "[store][connection]") {
  TemporaryDirectory directory;
  auto connection = RequireOk(Connection::Open({.path = directory.File("a.db"), .create = true}));
  RequireOk(connection->Exec("CREATE TABLE things (blob BLOB); PRAGMA max_page_count=4"));
  RequireError(connection->Exec("INSERT INTO things VALUES (zeroblob(100000))"), Code::kDiskFull,
               "full");
  RequireOk(connection->Exec("INSERT INTO things VALUES (1)"));
}

TEST_CASE("a foreign writer makes a connection busy", "[store][connection]") {
  TemporaryDirectory directory;
  Connection::Options options{.path = directory.File("a.db"), .create = true, .busy_timeout_ms = 0};
  auto first = RequireOk(Connection::Open(options));
  REQUIRE(RequireOk(first->QueryText("PRAGMA journal_mode=WAL")) == "wal");
  auto second = RequireOk(Connection::Open(options));
  RequireOk(first->Exec("BEGIN IMMEDIATE"));
  CHECK(first->in_transaction());
  RequireError(second->Exec("BEGIN IMMEDIATE"), Code::kBusy, "locked");
  RequireOk(first->Exec("COMMIT"));
  RequireOk(second->Exec("BEGIN IMMEDIATE"));
}

TEST_CASE("a read connection cannot write", "[store][connection]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto writer = RequireOk(Connection::Open({.path = path, .create = true}));
  RequireOk(writer->Exec("CREATE TABLE things (number INTEGER)"));
  auto reader = RequireOk(Connection::Open({.path = path, .read_only = true}));
  RequireError(reader->Exec("INSERT INTO things VALUES (1)"), Code::kPermissionDenied, "readonly");
}

TEST_CASE("a missing file is only made on demand", "[store][connection]") {
  TemporaryDirectory directory;
  const auto opened = Connection::Open({.path = directory.File("none/a.db"), .create = true});
  RequireError(opened.status(), Code::kIoError, "unable to open database file");
  RequireError(opened.status(), Code::kIoError, "No such file or directory (errno 2)");
}

TEST_CASE("one value is read without a Query", "[store][connection]") {
  auto connection = OpenMemory();
  CHECK(RequireOk(connection->QueryInt("SELECT 41 + 1")) == 42);
  CHECK(RequireOk(connection->QueryText("SELECT 'a' || char(0) || 'b'")) == std::string("a\0b", 3));
  CHECK(RequireOk(connection->QueryText("SELECT NULL")).empty());
  RequireError(connection->QueryInt("SELECT 1 WHERE 0").status(), Code::kInternal, "no row");
}

}  // namespace millrace::store
