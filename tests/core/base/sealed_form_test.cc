#include "base/sealed_form.h"

#include <string>

#include "base/text.h"
#include "catch.h"

namespace millrace {
namespace {

std::string Payload(SealedForm form, const std::string& rest) {
  return SealedHead(form, "k1", "send") + rest;
}

TEST_CASE("a payload is taken apart as it was put together", "[base][seal]") {
  const std::string rest = std::string(kSealNonceBytes + kSealTagBytes, 'n') + "body";
  for (const SealedForm form : {SealedForm::kEncrypted, SealedForm::kSigned}) {
    const std::string stored = Payload(form, rest);
    SealedParts parts;
    REQUIRE(ParseSealed(stored, &parts));
    CHECK(parts.form == form);
    CHECK(parts.key_id == "k1");
    CHECK(parts.name == "send");
    CHECK(parts.head == SealedHead(form, "k1", "send"));
    CHECK(parts.rest == rest);
  }
}

TEST_CASE("the head of a payload says which key it needs", "[base][seal]") {
  const std::string id(32, 'k');
  const std::string stored = SealedHead(SealedForm::kEncrypted, id, std::string(200, 'n'));
  CHECK(SealedKeyId(stored.substr(0, 64)) == id);
  CHECK(SealedKeyId(stored.substr(0, 20)).empty());
  CHECK(SealedKeyId("{}").empty());
  CHECK(SealedKeyId("\xffmsl").empty());
  CHECK(SealedKeyId(PlainForm(stored)).empty());
}

TEST_CASE("bytes that no version has written do not parse", "[base][seal]") {
  SealedParts parts;
  CHECK_FALSE(ParseSealed("", &parts));
  CHECK_FALSE(ParseSealed("{}", &parts));
  CHECK_FALSE(ParseSealed("\xffmsl", &parts));
  for (const char form : {'\0', '\4', '\x7f', '\xff'}) {
    CHECK_FALSE(ParseSealed(std::string("\xffmsl") + form + std::string(100, '\1'), &parts));
  }
  const std::string least(kSealMacBytes, 'm');
  CHECK(ParseSealed(Payload(SealedForm::kSigned, least), &parts));
  CHECK_FALSE(ParseSealed(Payload(SealedForm::kSigned, least.substr(1)), &parts));
  // A length that points beyond the end.
  CHECK_FALSE(ParseSealed("\xffmsl\x01\xff" + std::string(254, 'k'), &parts));
}

TEST_CASE("plain bytes that look sealed are told from sealed ones", "[base][seal]") {
  CHECK(PlainForm("{}") == "{}");
  CHECK(PlainForm("\xffmsx") == "\xffmsx");
  for (const std::string& plain :
       {std::string("\xffmsl"), Payload(SealedForm::kSigned, "x"), PlainForm("\xffmsl")}) {
    const std::string stored = PlainForm(plain);
    CHECK(stored != plain);
    SealedParts parts;
    REQUIRE(ParseSealed(stored, &parts));
    CHECK(parts.form == SealedForm::kPlain);
    CHECK(parts.rest == plain);
  }
}

TEST_CASE("no text looks sealed", "[base][seal]") {
  CHECK_FALSE(LooksSealed("{}"));
  CHECK_FALSE(LooksSealed(""));
  CHECK_FALSE(LooksSealed("\xff"));
  CHECK_FALSE(IsValidUtf8("\xffmsl"));
}

TEST_CASE("a placeholder is JSON, whatever stands in the file", "[base][seal]") {
  const std::string rest(kSealMacBytes, 'm');
  CHECK(SealedPlaceholder(Payload(SealedForm::kSigned, rest)) == R"({"$sealed":"k1"})");
  CHECK(SealedPlaceholder("\xffmsl") == R"({"$sealed":""})");
  const std::string odd = SealedHead(SealedForm::kSigned, "\"\xff\n", "") + rest;
  CHECK(IsJson(SealedPlaceholder(odd), 4));
}

TEST_CASE("a longer text than there can be is cut", "[base][seal]") {
  std::string out;
  AppendShortText(&out, std::string(300, 'n'));
  CHECK(out.size() == 256);
  CHECK(out[0] == '\xff');
}

}  // namespace
}  // namespace millrace
