#include "base/seal.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/text.h"
#include "catch.h"

namespace millrace {
namespace {

std::string Secret(char seed) {
  std::string secret(kSealKeyBytes, '\0');
  for (size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<char>(seed * 7 + 13 * i);
  return secret;
}

std::string RandomBytes(size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(RandomBits64());
  return bytes;
}

std::unique_ptr<const Keyring> Ring(const Security& security) {
  auto ring = Keyring::Create(security);
  REQUIRE(ring.ok());
  return std::move(*ring);
}

std::unique_ptr<const Keyring> Ring(bool require = false) {
  return Ring(Security{.keys = {{.id = "k1", .secret = Secret(1)}}, .require = require});
}

std::unique_ptr<const Keyring> Ring(std::vector<SecurityKey> keys) {
  return Ring(Security{.keys = std::move(keys)});
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr SealContext kContext{.field = SealField::kData, .queue = "mail", .name = "send"};
constexpr Sealing kBoth[] = {Sealing::kSign, Sealing::kEncrypt};

TEST_CASE("what was sealed opens again, whatever its bytes", "[base][seal]") {
  const auto ring = Ring();
  for (const Sealing mode : {Sealing::kNone, Sealing::kSign, Sealing::kEncrypt}) {
    for (const size_t size : {0, 1, 2, 31, 64, 1'000, 70'000}) {
      for (const std::string& plain :
           {RandomBytes(size), std::string(size, '{'), "\xffmsl" + RandomBytes(size)}) {
        const std::string stored = ring->Seal(mode, kContext, plain);
        auto opened = ring->Open(kContext, stored);
        REQUIRE(opened.ok());
        REQUIRE(*opened == plain);
      }
    }
  }
}

TEST_CASE("an encrypted payload shows nothing, a signed one is readable", "[base][seal]") {
  const auto ring = Ring();
  const std::string plain = R"({"card":"4111 1111 1111 1111"})";
  const std::string encrypted = ring->Seal(Sealing::kEncrypt, kContext, plain);
  CHECK_FALSE(Has(encrypted, "4111"));
  CHECK(ring->Seal(Sealing::kEncrypt, kContext, plain) != encrypted);  // another nonce
  CHECK(Has(ring->Seal(Sealing::kSign, kContext, plain), plain));
  CHECK(ring->Seal(Sealing::kNone, kContext, plain) == plain);
}

TEST_CASE("nothing sealed is UTF-8, and a list shows its key", "[base][seal]") {
  const auto ring = Ring();
  for (const Sealing mode : kBoth) {
    const std::string stored = ring->Seal(mode, kContext, "{}");
    CHECK(LooksSealed(stored));
    CHECK_FALSE(IsValidUtf8(stored));
    CHECK(SealedPlaceholder(stored) == R"({"$sealed":"k1"})");
  }
}

TEST_CASE("every flipped bit is refused", "[base][seal]") {
  const auto strict = Ring(true);
  const auto lenient = Ring();
  for (const Sealing mode : kBoth) {
    const std::string stored = strict->Seal(mode, kContext, R"({"to":"ann"})");
    for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
      std::string altered = stored;
      altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
      if (strict->Open(kContext, altered).ok())
        FAIL("bit " << bit << " of mode " << static_cast<int>(mode));
      // Without `require` the bytes pass that no longer say that they are sealed, as they stand.
      const bool plain = !LooksSealed(altered) || altered[4] == 3;
      if (lenient->Open(kContext, altered).ok() != plain)
        FAIL("bit " << bit << " of mode " << static_cast<int>(mode));
    }
  }
}

TEST_CASE("a payload with a byte too few or too many is refused", "[base][seal]") {
  const auto ring = Ring();
  for (const Sealing mode : kBoth) {
    const std::string stored = ring->Seal(mode, kContext, R"({"to":"ann"})");
    for (size_t size = 4; size < stored.size(); ++size) {
      auto opened = ring->Open(kContext, stored.substr(0, size));
      if (opened.ok()) FAIL("cut to " << size << " in mode " << static_cast<int>(mode));
    }
    auto longer = ring->Open(kContext, stored + " ");
    REQUIRE_FALSE(longer.ok());
    CHECK(longer.status().code() == Code::kCorrupt);
  }
}

TEST_CASE("random bytes behind the mark never open", "[base][seal]") {
  const auto ring = Ring();
  const auto none = Ring(Security());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = "\xffmsl" + RandomBytes(RandomBits64() % 120);
    if (bytes.size() > 4) bytes[4] = static_cast<char>(1 + RandomBits64() % 2);
    if (i % 2 == 0 && bytes.size() > 10) bytes.replace(5, 3, "\x02k1");  // a key that is there
    CHECK_FALSE(ring->Open(kContext, bytes).ok());
    CHECK_FALSE(none->Open(kContext, bytes).ok());
    CHECK(IsValidUtf8(SealedPlaceholder(bytes)));
  }
}

TEST_CASE("a payload of another place is refused", "[base][seal]") {
  const auto ring = Ring();
  for (const Sealing mode : kBoth) {
    const std::string stored = ring->Seal(mode, kContext, "{}");
    for (const SealField field : {SealField::kResult, SealField::kError, SealField::kProgress,
                                  SealField::kLog, SealField::kCheckpoint, SealField::kEvent}) {
      SealContext other = kContext;
      other.field = field;
      CHECK_FALSE(ring->Open(other, stored).ok());
    }
    SealContext queue = kContext;
    queue.queue = "mai";
    CHECK(ring->Open(queue, stored).status().code() == Code::kCorrupt);
    SealContext name = kContext;
    name.name = "sen";
    auto refused = ring->Open(name, stored);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == Code::kCorrupt);
    CHECK(Has(refused.status().message(), R"("send", not for "sen")"));
    SealContext any = kContext;
    any.name = {};  // a reader of events knows no name: the payload's own is authenticated
    CHECK(ring->Open(any, stored).ok());
    std::string renamed = stored;
    renamed[renamed.find("send")] = 'l';
    CHECK_FALSE(ring->Open(any, renamed).ok());
  }
}

TEST_CASE("another key under the same id, or an id that is not here, is told", "[base][seal]") {
  const auto ring = Ring();
  const auto wrong = Ring({{.id = "k1", .secret = Secret(2)}});
  const auto other = Ring({{.id = "k2", .secret = Secret(1)}});
  const auto none = Ring(Security());
  for (const Sealing mode : kBoth) {
    const std::string stored = ring->Seal(mode, kContext, "{}");
    auto refused = wrong->Open(kContext, stored);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == Code::kCorrupt);
    CHECK(Has(refused.status().message(), "\"k1\""));
    refused = other->Open(kContext, stored);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == Code::kPermissionDenied);
    CHECK(Has(refused.status().message(), "\"k1\""));
    refused = none->Open(kContext, stored);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == Code::kPermissionDenied);
    CHECK(Has(refused.status().message(), "\"k1\""));
  }
}

