#include "store/location.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "store/filesystem.h"
#include "store/store_test_util.h"

namespace millrace::store {
namespace {

void RequireRefused(const std::string& text, const std::string& why) {
  const auto location = ParseLocation(text);
  RequireError(location.status(), Code::kInvalidArgument, why);
  RequireError(location.status(), Code::kInvalidArgument,
               "accepted are a file path such as 'jobs.db'");
}

}  // namespace

TEST_CASE("forms of a store's path", "[store][location]") {
  CHECK(RequireOk(ParseLocation("jobs.db")).path == "jobs.db");
  CHECK(RequireOk(ParseLocation("/var/lib/jobs.db")).path == "/var/lib/jobs.db");
  CHECK(RequireOk(ParseLocation("sqlite:///jobs.db")).path == "jobs.db");
  CHECK(RequireOk(ParseLocation("SQLite:////var/jobs.db")).path == "/var/jobs.db");
  CHECK(RequireOk(ParseLocation("a b%20c.db")).path == "a b%20c.db");
  CHECK_FALSE(RequireOk(ParseLocation("jobs.db")).in_memory);
  CHECK(RequireOk(ParseLocation(":memory:")).in_memory);
  CHECK(RequireOk(ParseLocation("sqlite:///:memory:")).in_memory);
}

TEST_CASE("what is no store's path is refused with a hint", "[store][location]") {
  RequireRefused("", "is empty");
  RequireRefused(std::string("a\0b", 3), "NUL character");
  RequireRefused("redis://localhost:6379/0", "Millrace works on one SQLite file and needs none");
  RequireRefused("amqp://guest@localhost//", "names a server");
  RequireRefused("postgresql://localhost/jobs", "PostgreSQL, which this version does not support");
  RequireRefused("mysql://localhost/jobs", "unknown URL scheme 'mysql'");
  RequireRefused("sqlite://jobs.db", "three slashes for a relative path");
  RequireRefused("sqlite:///", "names no file");
  RequireRefused("sqlite:///jobs.db?mode=ro", "URL parameters");
  RequireRefused("file:jobs.db", "not complete");
  RequireRefused("file:///var/jobs.db", "is a file: URL; give the path itself");
  RequireRefused("sqlite:jobs.db", "not complete");
  RequireRefused("jobs/", "ends with '/'");
  RequireRefused(std::string(5000, 'x'), "too long");
}

TEST_CASE("a path's directory and file are checked", "[store][location]") {
  TemporaryDirectory directory;
  RequireError(ResolvePath(directory.File("missing/a.db")).status(), Code::kNotFound,
               "missing does not exist; create it first");
  RequireError(ResolvePath(directory.File(".")).status(), Code::kNotAStore, "is a directory");
  WriteFile(directory.File("file"), "x");
  RequireError(ResolvePath(directory.File("file/a.db")).status(), Code::kInvalidArgument,
               "which is not a directory");
  REQUIRE(mkfifo(directory.File("fifo").c_str(), 0600) == 0);
  RequireError(ResolvePath(directory.File("fifo")).status(), Code::kNotAStore,
               "not a regular file");
}

TEST_CASE("all names of a file resolve to one path", "[store][location]") {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory.File("real"));
  std::filesystem::create_symlink(directory.File("real"), directory.File("linked"));
  const std::string path = RequireOk(ResolvePath(directory.File("real/a.db")));
  CHECK(RequireOk(ResolvePath(directory.File("linked/../real/./a.db"))) == path);
  WriteFile(directory.File("real/a.db"), "x");
  std::filesystem::create_symlink(directory.File("real/a.db"), directory.File("b.db"));
  CHECK(RequireOk(ResolvePath(directory.File("b.db"))) == path);
  std::filesystem::create_symlink(directory.File("nowhere"), directory.File("c.db"));
  CHECK_FALSE(ResolvePath(directory.File("c.db")).ok());
}

TEST_CASE("file systems that cannot hold a WAL", "[store][filesystem]") {
  const auto check = [](uint64_t magic, const char* type) {
    return CheckFilesystem("/data", {magic, type});
  };
  RequireError(check(0x6969, ""), Code::kUnsupportedFilesystem,
               "/data is on NFS, which is a network file system");
  RequireError(check(0xFF534D42, ""), Code::kUnsupportedFilesystem, "CIFS");
  RequireError(check(0xFE534D42, ""), Code::kUnsupportedFilesystem, "SMB2");
  RequireError(check(0x01021997, ""), Code::kUnsupportedFilesystem,
               "9p, which is shared with a virtual machine's host");
  RequireError(check(0x65735546, "virtiofs"), Code::kUnsupportedFilesystem, "virtiofs");
  RequireError(check(0x65735546, "fuse.sshfs"), Code::kUnsupportedFilesystem, "fuse.sshfs");
  RequireError(check(0x65735546, ""), Code::kUnsupportedFilesystem, "FUSE");
  RequireError(check(0x6969, ""), Code::kUnsupportedFilesystem, "Put the store on a local disk");
  CHECK(check(0x65735546, "fuseblk").ok());
  CHECK(check(0xEF53, "ext4").ok());
  CHECK(check(0x01021994, "tmpfs").ok());
  CHECK(check(0, "").ok());
}

TEST_CASE("the type of a mount is found in mountinfo", "[store][filesystem]") {
  const std::string text =
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
      "45 22 0:41 / /mnt/share rw,relatime - virtiofs share rw\n"
      "46 22 0:4 / /odd\\040name rw shared:7 master:2 - fuse.rclone remote:x rw,user_id=0\n"
      "a line cut off";
  CHECK(MountType(text, 0, 41) == "virtiofs");
  CHECK(MountType(text, 0, 4) == "fuse.rclone");
  CHECK(MountType(text, 254, 0) == "ext4");
  CHECK(MountType(text, 9, 9).empty());
  CHECK(MountType("", 0, 41).empty());
}

TEST_CASE("the directory of a test is on a file system that is accepted", "[store][filesystem]") {
  TemporaryDirectory directory;
  const FilesystemInfo info = RequireOk(ProbeFilesystem(directory.File(".")));
  CHECK(info.magic != 0);
  RequireOk(CheckFilesystem(directory.File("."), info));
  CHECK_FALSE(ProbeFilesystem(directory.File("missing")).ok());
}

}  // namespace millrace::store
