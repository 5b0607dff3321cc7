// Payloads that only holders of a key can read (encrypt), or that nobody else can have written
// (sign). Each is sealed on its own, see base/sealed_form.h. Beside the payload its head, the kind
// of the field and the queue are authenticated: a result cannot be passed off as data, nor the data
// of one task as that of another.
#ifndef MILLRACE_BASE_SEAL_H_
#define MILLRACE_BASE_SEAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/sealed_form.h"
#include "millrace/options.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

inline constexpr size_t kSealKeyBytes = 32;
inline constexpr size_t kSealKeyIdMaxBytes = 32;

// What a payload is. These values are authenticated with it: never change them.
enum class SealField : uint8_t {
  kData = 1,
  kResult = 2,
  kError = 3,
  kProgress = 4,
  kLog = 5,
  kCheckpoint = 6,
  kEvent = 7,  // data of a custom event; the name is the event's
};

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

// The keys of a store and how it uses them. Without keys it seals nothing, and opens what is plain.
// Immutable: any thread may call anything.
class Keyring {
 public:
  // kInvalidArgument: an id or a secret of another form, an id twice, an unknown mode, `require`
  // without keys; the message says which and never shows a secret.
  static Result<std::unique_ptr<const Keyring>> Create(const Security& security);
  // The one without keys.
  static const Keyring& Off();

  bool empty() const { return keys_.empty(); }
  bool Has(std::string_view id) const { return Find(id) != nullptr; }

  // Whether a job can ask for it: kInvalidArgument for an unknown value, or if it takes a key.
  Status CheckSealing(Sealing asked) const;

  // How a job's payloads are sealed: as it asks; else as the store does, but no weaker than its
  // data is in the store (`data`). Never kDefault.
  Sealing ModeOf(Sealing asked, std::string_view data = {}) const;

  // The stored form of `plain`, under the first key. `mode` as ModeOf gives it.
  std::string Seal(Sealing mode, const SealContext& context, std::string plain) const;

  // Whether Open would answer the bytes as they are: most do not need it.
  bool Passes(std::string_view stored) const { return !require_ && !LooksSealed(stored); }

  // The plain bytes of what Seal made. kPermissionDenied: sealed with a key that is not here, or
  // not sealed although that is required (errors excepted: the core itself writes some). kCorrupt:
  // altered, cut, of another field, queue or task, or sealed with another key of the same id. The
  // message names the key id.
  Result<std::string> Open(const SealContext& context, std::string stored) const;

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
  Keyring(Sealing mode, bool require) : mode_(mode), require_(require) {}
  Status Add(const SecurityKey& given, const std::string& argument);
  const Key* Find(std::string_view id) const;
  Status CheckPlain(SealField field) const;
  static bool OpenWith(const Key& key, const SealedParts& parts, const SealContext& context,
                       std::string* plain);

  const Sealing mode_;
  const bool require_;
  std::vector<std::unique_ptr<const Key>> keys_;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_SEAL_H_
