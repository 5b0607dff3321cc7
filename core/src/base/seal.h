// Payloads that only holders of a key can read (encrypt), or that nobody else can have written
// (sign). A sealed payload describes itself, so readers need no schema of their own:
//
//   ff 'm' 's' 'l' | form u8 | n u8, key id | n u8, task's name | the rest by form
//     1 encrypted   nonce 24 | XChaCha20 ciphertext | Poly1305 tag 16
//     2 signed      keyed BLAKE2b 32 | the plain bytes
//     3 plain       the plain bytes; only for those that would otherwise look sealed. No ids.
//
// 0xff begins no UTF-8 text, so no JSON looks sealed. The head, the kind of the field and the queue
// are authenticated with the payload: a result cannot be passed off as data, nor the data of one
// task as that of another. Never change what a form means.
#ifndef MILLRACE_BASE_SEAL_H_
#define MILLRACE_BASE_SEAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/status.h"

namespace millrace {

inline constexpr size_t kSealKeyBytes = 32;
inline constexpr size_t kSealKeyIdMaxBytes = 64;

// What a payload is. These values are authenticated with it: never change them.
enum class SealField : uint8_t {
  kData = 1,
  kResult = 2,
  kError = 3,
  kProgress = 4,
  kLog = 5,
  kCheckpoint = 6,
};

enum class SealMode : uint8_t { kNone = 0, kSign = 1, kEncrypt = 2 };

// Where a payload belongs.
struct SealContext {
  SealField field = SealField::kData;
  std::string_view queue = {};
  std::string_view name = {};  // the task's; for Open, empty: whichever the payload says
};

// 32 bytes that are zeroed when they are let go of. Neither copied nor moved: no trace stays
// behind.
class SecretKey {
 public:
  SecretKey() = default;
  ~SecretKey();
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  unsigned char* data() { return bytes_.data(); }
  const unsigned char* data() const { return bytes_.data(); }

 private:
  std::array<unsigned char, kSealKeyBytes> bytes_{};
};

// Zeroes the text's memory, then empties it.
void WipeText(std::string* text);

// A key as its owner gives it: `secret` is 32 random bytes.
struct SealKey {
  std::string id = {};  // 1..64 of A-Z a-z 0-9 . _ -
  std::string secret = {};
};

// The keys of a store. Immutable: any thread may call anything. Must outlive what it is given to.
class Keyring {
 public:
  // The first key seals, all of them open. `require`: what is not sealed is refused by Open, the
  // errors excepted that the core itself writes; without it plain payloads pass, as they must while
  // a store goes over to sealed ones. kInvalidArgument: no key, an id or a secret of another form,
  // an id twice; the message says which and never shows a secret.
  static Result<std::unique_ptr<const Keyring>> Create(const std::vector<SealKey>& keys,
                                                       bool require);

  // The sealed form of `plain` under the first key; with kNone its plain form. Of the context's
  // texts the first 255 bytes count: names have no more.
  std::string Seal(SealMode mode, const SealContext& context, std::string_view plain) const;

  // The plain bytes of what Seal or PlainForm made. kPermissionDenied: sealed with a key that is
  // not here, or not sealed although that is required. kCorrupt: altered, cut, of another field,
  // queue or task, or sealed with another key of the same id. The message names the key id.
  Result<std::string> Open(const SealContext& context, std::string_view stored) const;

  struct KeyCheck {
    std::string id;
    std::string value;  // 32 hexadecimal digits that tell two keys apart and give neither away
  };
  // One of each key, in their order: the store keeps them, so that a wrong key is told at once.
  std::vector<KeyCheck> Checks() const;

 private:
  struct Key {
    std::string id;
    SecretKey encrypt;
    SecretKey sign;
    std::string check;
  };
  explicit Keyring(bool require) : require_(require) {}
  const Key* Find(std::string_view id) const;

  const bool require_;
  std::vector<std::unique_ptr<const Key>> keys_;
};

// Whether bytes from the store need Open (or OpenPlain) before they can be shown.
bool LooksSealed(std::string_view stored);

// The form in which plain bytes are stored: themselves, unless they would look sealed.
std::string PlainForm(std::string plain);

// Open without a keyring: plain bytes, or kPermissionDenied that names the key which is needed.
Result<std::string> OpenPlain(std::string_view stored);

// The id of the key that sealed it; empty if it is not sealed or makes no sense.
std::string SealedKeyId(std::string_view stored);

// What lists show in place of a payload that cannot be opened: {"$sealed":"<key id>"}.
std::string SealedPlaceholder(std::string_view stored);

}  // namespace millrace

#endif  // MILLRACE_BASE_SEAL_H_
