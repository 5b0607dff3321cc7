#include "base/sealed_form.h"

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "\xffmsl";

bool ReadShortText(std::string_view* from, std::string_view* text) {
  if (from->empty()) return false;
  const size_t size = static_cast<unsigned char>(from->front());
  if (from->size() <= size) return false;
  *text = from->substr(1, size);
  from->remove_prefix(1 + size);
  return true;
}

}  // namespace

bool LooksSealed(std::string_view stored) {
  return stored.substr(0, kMagic.size()) == kMagic;
}

bool ParseSealed(std::string_view stored, SealedParts* parts) {
  if (!LooksSealed(stored) || stored.size() == kMagic.size()) return false;
  std::string_view rest = stored.substr(kMagic.size() + 1);
  parts->form = static_cast<SealedForm>(stored[kMagic.size()]);
  size_t least = 0;
  switch (parts->form) {
    case SealedForm::kEncrypted:
    case SealedForm::kSigned:
      if (!ReadShortText(&rest, &parts->key_id) || !ReadShortText(&rest, &parts->name)) {
        return false;
      }
      least = parts->form == SealedForm::kSigned ? kSealMacBytes : kSealNonceBytes + kSealTagBytes;
      break;
    case SealedForm::kPlain:
      break;
    default:
      return false;
  }
  parts->head = stored.substr(0, stored.size() - rest.size());
  parts->rest = rest;
  return rest.size() >= least;
}

std::string SealedKeyId(std::string_view head) {
  if (!LooksSealed(head) || head.size() == kMagic.size()) return {};
  if (static_cast<SealedForm>(head[kMagic.size()]) == SealedForm::kPlain) return {};
  std::string_view rest = head.substr(kMagic.size() + 1);
  std::string_view id;
  return std::string(ReadShortText(&rest, &id) ? id : std::string_view());
}

std::string SealedHead(SealedForm form, std::string_view key_id, std::string_view name) {
  std::string head(kMagic);
  head.push_back(static_cast<char>(form));
  if (form == SealedForm::kPlain) return head;
  AppendShortText(&head, key_id);
  AppendShortText(&head, name);
  return head;
}

std::string PlainForm(std::string plain) {
  if (!LooksSealed(plain)) [[likely]]
    return plain;
  return SealedHead(SealedForm::kPlain, {}, {}) + plain;
}

std::string SealedPlaceholder(std::string_view stored) {
  SealedParts parts;
  std::string json = R"({"$sealed":)";
  AppendJsonString(&json, ParseSealed(stored, &parts) ? parts.key_id : std::string_view());
  return json + "}";
}

void AppendShortText(std::string* out, std::string_view text) {
  text = text.substr(0, kNameMaxBytes);
  out->push_back(static_cast<char>(text.size()));
  out->append(text);
}

}  // namespace millrace
