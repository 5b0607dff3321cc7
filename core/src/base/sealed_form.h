// How a sealed payload is laid out. It describes itself, so the store's schema does not:
//
//   ff 'm' 's' 'l' | form u8 | n u8, key id | n u8, task's name | the rest by form
//     1 encrypted   nonce 24 | XChaCha20 ciphertext | Poly1305 tag 16
//     2 signed      keyed BLAKE2b 32 | the plain bytes
//     3 plain       the plain bytes; only for those that would otherwise look sealed. No texts.
//
// 0xff begins no UTF-8 text, so no JSON looks sealed. Never change what a form means.
#ifndef MILLRACE_BASE_SEALED_FORM_H_
#define MILLRACE_BASE_SEALED_FORM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr size_t kSealNonceBytes = 24;
inline constexpr size_t kSealTagBytes = 16;
inline constexpr size_t kSealMacBytes = 32;

enum class SealedForm : uint8_t { kEncrypted = 1, kSigned = 2, kPlain = 3 };

// A payload taken apart; views into it.
struct SealedParts {
  SealedForm form = SealedForm::kPlain;
  std::string_view key_id;
  std::string_view name;
  std::string_view head;  // everything before `rest`
  std::string_view rest;
};

// Whether bytes begin as a sealed payload does: then they must be opened before they can be shown.
bool LooksSealed(std::string_view stored);

// False for bytes that do not look sealed, and for those that are cut off or of an unknown form.
bool ParseSealed(std::string_view stored, SealedParts* parts);

// The id of the key that a payload was sealed with, of which the first 64 bytes are enough; empty
// if it is not sealed.
std::string SealedKeyId(std::string_view head);

// What comes before the rest; of each text the first 255 bytes.
std::string SealedHead(SealedForm form, std::string_view key_id, std::string_view name);

// The form in which plain bytes are stored: themselves, unless they would look sealed.
std::string PlainForm(std::string plain);

// What lists show in place of a payload that cannot be opened: {"$sealed":"<key id>"}.
std::string SealedPlaceholder(std::string_view stored);

// A text with its length before it, cut to 255 bytes: names have no more, and the cut form of a
// damaged record's matches none.
void AppendShortText(std::string* out, std::string_view text);

}  // namespace millrace

#endif  // MILLRACE_BASE_SEALED_FORM_H_
