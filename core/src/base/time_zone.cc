#include "base/time_zone.h"

#include <absl/time/internal/cctz/include/cctz/civil_time.h>
#include <absl/time/internal/cctz/include/cctz/time_zone.h>
#include <absl/time/internal/cctz/include/cctz/zone_info_source.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>

#include "base/text.h"
#include "base/zone_data.h"

namespace cctz = absl::time_internal::cctz;

namespace millrace {
namespace {

constexpr size_t kZoneNameMaxBytes = 64;
// Asks our source for the zones compiled in; no zone of the database has a colon in its name.
constexpr std::string_view kBundledPrefix = "bundled:";

using Seconds = cctz::time_point<cctz::seconds>;

const zone_data::Entry* FindBundled(std::string_view name) {
  const zone_data::Entry* const end = zone_data::kEntries + zone_data::kEntryCount;
  const auto* const found =
      std::lower_bound(zone_data::kEntries, end, name,
                       [](const zone_data::Entry& a, std::string_view b) { return a.name < b; });
  return found != end && found->name == name ? found : nullptr;
}

// Reads one zone out of the bytes that are compiled in.
class BundledSource final : public cctz::ZoneInfoSource {
 public:
  explicit BundledSource(const zone_data::Entry& entry)
      : left_(zone_data::kBytes + entry.offset, entry.size) {}

  size_t Read(void* out, size_t size) override {
    size = std::min(size, left_.size());
    std::memcpy(out, left_.data(), size);
    left_.remove_prefix(size);
    return size;
  }
  int Skip(size_t size) override {
    left_.remove_prefix(std::min(size, left_.size()));
    return 0;
  }
  std::string Version() const override { return zone_data::kVersion; }

 private:
  std::string_view left_;
};

std::unique_ptr<cctz::ZoneInfoSource> OpenZone(
    const std::string& name,
    const std::function<std::unique_ptr<cctz::ZoneInfoSource>(const std::string&)>& open_system) {
  if (!name.starts_with(kBundledPrefix)) return open_system(name);
  const zone_data::Entry* const entry =
      FindBundled(std::string_view(name).substr(kBundledPrefix.size()));
  return entry == nullptr ? nullptr : std::make_unique<BundledSource>(*entry);
}

// What a name of the database looks like. Keeps what is not a zone away from the file system:
// paths, "localtime", "posixrules", "tzdata.zi".
bool LooksLikeZone(std::string_view name) {
  if (name.size() > kZoneNameMaxBytes || name.front() < 'A' || name.front() > 'Z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
}

cctz::time_zone Zone(const void* impl) {
  return std::bit_cast<cctz::time_zone>(impl);
}

Seconds At(int64_t utc_s) {
  return Seconds(cctz::seconds(utc_s));
}

int64_t SinceEpoch(Seconds time) {
  return time.time_since_epoch().count();
}

}  // namespace

Result<TimeZone> TimeZone::Load(std::string_view name, const char* argument) {
  if (name.empty() || name == "UTC") return TimeZone(nullptr);
  cctz::time_zone zone;
  if (LooksLikeZone(name) &&
      (cctz::load_time_zone(std::string(name), &zone) ||
       cctz::load_time_zone(std::string(kBundledPrefix) + std::string(name), &zone))) {
    return TimeZone(std::bit_cast<const void*>(zone));
  }
  return Status(Code::kInvalidArgument, std::string(argument) + " is not a known time zone: got " +
                                            Quoted(name) +
                                            ", accepted are names of the IANA database such as "
                                            "\"UTC\", \"Europe/London\" or \"America/New_York\"");
}

std::string TimeZone::BundledVersion() {
  return zone_data::kVersion;
}

LocalSeconds TimeZone::ToLocal(int64_t utc_s) const {
  return Zone(impl_).lookup(At(utc_s)).cs - cctz::civil_second(1970, 1, 1);
}

int64_t TimeZone::FirstInstant(LocalSeconds local_s) const {
  const cctz::civil_second reading = cctz::civil_second(1970, 1, 1) + local_s;
  return SinceEpoch(cctz::convert(reading, Zone(impl_)));
}

std::optional<int64_t> TimeZone::NextJump(int64_t utc_s) const {
  cctz::time_zone::civil_transition jump;
  if (!Zone(impl_).next_transition(At(utc_s), &jump)) return std::nullopt;
  return SinceEpoch(Zone(impl_).lookup(jump.to).trans);
}

}  // namespace millrace

// CCTZ's extension point: it calls this whenever a zone is loaded for the first time.
namespace absl {
ABSL_NAMESPACE_BEGIN
namespace time_internal::cctz_extension {

ZoneInfoSourceFactory zone_info_source_factory = millrace::OpenZone;

}  // namespace time_internal::cctz_extension
ABSL_NAMESPACE_END
}  // namespace absl
