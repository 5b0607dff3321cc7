#include "base/seal.h"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/macros.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr size_t kCheckBytes = 16;
static_assert(kSealNonceBytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kSealTagBytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(kSealKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kSealKeyBytes == crypto_kdf_KEYBYTES);

// One key each for what is derived from an owner's key, so that no use weakens another.
constexpr char kDerivation[crypto_kdf_CONTEXTBYTES + 1] = "millrace";
enum Purpose : uint64_t { kForEncrypting = 1, kForSigning = 2, kForChecking = 3 };

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string* text, size_t at) {
  return reinterpret_cast<unsigned char*>(text->data()) + at;
}

// What is authenticated beside the payload.
std::string Associated(std::string_view head, const SealContext& context) {
  std::string bytes(head);
  bytes.push_back(static_cast<char>(context.field));
  AppendShortText(&bytes, context.queue);
  return bytes;
}

void Mac(const SecretKey& key, std::string_view associated, std::string_view plain,
         unsigned char out[kSealMacBytes]) {
  crypto_generichash_state state;
  // Its own length first: otherwise its end and the beginning of the payload could trade places.
  const uint64_t size = associated.size();
  unsigned char prefix[8];
  for (size_t i = 0; i < sizeof(prefix); ++i) {
    prefix[i] = static_cast<unsigned char>(size >> (8 * i));
  }
  crypto_generichash_init(&state, key.data(), kSealKeyBytes, kSealMacBytes);
  crypto_generichash_update(&state, prefix, sizeof(prefix));
  crypto_generichash_update(&state, Bytes(associated), associated.size());
  crypto_generichash_update(&state, Bytes(plain), plain.size());
  crypto_generichash_final(&state, out, kSealMacBytes);
  sodium_memzero(&state, sizeof(state));
}

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text(2 * size + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes, size);
  text.pop_back();
  return text;
}

Status Invalid(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}

Status CheckKeyId(std::string_view id, const std::string& argument) {
  const bool known = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (known && !id.empty() && id.size() <= kSealKeyIdMaxBytes) return Status::Ok();
  return Invalid(argument + ".id is " + Quoted(id) + "; 1 to " +
                 std::to_string(kSealKeyIdMaxBytes) + " of A-Z a-z 0-9 . _ - are accepted");
}

Status Altered(const std::string& what) {
  return Status(Code::kCorrupt, what);
}

const char* FieldName(SealField field) {
  switch (field) {
    case SealField::kData:
      return "data";
    case SealField::kResult:
      return "a result";
    case SealField::kError:
      return "an error";
    case SealField::kProgress:
      return "progress";
    case SealField::kLog:
      return "a log line";
    case SealField::kCheckpoint:
      return "a checkpoint";
    case SealField::kEvent:
      return "an event";
  }
  return "a payload";
}

}  // namespace

SecretKey::~SecretKey() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

void WipeText(std::string* text) {
  text->resize(text->capacity());  // what it held before it was made shorter
  sodium_memzero(text->data(), text->size());
  text->clear();
}

Result<std::unique_ptr<const Keyring>> Keyring::Create(const Security& security) {
  const bool off = security.keys.empty();
  if (!off && sodium_init() < 0) return Status(Code::kInternal, "libsodium cannot be initialised");
  if (security.mode < Sealing::kNone || security.mode > Sealing::kSign) {
    return Invalid("security.mode is " + std::to_string(static_cast<int>(security.mode)) +
                   "; none (1), encrypt (2) or sign (3) is accepted");
  }
  if (off && security.require)
    return Invalid("security.require needs at least one key in security.keys");
  std::unique_ptr<Keyring> ring(
      new Keyring(off ? Sealing::kNone : security.mode, security.require));
  for (size_t i = 0; i < security.keys.size(); ++i) {
    RETURN_IF_ERROR(ring->Add(security.keys[i], "security.keys[" + std::to_string(i) + "]"));
  }
  return std::unique_ptr<const Keyring>(std::move(ring));
}

const Keyring& Keyring::Off() {
  static const Keyring off(Sealing::kNone, false);
  return off;
}

Status Keyring::Add(const SecurityKey& given, const std::string& argument) {
  RETURN_IF_ERROR(CheckKeyId(given.id, argument));
  if (Find(given.id)) {
    return Invalid(argument + ".id is " + Quoted(given.id) +
                   " again; each id once is accepted, the current key first");
  }
  if (given.secret.size() != kSealKeyBytes) {
    return Invalid(argument + ".secret (key " + Quoted(given.id) + ") has " +
                   std::to_string(given.secret.size()) + " bytes; exactly " +
                   std::to_string(kSealKeyBytes) + " random bytes are accepted");
  }
  auto key = std::make_unique<Key>();
  key->id = given.id;
  unsigned char check[kCheckBytes];
  const unsigned char* const secret = Bytes(given.secret);
  crypto_kdf_derive_from_key(key->encrypt.data(), kSealKeyBytes, kForEncrypting, kDerivation,
                             secret);
  crypto_kdf_derive_from_key(key->sign.data(), kSealKeyBytes, kForSigning, kDerivation, secret);
  crypto_kdf_derive_from_key(check, sizeof(check), kForChecking, kDerivation, secret);
  key->check = Hex(check, sizeof(check));
  keys_.push_back(std::move(key));
  return Status::Ok();
}

