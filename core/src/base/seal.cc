#include "base/seal.h"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/macros.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "\xffmsl";
enum class Form : uint8_t { kEncrypted = 1, kSigned = 2, kPlain = 3 };

constexpr size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr size_t kMacBytes = 32;
constexpr size_t kCheckBytes = 16;

// One key each for what is derived from an owner's key, so that no use weakens another.
constexpr char kDerivation[crypto_kdf_CONTEXTBYTES + 1] = "millrace";
enum Purpose : uint64_t { kForEncrypting = 1, kForSigning = 2, kForChecking = 3 };
static_assert(kSealKeyBytes == crypto_kdf_KEYBYTES);
static_assert(kSealKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string* text, size_t at) {
  return reinterpret_cast<unsigned char*>(text->data()) + at;
}

// A name has at most 255 bytes; that of a damaged record may be longer, and its cut form matches
// none.
void AppendShort(std::string* out, std::string_view text) {
  text = text.substr(0, kNameMaxBytes);
  out->push_back(static_cast<char>(text.size()));
  out->append(text);
}

bool ReadShort(std::string_view* from, std::string_view* text) {
  if (from->empty()) return false;
  const size_t size = static_cast<unsigned char>(from->front());
  if (from->size() <= size) return false;
  *text = from->substr(1, size);
  from->remove_prefix(1 + size);
  return true;
}

// A payload taken apart.
struct Frame {
  Form form = Form::kPlain;
  std::string_view key_id;
  std::string_view name;
  std::string_view head;  // everything before `rest`
  std::string_view rest;
};

// False for bytes that no version of Seal can have written.
bool Parse(std::string_view stored, Frame* frame) {
  std::string_view rest = stored;
  if (!LooksSealed(rest)) return false;
  rest.remove_prefix(kMagic.size());
  if (rest.empty()) return false;
  frame->form = static_cast<Form>(rest.front());
  rest.remove_prefix(1);
  size_t least = 0;
  if (frame->form == Form::kEncrypted || frame->form == Form::kSigned) {
    if (!ReadShort(&rest, &frame->key_id) || !ReadShort(&rest, &frame->name)) return false;
    least = frame->form == Form::kSigned ? kMacBytes : kNonceBytes + kTagBytes;
  } else if (frame->form != Form::kPlain) {
    return false;
  }
  frame->head = stored.substr(0, stored.size() - rest.size());
  frame->rest = rest;
  return rest.size() >= least;
}

// What is authenticated beside the payload.
std::string Associated(std::string_view head, const SealContext& context) {
  std::string bytes(head);
  bytes.push_back(static_cast<char>(context.field));
  AppendShort(&bytes, context.queue);
  return bytes;
}