TEST_CASE("after a rotation the old key opens and the new one seals", "[base][seal]") {
  const auto before = Ring();
  const auto after = Ring({{.id = "k2", .secret = Secret(2)}, {.id = "k1", .secret = Secret(1)}});
  for (const Sealing mode : kBoth) {
    const std::string old_form = before->Seal(mode, kContext, "old");
    auto opened = after->Open(kContext, old_form);
    REQUIRE(opened.ok());
    CHECK(*opened == "old");
    const std::string new_form = after->Seal(mode, kContext, "new");
    CHECK(Has(SealedPlaceholder(new_form), "\"k2\""));
    CHECK_FALSE(before->Open(kContext, new_form).ok());
  }
}

TEST_CASE("plain payloads pass until sealed ones are required", "[base][seal]") {
  const auto lenient = Ring();
  const auto strict = Ring(true);
  const std::string escaped = PlainForm("\xffmsl");
  REQUIRE(escaped.size() == 9);
  for (const std::string& stored : {std::string("{}"), std::string(), escaped}) {
    CHECK(lenient->Open(kContext, stored).ok());
    auto refused = strict->Open(kContext, stored);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == Code::kPermissionDenied);
    CHECK(Has(refused.status().message(), "not sealed"));
  }
  // The core's own errors are plain.
  SealContext error = kContext;
  error.field = SealField::kError;
  CHECK(strict->Open(error, R"({"type":"WorkerLost"})").ok());
  for (const Sealing mode : kBoth) {
    CHECK(strict->Open(kContext, lenient->Seal(mode, kContext, "{}")).ok());
  }
}