const Keyring::Key* Keyring::Find(std::string_view id) const {
  for (const auto& key : keys_) {
    if (key->id == id) return key.get();
  }
  return nullptr;
}

std::vector<Keyring::KeyCheck> Keyring::Checks() const {
  std::vector<KeyCheck> checks;
  for (const auto& key : keys_) checks.push_back({.id = key->id, .value = key->check});
  return checks;
}

Status Keyring::CheckSealing(Sealing asked) const {
  if (asked > Sealing::kSign) {
    return Invalid("sealing is " + std::to_string(static_cast<int>(asked)) +
                   "; default (0), none (1), encrypt (2) or sign (3) is accepted");
  }
  if (asked <= Sealing::kNone || !empty()) return Status::Ok();
  return Invalid(std::string("sealing is ") + (asked == Sealing::kEncrypt ? "encrypt" : "sign") +
                 "; the store was opened without keys (security.keys), so default or none is "
                 "accepted");
}

Sealing Keyring::ModeOf(Sealing asked, std::string_view data) const {
  if (empty()) return Sealing::kNone;
  if (asked != Sealing::kDefault) return asked;
  SealedParts parts;
  if (mode_ == Sealing::kEncrypt || !ParseSealed(data, &parts)) return mode_;
  if (parts.form == SealedForm::kEncrypted) return Sealing::kEncrypt;
  return parts.form == SealedForm::kSigned ? Sealing::kSign : mode_;
}

std::string Keyring::Seal(Sealing mode, const SealContext& context, std::string plain) const {
  if (mode == Sealing::kNone) return PlainForm(std::move(plain));
  const Key& key = *keys_.front();
  const bool encrypt = mode == Sealing::kEncrypt;
  const auto form = encrypt ? SealedForm::kEncrypted : SealedForm::kSigned;
  std::string stored = SealedHead(form, key.id, context.name);
  const size_t head = stored.size();
  const std::string associated = Associated(stored, context);
  if (!encrypt) {
    stored.resize(head + kSealMacBytes);
    Mac(key.sign, associated, plain, Bytes(&stored, head));
    return stored.append(plain);
  }
  stored.resize(head + kSealNonceBytes + plain.size() + kSealTagBytes);
  // 192 random bits: two equal ones are not to be feared, so no counter has to survive a crash.
  randombytes_buf(Bytes(&stored, head), kSealNonceBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      Bytes(&stored, head + kSealNonceBytes), nullptr, Bytes(plain), plain.size(),
      Bytes(associated), associated.size(), nullptr, Bytes(&stored, head), key.encrypt.data());
  return stored;
}

bool Keyring::OpenWith(const Key& key, const SealedParts& parts, const SealContext& context,
                       std::string* plain) {
  const std::string associated = Associated(parts.head, context);
  if (parts.form == SealedForm::kSigned) {
    unsigned char mac[kSealMacBytes];
    const std::string_view rest = parts.rest.substr(kSealMacBytes);
    Mac(key.sign, associated, rest, mac);
    if (sodium_memcmp(mac, parts.rest.data(), kSealMacBytes) != 0) return false;
    *plain = rest;
    return true;
  }
  const std::string_view sealed = parts.rest.substr(kSealNonceBytes);
  plain->resize(sealed.size() - kSealTagBytes);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(
             Bytes(plain, 0), nullptr, nullptr, Bytes(sealed), sealed.size(), Bytes(associated),
             associated.size(), Bytes(parts.rest), key.encrypt.data()) == 0;
}

Status Keyring::CheckPlain(SealField field) const {
  if (!require_ || field == SealField::kError) return Status::Ok();
  return Status(Code::kPermissionDenied,
                "the payload (" + std::string(FieldName(field)) +
                    ") is not sealed; this store accepts sealed ones only (security.require)");
}

Result<std::string> Keyring::Open(const SealContext& context, std::string stored) const {
  if (!LooksSealed(stored)) [[likely]] {
    RETURN_IF_ERROR(CheckPlain(context.field));
    return stored;
  }
  SealedParts parts;
  if (!ParseSealed(stored, &parts)) {
    return Altered("the payload looks sealed and is cut off or altered");
  }
  if (parts.form == SealedForm::kPlain) {
    RETURN_IF_ERROR(CheckPlain(context.field));
    return std::string(parts.rest);
  }
  const Key* const key = Find(parts.key_id);
  if (!key) {
    return Status(Code::kPermissionDenied, "the payload (" + std::string(FieldName(context.field)) +
                                               ") is sealed with key " + Quoted(parts.key_id) +
                                               ", which this process was not given");
  }
  if (!context.name.empty() && context.name != parts.name) {
    return Altered("the payload was sealed for task " + Quoted(parts.name) + ", not for " +
                   Quoted(context.name));
  }
  std::string plain;
  if (OpenWith(*key, parts, context, &plain)) return plain;
  return Altered("the payload was not sealed as " + std::string(FieldName(context.field)) +
                 " of queue " + Quoted(context.queue) + " with this key " + Quoted(parts.key_id) +
                 ", or was altered since");
}

}  // namespace millrace
