// Store::Open: what is checked, in which order, and how a file becomes a store.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/macros.h"
#include "store/errors.h"
#include "store/file_format.h"
#include "store/filesystem.h"
#include "store/location.h"
#include "store/lock_descriptor.h"
#include "store/migrate.h"
#include "store/ofd_locks.h"
#include "store/store_impl.h"

namespace millrace::store {
namespace {

// The first bytes of the file, read without SQLite: before it may take locks, we must know that the
// file is in WAL mode (ofd_locks.h says why) and ours.
struct Header {
  static constexpr size_t kBytes = 100;
  static constexpr char kMagic[] = "SQLite format 3";

  std::array<unsigned char, kBytes> bytes{};
  int64_t length = 0;  // 0: the file is empty
  bool sqlite() const {
    return length == static_cast<int64_t>(kBytes) &&
           std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
  }
  bool wal() const { return sqlite() && bytes[18] == 2 && bytes[19] == 2; }
  int64_t application_id() const {
    return int64_t{bytes[68]} << 24 | int64_t{bytes[69]} << 16 | int64_t{bytes[70]} << 8 |
           int64_t{bytes[71]};
  }
};

Result<Header> ReadHeader(int descriptor, const std::string& path) {
  Header header;
  const ssize_t length = pread(descriptor, header.bytes.data(), header.bytes.size(), 0);
  if (length < 0) return ErrnoStatus(errno, "reading the store " + path);
  header.length = length;
  return header;
}

Status CheckHeader(const Header& header, const std::string& path) {
  if (header.length == 0 || header.sqlite()) return Status::Ok();
  return Status(Code::kNotAStore,
                path + " is not an SQLite database, so not a Millrace store; nothing was changed");
}

// Refuses somebody else's file before SQLite may change anything in it (a hot journal is rolled
// back by reading).
Status CheckOwner(const Header& header, const std::string& path) {
  const int64_t application_id = header.application_id();
  if (header.length == 0 || application_id == 0 || application_id == kApplicationId)
    return Status::Ok();
  return Status(Code::kNotAStore,
                path + " is an SQLite database of another application (its application_id is " +
                    std::to_string(application_id) + "); nothing was changed");
}

Status SwitchToWal(Connection& connection, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string mode, connection.QueryText("PRAGMA journal_mode=WAL"));
  // The WAL itself is opened by the first read.
  if (mode == "wal") return connection.QueryInt("PRAGMA schema_version").status();
  return Status(Code::kUnsupportedFilesystem,
                path +
                    " cannot be put in WAL mode: its file system or VFS has no shared "
                    "memory (SQLite answered '" +
                    mode + "')");
}

// With the writer lock held, and no other connection of Millrace to a file that is not in WAL mode.
Status CreateOrMigrate(Connection& connection, const std::string& path) {
  ASSIGN_OR_RETURN(const int64_t pages, connection.QueryInt("PRAGMA page_count"));
  if (pages == 0) {
    const std::string layout =
        "PRAGMA page_size=" + std::to_string(kPageBytes) + ";PRAGMA auto_vacuum=INCREMENTAL";
    RETURN_IF_ERROR(connection.Exec(layout.c_str()));
  }
  ASSIGN_OR_RETURN(const int version, ReadSchemaVersion(connection, path));
  RETURN_IF_ERROR(SwitchToWal(connection, path));
  if (version == SchemaVersion()) return Status::Ok();
  RETURN_IF_ERROR(connection.Exec("PRAGMA synchronous=FULL"));
  RETURN_IF_ERROR(Migrate(connection, version));
  // Puts the application's mark into the main file, where the next opening (and file(1)) can see
  // it.
  RETURN_IF_ERROR(connection.QueryInt("PRAGMA wal_checkpoint(TRUNCATE)").status());
  return connection.Exec("PRAGMA synchronous=NORMAL");
}

class Opener {
 public:
  explicit Opener(const OpenOptions& options) : options_(options) {
    parts_.vfs = options.test_vfs;
    parts_.busy_timeout_ms = options.busy_timeout_ms;
    parts_.wal_limit_bytes = options.wal_limit_bytes;
    parts_.log = Log(options.on_log);
  }