TEST_CASE("without keys nothing is sealed, and nothing can be asked for", "[base][seal]") {
  const auto none = Ring(Security());
  CHECK(none->empty());
  CHECK(none->Checks().empty());
  CHECK(none->ModeOf(Sealing::kDefault) == Sealing::kNone);
  for (const std::string& plain : {std::string(), std::string("{}"), std::string("\xff"),
                                   std::string("\xffmsl"), PlainForm("\xffmsl")}) {
    auto opened = none->Open(kContext, none->Seal(Sealing::kNone, kContext, plain));
    REQUIRE(opened.ok());
    CHECK(*opened == plain);
  }
  CHECK(none->CheckSealing(Sealing::kDefault).ok());
  CHECK(none->CheckSealing(Sealing::kNone).ok());
  const Status refused = none->CheckSealing(Sealing::kEncrypt);
  CHECK(refused.code() == Code::kInvalidArgument);
  CHECK(Has(refused.message(), "sealing is encrypt"));
  CHECK(Has(none->CheckSealing(Sealing::kSign).message(), "sealing is sign"));
  CHECK(none->CheckSealing(static_cast<Sealing>(4)).code() == Code::kInvalidArgument);
  CHECK(Ring()->CheckSealing(Sealing::kSign).ok());
  CHECK(Ring()->CheckSealing(static_cast<Sealing>(4)).code() == Code::kInvalidArgument);
}

TEST_CASE("a job's own sealing counts, then the store's, no weaker than its data", "[base][seal]") {
  const std::vector<SecurityKey> keys = {{.id = "k1", .secret = Secret(1)}};
  const auto encrypting = Ring(keys);
  const auto signing = Ring(Security{.keys = keys, .mode = Sealing::kSign});
  const auto opening = Ring(Security{.keys = keys, .mode = Sealing::kNone});
  for (const Sealing asked : {Sealing::kNone, Sealing::kEncrypt, Sealing::kSign}) {
    CHECK(encrypting->ModeOf(asked) == asked);
    CHECK(opening->ModeOf(asked) == asked);
  }
  CHECK(encrypting->ModeOf(Sealing::kDefault) == Sealing::kEncrypt);
  CHECK(signing->ModeOf(Sealing::kDefault) == Sealing::kSign);
  CHECK(opening->ModeOf(Sealing::kDefault) == Sealing::kNone);
  const std::string encrypted = encrypting->Seal(Sealing::kEncrypt, kContext, "{}");
  const std::string signed_data = encrypting->Seal(Sealing::kSign, kContext, "{}");
  CHECK(encrypting->ModeOf(Sealing::kDefault, signed_data) == Sealing::kEncrypt);
  CHECK(signing->ModeOf(Sealing::kDefault, encrypted) == Sealing::kEncrypt);
  CHECK(opening->ModeOf(Sealing::kDefault, encrypted) == Sealing::kEncrypt);
  CHECK(opening->ModeOf(Sealing::kDefault, signed_data) == Sealing::kSign);
  CHECK(signing->ModeOf(Sealing::kDefault, PlainForm("\xffmsl")) == Sealing::kSign);
  CHECK(opening->ModeOf(Sealing::kNone, encrypted) == Sealing::kNone);
}

