// Reads cron text into the fields of a Cron.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <vector>

#include "base/cron.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kMonthNames[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdayNames[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum class Kind { kSecond, kMinute, kHour, kDay, kMonth, kWeekday };

// What a field may hold; `accepted` completes "accepted are ...".
struct Field {
  const char* name;
  Kind kind;
  int min;
  int max;
  const char* accepted;
};

constexpr Field kFields[] = {
    {"second", Kind::kSecond, 0, 59, "0 to 59"},
    {"minute", Kind::kMinute, 0, 59, "0 to 59"},
    {"hour", Kind::kHour, 0, 23, "0 to 23"},
    {"day-of-month", Kind::kDay, 1, 31, "1 to 31 and L"},
    {"month", Kind::kMonth, 1, 12, "1 to 12 and jan to dec"},
    {"day-of-week", Kind::kWeekday, 0, 7,
     "0 to 7 (0 and 7 are Sunday), sun to sat, and forms such as fri#2 and friL"},
};

struct Shorthand {
  std::string_view name;
  std::string_view text;
};
constexpr Shorthand kShorthands[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find_first_of(separators, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words = Split(text, " \t");
  std::erase_if(words, [](std::string_view word) { return word.empty(); });
  return words;
}

uint64_t Bit(int value) {
  return uint64_t{1} << value;
}

}  // namespace

class CronParser {
 public:
  Result<Cron> Parse(std::string_view text);

 private:
  Status ParseField(const Field& field, std::string_view text);
  Status ParseItem(std::string_view item);
  Status ParseNthWeekday(std::string_view item, size_t hash);
  Status ParseRange(std::string_view range, int* first, int* last);
  Status ParseStep(std::string_view text, int* step);
  Result<int> ParseValue(std::string_view text);
  bool ParseLast(std::string_view item);
  void AddRange(int first, int last, int step);
  uint64_t* Bits();
  Status Refuse(const std::string& problem, std::string_view got, const std::string& accepted) {
    return Status(Code::kInvalidArgument, std::string("cron ") + field_->name + " " + problem +
                                              ": got " + Quoted(got) + ", accepted are " +
                                              accepted);
  }

  Cron cron_;
  const Field* field_ = nullptr;
};

uint64_t* CronParser::Bits() {
  switch (field_->kind) {
    case Kind::kSecond:
      return &cron_.seconds_;
    case Kind::kMinute:
      return &cron_.minutes_;
    case Kind::kHour:
      return &cron_.hours_;
    case Kind::kDay:
      return &cron_.days_;
    case Kind::kMonth:
      return &cron_.months_;
    case Kind::kWeekday:
      break;
  }
  return &cron_.weekdays_;
}

Result<int> CronParser::ParseValue(std::string_view text) {
  const auto accepted = [&] { return std::string(field_->accepted); };
  int base = 0;
  const std::string_view* begin = nullptr;
  const std::string_view* end = nullptr;
  if (field_->kind == Kind::kMonth) {
    begin = std::begin(kMonthNames);
    end = std::end(kMonthNames);
    base = 1;
  } else if (field_->kind == Kind::kWeekday) {
    begin = std::begin(kWeekdayNames);
    end = std::end(kWeekdayNames);
  }
  const auto* const found = std::find(begin, end, text);
  if (found != end) return base + static_cast<int>(found - begin);
  int value = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return Refuse("is out of range", text, accepted());
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || text[0] == '-') {
    return Refuse("is not valid", text, accepted());
  }
  if (value < field_->min || value > field_->max) {
    return Refuse("is out of range", text, accepted());
  }
  return value;
}

Status CronParser::ParseRange(std::string_view range, int* first, int* last) {
  const size_t dash = range.find('-');
  const auto from = ParseValue(range.substr(0, dash));
  if (!from.ok()) return from.status();
  *first = *last = *from;
  if (dash == std::string_view::npos) return Status::Ok();
  const auto to = ParseValue(range.substr(dash + 1));
  if (!to.ok()) return to.status();
  *last = *to;
  return Status::Ok();
}

Status CronParser::ParseStep(std::string_view text, int* step) {
  const int count = field_->kind == Kind::kWeekday ? 7 : field_->max - field_->min + 1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *step);
  const bool is_number = error == std::errc() && stop == text.data() + text.size();
  if (is_number && *step >= 1 && *step <= count) return Status::Ok();
  return Refuse("has an impossible step", text, "1 to " + std::to_string(count));
}