void Mac(const SecretKey& key, std::string_view associated, std::string_view plain,
         unsigned char out[kMacBytes]) {
  crypto_generichash_state state;
  // Its own length first: otherwise its end and the beginning of the payload could trade places.
  const uint64_t size = associated.size();
  unsigned char prefix[8];
  for (size_t i = 0; i < sizeof(prefix); ++i) {
    prefix[i] = static_cast<unsigned char>(size >> (8 * i));
  }
  crypto_generichash_init(&state, key.data(), kSealKeyBytes, kMacBytes);
  crypto_generichash_update(&state, prefix, sizeof(prefix));
  crypto_generichash_update(&state, Bytes(associated), associated.size());
  crypto_generichash_update(&state, Bytes(plain), plain.size());
  crypto_generichash_final(&state, out, kMacBytes);
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

Status NoSuchKey(std::string_view id) {
  return Status(Code::kPermissionDenied, "the payload is sealed with key " + Quoted(id) +
                                             ", which this process was not given");
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

bool LooksSealed(std::string_view stored) {
  return stored.substr(0, kMagic.size()) == kMagic;
}

std::string PlainForm(std::string plain) {
  if (!LooksSealed(plain)) [[likely]]
    return plain;
  std::string stored(kMagic);
  stored.push_back(static_cast<char>(Form::kPlain));
  return stored + plain;
}

Result<std::string> OpenPlain(std::string_view stored) {
  if (!LooksSealed(stored)) return std::string(stored);
  Frame frame;
  if (!Parse(stored, &frame)) return Altered("the payload looks sealed and is cut off or altered");
  if (frame.form == Form::kPlain) return std::string(frame.rest);
  return NoSuchKey(frame.key_id);
}

std::string SealedKeyId(std::string_view stored) {
  Frame frame;
  return std::string(Parse(stored, &frame) ? frame.key_id : std::string_view());
}

std::string SealedPlaceholder(std::string_view stored) {
  std::string json = R"({"$sealed":)";
  AppendJsonString(&json, SealedKeyId(stored));
  return json + "}";
}

Result<std::unique_ptr<const Keyring>> Keyring::Create(const std::vector<SealKey>& keys,
                                                       bool require) {
  if (sodium_init() < 0) return Status(Code::kInternal, "libsodium cannot be initialised");
  if (keys.empty()) return Invalid("keys is empty; at least one key is accepted");
  std::unique_ptr<Keyring> ring(new Keyring(require));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string argument = "keys[" + std::to_string(i) + "]";
    const SealKey& given = keys[i];
    RETURN_IF_ERROR(CheckKeyId(given.id, argument));
    if (ring->Find(given.id)) {
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
    ring->keys_.push_back(std::move(key));
  }
  return std::unique_ptr<const Keyring>(std::move(ring));
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

std::string Keyring::Seal(SealMode mode, const SealContext& context, std::string_view plain) const {
  if (mode == SealMode::kNone) return PlainForm(std::string(plain));
  const Key& key = *keys_.front();
  const bool encrypt = mode == SealMode::kEncrypt;
  std::string stored(kMagic);
  stored.push_back(static_cast<char>(encrypt ? Form::kEncrypted : Form::kSigned));
  AppendShort(&stored, key.id);
  AppendShort(&stored, context.name);
  const size_t head = stored.size();
  const std::string associated = Associated(stored, context);
  if (!encrypt) {
    stored.resize(head + kMacBytes);
    Mac(key.sign, associated, plain, Bytes(&stored, head));
    return stored.append(plain);
  }
  stored.resize(head + kNonceBytes + plain.size() + kTagBytes);
  // 192 random bits: two equal ones are not to be feared, so no counter has to survive a crash.
  randombytes_buf(Bytes(&stored, head), kNonceBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      Bytes(&stored, head + kNonceBytes), nullptr, Bytes(plain), plain.size(), Bytes(associated),
      associated.size(), nullptr, Bytes(&stored, head), key.encrypt.data());
  return stored;
}

Result<std::string> Keyring::Open(const SealContext& context, std::string_view stored) const {
  Frame frame;
  const bool sealed = LooksSealed(stored);
  if (sealed && !Parse(stored, &frame)) {
    return Altered("the payload looks sealed and is cut off or altered");
  }
  if (frame.form == Form::kPlain) {
    if (require_ && context.field != SealField::kError) {
      return Status(Code::kPermissionDenied,
                    std::string("the payload (") + FieldName(context.field) +
                        ") is not sealed; this store accepts sealed ones only (require)");
    }
    return std::string(sealed ? frame.rest : stored);
  }
  const Key* const key = Find(frame.key_id);
  if (!key) return NoSuchKey(frame.key_id);
  if (!context.name.empty() && context.name != frame.name) {
    return Altered("the payload was sealed for task " + Quoted(frame.name) + ", not for " +
                   Quoted(context.name));
  }
  const std::string associated = Associated(frame.head, context);
  const Status refused = Altered(
      "the payload was not sealed as " + std::string(FieldName(context.field)) + " of queue " +
      Quoted(context.queue) + " with this key " + Quoted(frame.key_id) + ", or was altered since");
  if (frame.form == Form::kSigned) {
    unsigned char mac[kMacBytes];
    const std::string_view plain = frame.rest.substr(kMacBytes);
    Mac(key->sign, associated, plain, mac);
    if (sodium_memcmp(mac, frame.rest.data(), kMacBytes) != 0) return refused;
    return std::string(plain);
  }
  const std::string_view sealed_part = frame.rest.substr(kNonceBytes);
  std::string plain(sealed_part.size() - kTagBytes, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          Bytes(&plain, 0), nullptr, nullptr, Bytes(sealed_part), sealed_part.size(),
          Bytes(associated), associated.size(), Bytes(frame.rest), key->encrypt.data()) != 0) {
    return refused;
  }
  return plain;
}

}  // namespace millrace
