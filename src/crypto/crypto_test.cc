#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "crypto/crc32c.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "testing/matchers.h"

namespace tw::crypto {
namespace {

using ::tw::testing::FailsWith;
using ::tw::testing::IsOkAndHolds;

std::string Hex(const Digest& digest) {
  return EncodeHex(digest.view());
}

// FIPS 180-4 examples: "abc".
TEST(HashTest, KnownAnswers) {
  EXPECT_EQ(Hex(Sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Hash(HashAlgorithm::kSha384, "abc")),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(Hex(Sha512("abc")),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(Hex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HashTest, PartsGiveTheSameDigestAsTheWhole) {
  SeededRandom random(1);
  for (const auto algorithm : {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                               HashAlgorithm::kSha512}) {
    const std::string message = random.Hex(500);
    Hasher hasher(algorithm);
    for (size_t at = 0; at < message.size();) {
      const size_t size = random.Below(200);
      hasher.Update(std::string_view(message).substr(at, size));
      at += size;
    }
    EXPECT_EQ(hasher.Finish(), Hash(algorithm, message));
  }
}

// RFC 2202 §3 and RFC 4231 §4.2-4.7.
TEST(HmacTest, KnownAnswers) {
  const std::string key20(20, '\x0b');
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha1, key20).Mac("Hi There")),
            "b617318655057264e28bc0b6fb378c8ef146be00");
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha256, key20).Mac("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha384, key20).Mac("Hi There")),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
            "faea9ea9076ede7f4af152e8b2fa9cb6");
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha512, key20).Mac("Hi There")),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha256, "Jefe").Mac("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HmacTest, KeysLongerThanABlockAreHashedFirst) {
  const std::string key(131, '\xaa');
  EXPECT_EQ(Hex(HmacKey(HashAlgorithm::kSha256, key)
                    .Mac("Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, PartsAreConcatenatedAndTheKeyIsReusable) {
  const HmacKey key(HashAlgorithm::kSha256, "secret");
  const Digest whole = key.Mac("1700000000.{\"id\":1}");
  EXPECT_EQ(key.Mac({"1700000000", ".", "{\"id\":1}"}), whole);
  EXPECT_EQ(key.Mac({"", "1700000000.{\"id\":1}", ""}), whole);
  EXPECT_NE(key.Mac("1700000000.{\"id\":2}"), whole);
}

TEST(EqualSecretsTest, ComparesBytesAndSizes) {
  EXPECT_TRUE(EqualSecrets("", ""));
  EXPECT_TRUE(EqualSecrets("abc", "abc"));
  EXPECT_FALSE(EqualSecrets("abc", "abd"));
  EXPECT_FALSE(EqualSecrets("abc", "ab"));
  EXPECT_TRUE(EqualSecrets(std::string_view("a\0b", 3), std::string_view("a\0b", 3)));
}

TEST(HexTest, RoundTripsAndAcceptsBothCases) {
  const std::string bytes("\x00\x7f\x80\xff", 4);
  EXPECT_EQ(EncodeHex(bytes), "007f80ff");
  EXPECT_THAT(DecodeHex("007f80ff"), IsOkAndHolds(bytes));
  EXPECT_THAT(DecodeHex("007F80Ff"), IsOkAndHolds(bytes));
  EXPECT_THAT(DecodeHex(""), IsOkAndHolds(""));
}

TEST(HexTest, RefusesEverythingElse) {
  for (const char* text : {"0", "0g", "0x00", " 00", "00 ", "é0"}) {
    EXPECT_THAT(DecodeHex(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

// RFC 4648 §10.
TEST(Base64Test, KnownAnswers) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_THAT(DecodeBase64(text), IsOkAndHolds(bytes));
    const std::string bare(text, std::string_view(text).find_last_not_of('=') + 1);
    EXPECT_THAT(DecodeBase64(bare), IsOkAndHolds(bytes)) << "padding is optional";
    EXPECT_EQ(EncodeBase64Url(bytes), bare);
    EXPECT_THAT(DecodeBase64Url(bare), IsOkAndHolds(bytes));
  }
}

TEST(Base64Test, AlphabetsDifferInTwoCharacters) {
  EXPECT_EQ(EncodeBase64("\xfb\xff\xfe"), "+//+");
  EXPECT_EQ(EncodeBase64Url("\xfb\xff\xfe"), "-__-");
  EXPECT_THAT(DecodeBase64("-__-"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(DecodeBase64Url("+//+"), FailsWith(ErrorCode::kInvalidArgument));
}

TEST(Base64Test, RandomBytesRoundTrip) {
  SeededRandom random(2);
  for (size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    EXPECT_THAT(DecodeBase64(EncodeBase64(bytes)), IsOkAndHolds(bytes));
    EXPECT_THAT(DecodeBase64Url(EncodeBase64Url(bytes)), IsOkAndHolds(bytes));
    EXPECT_THAT(DecodeHex(EncodeHex(bytes)), IsOkAndHolds(bytes));
  }
}

TEST(Base64Test, RefusesEverythingElse) {
  for (const char* text : {"Z", "Zg=", "=", "==", "====", "Zg===", "Z===", "Zh==", "Zm9=", "Zh",
                           "Zm9v ", " Zm9v", "Zm\n9v", "Zm9v=", "Zg==Zg==", "Z=g=", "Zm9é"}) {
    EXPECT_THAT(DecodeBase64(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
  EXPECT_THAT(DecodeBase64Url("Zg=="), FailsWith(ErrorCode::kInvalidArgument));
}

// RFC 3720 appendix B.4.
TEST(Crc32cTest, KnownAnswers) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32cTest, HardwareAndTablesAgreeAndPartsExtend) {
  SeededRandom random(3);
  const std::string bytes = random.Hex(300);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string_view prefix = std::string_view(bytes).substr(0, size);
    EXPECT_EQ(ExtendCrc32c(0, prefix), ExtendCrc32cPortable(0, prefix));
    const size_t cut = random.Below(size + 1);
    EXPECT_EQ(ExtendCrc32c(Crc32c(prefix.substr(0, cut)), prefix.substr(cut)), Crc32c(prefix));
    EXPECT_EQ(ExtendCrc32cPortable(Crc32c(prefix.substr(0, cut)), prefix.substr(cut)),
              Crc32c(prefix));
  }
}

}  // namespace
}  // namespace tw::crypto
