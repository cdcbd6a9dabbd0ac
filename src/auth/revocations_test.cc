// Which tokens a revocation covers, and for how long.
#include "auth/revocations.h"

#include <gtest/gtest.h>

#include "auth/token_verifier.h"
#include "testing/fake_clock.h"

namespace tw::auth {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::string_view kSecret = "a secret of at least thirty-two bytes";

class RevocationsTest : public ::testing::Test {
 protected:
  std::string Token(const std::string& more) {
    const auto now = std::chrono::duration_cast<seconds>(clock_.Wall().time_since_epoch()).count();
    auto token = MintToken(R"({"role":"authenticated","exp":)" + std::to_string(now + 9'999) + more +
                               "}",
                           kSecret, Algorithm::kHs256);
    EXPECT_TRUE(token.ok());
    return *token;
  }
  // Issued `ago` seconds before now.
  std::string Issued(int ago, const std::string& more) {
    const auto now = std::chrono::duration_cast<seconds>(clock_.Wall().time_since_epoch()).count();
    return Token(R"(,"iat":)" + std::to_string(now - ago) + more);
  }
  void Revoke(RevokedBy by, const std::string& value) {
    all_.push_back({by, value, clock_.Wall(), clock_.Wall() + hours{1}});
    verifier_.SetRevocations(std::make_shared<const Revocations>(all_));
  }
  bool Good(const std::string& token) {
    const auto verified = verifier_.Verify(token);
    if (!verified) {
      EXPECT_EQ(verified.error().code, AuthErrorCode::kRevoked);
    }
    return verified.has_value();
  }
  static JwtKey Key() {
    static constexpr Algorithm kAlgorithms[] = {Algorithm::kHs256};
    auto key = JwtKey::Create(kSecret, kAlgorithms);
    EXPECT_TRUE(key.ok());
    return std::move(*key);
  }

  testing::FakeClock clock_;
  telemetry::Registry metrics_;
  TokenVerifier verifier_{Key(), ApiKeys(), clock_, metrics_};
  std::vector<Revocation> all_;
};

TEST_F(RevocationsTest, TokensThatWereIssuedBeforeAreRefusedAlsoWhenTheyAreRemembered) {
  const std::string old = Issued(5, R"(,"sub":"ann")");
  EXPECT_TRUE(Good(old));
  Revoke(RevokedBy::kSubject, "ann");
  EXPECT_FALSE(Good(old));
  EXPECT_FALSE(Good(Issued(0, R"(,"sub":"ann")")));
  EXPECT_FALSE(Good(Token(R"(,"sub":"ann")")));  // It does not say when.
  EXPECT_TRUE(Good(Issued(5, R"(,"sub":"bob")")));
  EXPECT_TRUE(Good(Issued(5, "")));
  // She signs in again.
  clock_.Advance(seconds{2});
  EXPECT_TRUE(Good(Issued(0, R"(,"sub":"ann")")));
}

TEST_F(RevocationsTest, ASessionOrOneTokenMayBeMeant) {
  Revoke(RevokedBy::kSession, "s1");
  Revoke(RevokedBy::kToken, "t1");
  EXPECT_FALSE(Good(Issued(5, R"(,"sub":"ann","session_id":"s1")")));
  EXPECT_TRUE(Good(Issued(5, R"(,"sub":"ann","session_id":"s2")")));
  EXPECT_FALSE(Good(Issued(5, R"(,"jti":"t1")")));
  EXPECT_TRUE(Good(Issued(5, R"(,"jti":"t2","session_id":7,"sub":"t1")")));
  // A token's id is not given twice.
  clock_.Advance(seconds{60});
  EXPECT_FALSE(Good(Issued(0, R"(,"jti":"t1")")));
}

TEST_F(RevocationsTest, TheLatestOfOneValueCounts) {
  Revoke(RevokedBy::kSubject, "ann");
  const std::string token = Issued(-30, R"(,"sub":"ann")");
  EXPECT_TRUE(Good(token));
  clock_.Advance(seconds{60});
  Revoke(RevokedBy::kSubject, "ann");
  EXPECT_FALSE(Good(token));
}

}  // namespace
}  // namespace tw::auth