// "L" as a day of the month; "5L", "friL" or "L5" as a day of the week.
bool CronParser::ParseLast(std::string_view item) {
  if (field_->kind == Kind::kDay && item == "l") {
    cron_.last_day_ = true;
    return true;
  }
  if (field_->kind != Kind::kWeekday || item.size() < 2) return false;
  std::string_view value;
  if (item.back() == 'l') {
    value = item.substr(0, item.size() - 1);
  } else if (item.front() == 'l') {
    value = item.substr(1);
  }
  if (value.empty()) return false;
  const auto weekday = ParseValue(value);
  if (!weekday.ok()) return false;
  cron_.last_weekdays_ |= Bit(*weekday % 7);
  return true;
}

Status CronParser::ParseNthWeekday(std::string_view item, size_t hash) {
  const std::string_view count = item.substr(hash + 1);
  if (field_->kind != Kind::kWeekday) return Refuse("is not valid", item, field_->accepted);
  const auto weekday = ParseValue(item.substr(0, hash));
  if (!weekday.ok()) return weekday.status();
  if (count.size() != 1 || count[0] < '1' || count[0] > '5') {
    return Refuse("has an impossible number after #", item, "#1 to #5");
  }
  const auto index = static_cast<size_t>(*weekday % 7);
  cron_.nth_weekdays_[index] =
      static_cast<uint8_t>(cron_.nth_weekdays_[index] | Bit(count[0] - '0'));
  return Status::Ok();
}

void CronParser::AddRange(int first, int last, int step) {
  const bool is_weekday = field_->kind == Kind::kWeekday;
  // "7-2" begins on Sunday; "5-7" ends on it.
  if (is_weekday && first == 7 && last < 7) first = 0;
  const int count = is_weekday ? 7 : field_->max - field_->min + 1;
  if (last < first) last += count;  // it wraps
  for (int value = first; value <= last; value += step) {
    *Bits() |= Bit(field_->min + (value - field_->min) % count);
  }
}

Status CronParser::ParseItem(std::string_view item) {
  if (item.empty()) return Refuse("has an empty item", item, field_->accepted);
  if (ParseLast(item)) return Status::Ok();
  const size_t hash = item.find('#');
  if (hash != std::string_view::npos) return ParseNthWeekday(item, hash);
  const size_t slash = item.find('/');
  const std::string_view range = item.substr(0, slash);
  int first = field_->min;
  int last = field_->kind == Kind::kWeekday ? 6 : field_->max;
  int step = 1;
  if (range != "*" && range != "?") {
    const int end = last;
    const Status status = ParseRange(range, &first, &last);
    if (!status.ok()) return status;
    // "10/5" is from 10 on, every fifth.
    if (slash != std::string_view::npos && range.find('-') == std::string_view::npos) {
      if (field_->kind == Kind::kWeekday) first %= 7;
      last = end;
    }
  }
  if (slash != std::string_view::npos) {
    const Status status = ParseStep(item.substr(slash + 1), &step);
    if (!status.ok()) return status;
  }
  AddRange(first, last, step);
  return Status::Ok();
}

Status CronParser::ParseField(const Field& field, std::string_view text) {
  field_ = &field;
  for (const std::string_view item : Split(text, ",")) {
    const Status status = ParseItem(item);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Result<Cron> CronParser::Parse(std::string_view text) {
  const auto refuse = [&](const char* problem, const char* accepted) {
    return Status(Code::kInvalidArgument, std::string("cron ") + problem + ": got " + Quoted(text) +
                                              ", accepted are " + accepted);
  };
  constexpr const char* kShapes =
      "5 fields (minute hour day-of-month month day-of-week), 6 with the second before them, and "
      "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly";
  if (text.size() > kCronMaxBytes) return refuse("is too long", "at most 1000 bytes");
  std::string lower = Lower(text);
  std::vector<std::string_view> words = Words(lower);
  if (words.size() == 1 && words[0][0] == '@') {
    const auto* const found =
        std::find_if(std::begin(kShorthands), std::end(kShorthands),
                     [&](const Shorthand& shorthand) { return shorthand.name == words[0]; });
    if (found == std::end(kShorthands)) return refuse("is an unknown shorthand", kShapes);
    words = Words(found->text);
  }
  if (words.size() != 5 && words.size() != 6) {
    return refuse(("has " + std::to_string(words.size()) + " fields").c_str(), kShapes);
  }
  if (words.back().front() == '&') {
    cron_.both_days_ = true;
    words.back().remove_prefix(1);
  }
  const size_t skipped = 6 - words.size();
  if (skipped == 1) cron_.seconds_ = Bit(0);
  for (size_t i = 0; i < words.size(); ++i) {
    const Status status = ParseField(kFields[i + skipped], words[i]);
    if (!status.ok()) return status;
  }
  if (!cron_.CanFire()) {
    return refuse("can never fire", "days that exist in one of the months");
  }
  return cron_;
}

Result<Cron> Cron::Parse(std::string_view text) {
  return CronParser().Parse(text);
}

}  // namespace millrace