TEST_CASE("a longer name than there can be is no way out", "[base][seal]") {
  const auto ring = Ring();
  const std::string name(300, 'n');
  const SealContext context{.field = SealField::kLog, .queue = name, .name = name};
  const std::string stored = ring->Seal(Sealing::kEncrypt, context, "x");
  CHECK_FALSE(ring->Open(context, stored).ok());
}

TEST_CASE("bad keys are refused with what is accepted, never showing a secret", "[base][seal]") {
  struct Bad {
    std::vector<SecurityKey> keys;
    std::string part;
  };
  const std::string good = Secret(1);
  const Bad cases[] = {
      {{{.id = "", .secret = good}}, "keys[0].id is \"\""},
      {{{.id = "a b", .secret = good}}, "keys[0].id is \"a b\""},
      {{{.id = "\xc3\xa4", .secret = good}}, "keys[0].id"},
      {{{.id = std::string(33, 'a'), .secret = good}}, "1 to 32"},
      {{{.id = "k", .secret = good.substr(1)}}, "has 31 bytes; exactly 32"},
      {{{.id = "k", .secret = good + "!"}}, "has 33 bytes; exactly 32"},
      {{{.id = "k", .secret = ""}}, "has 0 bytes"},
      {{{.id = "a", .secret = good}, {.id = "a", .secret = good}}, "keys[1].id is \"a\" again"},
  };
  for (const Bad& bad : cases) {
    auto ring = Keyring::Create({.keys = bad.keys});
    REQUIRE_FALSE(ring.ok());
    CHECK(ring.status().code() == Code::kInvalidArgument);
    CHECK(Has(ring.status().message(), bad.part));
    CHECK_FALSE(Has(ring.status().message(), good.substr(0, 8)));
  }
  auto ring = Keyring::Create({.require = true});
  CHECK(ring.status().code() == Code::kInvalidArgument);
  CHECK(Has(ring.status().message(), "security.require"));
  for (const int mode : {0, 4}) {
    ring = Keyring::Create({.mode = static_cast<Sealing>(mode)});
    CHECK(ring.status().code() == Code::kInvalidArgument);
    CHECK(Has(ring.status().message(), "security.mode is " + std::to_string(mode)));
  }
  CHECK(Keyring::Create({.keys = {{.id = std::string(32, 'Z'), .secret = good}}}).ok());
}

TEST_CASE("a key's check value is its own and does not hold the key", "[base][seal]") {
  const auto ring = Ring({{.id = "a", .secret = Secret(1)}, {.id = "b", .secret = Secret(2)}});
  const auto checks = ring->Checks();
  REQUIRE(checks.size() == 2);
  CHECK(checks[0].id == "a");
  CHECK(checks[0].value.size() == 32);
  CHECK(checks[0].value != checks[1].value);
  CHECK(Ring({{.id = "c", .secret = Secret(1)}})->Checks()[0].value == checks[0].value);
}

// The bytes are looked at where the object was: that is the promise.
TEST_CASE("a key is zeroed when it is let go of", "[base][seal]") {
  alignas(SecretKey) unsigned char memory[sizeof(SecretKey)];
  auto* const key = new (memory) SecretKey();
  std::fill_n(key->data(), kSealKeyBytes, static_cast<unsigned char>(0xa5));
  key->~SecretKey();
  CHECK(std::all_of(std::begin(memory), std::end(memory), [](unsigned char b) { return b == 0; }));

  std::string text = Secret(3) + Secret(4);
  const char* const at = text.data();
  const size_t size = text.size();
  text.resize(5);
  WipeText(&text);
  CHECK(text.empty());
  text.resize(size);  // fits: the memory is still the same
  REQUIRE(text.data() == at);
  CHECK(text == std::string(size, '\0'));
}

}  // namespace
}  // namespace millrace
