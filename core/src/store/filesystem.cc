#include "store/filesystem.h"

#include <sys/stat.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

#include "base/macros.h"
#include "store/errors.h"

namespace millrace::store {
namespace {

constexpr char kNetwork[] =
    "is a network file system: other machines see neither its locks nor its shared memory";
constexpr char kShared[] =
    "is shared with a virtual machine's host: the two sides do not share memory and locks";
constexpr char kUser[] =
    "is served by a user-space program: shared memory and locks are not known to work on it";

struct Refusal {
  uint64_t magic;
  const char* name;
  const char* reason;
};

// By the magic number of statfs(2). Everything that is not listed is accepted: a local file system.
constexpr std::array kRefusedMagics{
    Refusal{0x6969, "NFS", kNetwork},
    Refusal{0x517B, "SMB", kNetwork},
    Refusal{0xFE534D42, "SMB2", kNetwork},
    Refusal{0xFF534D42, "CIFS", kNetwork},
    Refusal{0x564C, "NCP", kNetwork},
    Refusal{0x5346414F, "AFS", kNetwork},
    Refusal{0x6B414653, "AFS", kNetwork},
    Refusal{0x73757245, "Coda", kNetwork},
    Refusal{0x00C36400, "Ceph", kNetwork},
    Refusal{0x0BD00BD0, "Lustre", kNetwork},
    Refusal{0x47504653, "GPFS", kNetwork},
    Refusal{0x19830326, "BeeGFS", kNetwork},
    Refusal{0x20030528, "OrangeFS", kNetwork},
    Refusal{0x01161970, "GFS2", kNetwork},
    Refusal{0x7461636F, "OCFS2", kNetwork},
    Refusal{0x01021997, "9p", kShared},
    Refusal{0x786F4256, "VirtualBox shared folder", kShared},
    Refusal{0xBACBACBC, "VMware shared folder", kShared},
    Refusal{0x7C7C6673, "Parallels shared folder", kShared},
    Refusal{0x53464846, "WSL1 file system", kShared},
};

// All of these have one magic number and differ by their mount's type.
constexpr uint64_t kFuseMagic = 0x65735546;
// FUSE on a local disk, known to keep the page cache coherent for all processes of the machine.
constexpr std::array<std::string_view, 5> kAcceptedFuse{"fuseblk", "fuse.ntfs-3g", "fuse.gocryptfs",
                                                        "fuse.bindfs", "fuse.fuse-overlayfs"};

Status Refuse(const std::string& directory, const std::string& name, const char* reason) {
  return Status(Code::kUnsupportedFilesystem, "the directory " + directory + " is on " + name +
                                                  ", which " + reason +
                                                  ". Put the store on a local disk");
}

FilesystemProbe& ProbeInPlace() {
  static auto* const probe = new FilesystemProbe;
  return *probe;
}

}  // namespace

Status CheckFilesystem(const std::string& directory, const FilesystemInfo& info) {
  for (const Refusal& refusal : kRefusedMagics) {
    if (info.magic == refusal.magic) return Refuse(directory, refusal.name, refusal.reason);
  }
  if (info.magic != kFuseMagic) return Status::Ok();
  if (info.type == "virtiofs") return Refuse(directory, "virtiofs", kShared);
  const bool accepted =
      std::find(kAcceptedFuse.begin(), kAcceptedFuse.end(), info.type) != kAcceptedFuse.end();
  if (accepted) return Status::Ok();
  return Refuse(directory, info.type.empty() ? "FUSE" : info.type, kUser);
}

std::string MountType(const std::string& mountinfo, unsigned major, unsigned minor) {
  const std::string device = std::to_string(major) + ":" + std::to_string(minor);
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    // "36 35 98:0 /root /mount-point options [tags] - type source super-options"
    std::istringstream fields(line);
    std::string mount_id, parent_id, mount_device;
    fields >> mount_id >> parent_id >> mount_device;
    const size_t separator = line.find(" - ");
    if (mount_device != device || separator == std::string::npos) continue;
    const size_t start = separator + 3;
    return line.substr(start, line.find(' ', start) - start);
  }
  return {};
}

Result<FilesystemInfo> ProbeFilesystem(const std::string& directory) {
  FilesystemInfo info;
#ifdef __linux__
  struct statfs filesystem = {};
  if (statfs(directory.c_str(), &filesystem) != 0) {
    return ErrnoStatus(errno, "asking for the file system of " + directory);
  }
  info.magic = static_cast<uint64_t>(filesystem.f_type) & 0xFFFFFFFF;
  if (info.magic != kFuseMagic) return info;
  struct stat status = {};
  if (stat(directory.c_str(), &status) != 0) return ErrnoStatus(errno, "looking at " + directory);
  std::ifstream file("/proc/self/mountinfo");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  info.type = MountType(text, major(status.st_dev), minor(status.st_dev));
#else
  static_cast<void>(directory);
#endif
  return info;
}

ScopedFilesystemProbe::ScopedFilesystemProbe(FilesystemProbe probe) {
  ProbeInPlace() = std::move(probe);
}

ScopedFilesystemProbe::~ScopedFilesystemProbe() {
  ProbeInPlace() = nullptr;
}

Result<FilesystemInfo> ProbeFilesystemForOpen(const std::string& directory) {
  return ProbeInPlace() ? ProbeInPlace()(directory) : ProbeFilesystem(directory);
}

}  // namespace millrace::store