  Result<std::unique_ptr<Store>> Run() {
    ASSIGN_OR_RETURN(const Location location, ParseLocation(options_.path));
    parts_.in_memory = location.in_memory;
    parts_.path = location.in_memory ? ":memory:" : location.path;
    if (location.in_memory) {
      RETURN_IF_ERROR(OpenInMemory());
    } else if (!options_.test_vfs.empty()) {
      RETURN_IF_ERROR(OpenOnTestVfs());
    } else {
      RETURN_IF_ERROR(OpenFile());
    }
    return StoreImpl::Create(std::move(parts_));
  }

 private:
  Status OpenInMemory() {
    parts_.locks = std::make_unique<ProcessLocks>(-1);
    RETURN_IF_ERROR(Connect());
    return Migrate(*parts_.writer, 0);
  }

  // The file is whatever the VFS makes of its name, and no other process can have it.
  Status OpenOnTestVfs() {
    parts_.locks = std::make_unique<ProcessLocks>(-1);
    RETURN_IF_ERROR(Connect());
    return CreateOrMigrate(*parts_.writer, parts_.path);
  }

  Status OpenFile() {
    ASSIGN_OR_RETURN(parts_.path, ResolvePath(parts_.path));
    const std::string directory = DirectoryOf(parts_.path);
    ASSIGN_OR_RETURN(const FilesystemInfo filesystem, ProbeFilesystemForOpen(directory));
    RETURN_IF_ERROR(CheckFilesystem(directory, filesystem));
    ASSIGN_OR_RETURN(descriptor_, OpenLockDescriptor(parts_.path, options_.create));
    parts_.locks = std::make_unique<ProcessLocks>(descriptor_);
    bool ready = false;
    RETURN_IF_ERROR(OpenReadyFile(&ready));
    if (!ready) RETURN_IF_ERROR(PrepareFile());
    // The entries of the database and of the WAL in their directory, which some other process may
    // have made just now.
    return SyncDirectory(directory);
  }

  // The usual case, for which no lock is needed: a store in WAL mode and of this version.
  Status OpenReadyFile(bool* ready) {
    ASSIGN_OR_RETURN(const Header header, ReadHeader(descriptor_, parts_.path));
    if (!header.wal() || header.application_id() != kApplicationId) return Status::Ok();
    RETURN_IF_ERROR(Connect());
    ASSIGN_OR_RETURN(const int version, ReadSchemaVersion(*parts_.writer, parts_.path));
    if (version != SchemaVersion()) return Status::Ok();
    RETURN_IF_ERROR(SwitchToWal(*parts_.writer,
                                parts_.path));  // changes nothing, and proves that the WAL works
    *ready = true;
    return Status::Ok();
  }

  // Creation, migration and everything doubtful: one process at a time.
  Status PrepareFile() {
    RETURN_IF_ERROR(parts_.locks->LockWriter());
    const Status status = PrepareFileLocked();
    parts_.locks->UnlockWriter();
    return status;
  }

  Status PrepareFileLocked() {
    ASSIGN_OR_RETURN(const Header header, ReadHeader(descriptor_, parts_.path));
    RETURN_IF_ERROR(CheckHeader(header, parts_.path));
    RETURN_IF_ERROR(CheckOwner(header, parts_.path));
    if (!parts_.writer) RETURN_IF_ERROR(Connect());
    return CreateOrMigrate(*parts_.writer, parts_.path);
  }

  Status Connect() {
    Connection::Options options;
    options.path = parts_.path;
    options.vfs = parts_.vfs;
    options.busy_timeout_ms = parts_.busy_timeout_ms;
    options.cache_kib = kWriterCacheKib;
    options.create = parts_.in_memory || (!options_.test_vfs.empty() && options_.create);
    ASSIGN_OR_RETURN(parts_.writer, Connection::Open(options));
    return Status::Ok();
  }

  const OpenOptions& options_;
  StoreParts parts_;
  int descriptor_ = -1;  // owned by parts_.locks
};

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const OpenOptions& options) {
  InstallSystemCalls();
  auto store = Opener(options).Run();
  if (store.ok() || store.status().code() != Code::kCorrupt) return store;
  return Status(Code::kCorrupt, store.status().message() +
                                    "; the file is damaged: look at it with `millrace doctor`, "
                                    "and restore a backup if that cannot open it either");
}

}  // namespace millrace::store
