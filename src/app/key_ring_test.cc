// Published keys: renewed, kept when that fails, asked for no more often than allowed.
#include "app/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "auth/jwks.h"
#include "testing/matchers.h"

namespace tw::app {
namespace {

using std::chrono::milliseconds;
using testing::FailsWith;
using testing::IsOk;
using ::testing::HasSubstr;

// RFC 8037 appendix A: its key, and the key of appendix A.4 under another id.
constexpr std::string_view kSet =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one",)"
    R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
constexpr std::string_view kNewSet =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"two",)"
    R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

// Answers at once, on the caller's thread.
class FakeIssuer final : public fetch::Transport {
 public:
  void Send(fetch::Request request, fetch::Done done) override {
    Result<fetch::Response> answer = Fail(ErrorCode::kUnavailable, "as told");
    {
      const std::lock_guard lock(mutex_);
      last_ = std::move(request);
      if (status_ != 0) {
        fetch::Response response;
        response.status = status_;
        response.body = body_;
        answer = std::move(response);
      }
    }
    ++asked;
    done(std::move(answer));
  }
  void Say(int status, std::string_view body) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    body_ = body;
  }
  fetch::Request last() const {
    const std::lock_guard lock(mutex_);
    fetch::Request copy;
    copy.url = last_.url;
    copy.redirects_max = last_.redirects_max;
    copy.response_bytes_max = last_.response_bytes_max;
    return copy;
  }

  std::atomic<int> asked{0};

 private:
  mutable std::mutex mutex_;
  fetch::Request last_;
  int status_ = 200;
  std::string body_{kSet};
};

class KeyRingTest : public ::testing::Test {
 protected:
  void Start(const KeyRingOptions& options) {
    AuthConfig config;
    IssuerConfig issuer;
    issuer.issuer = "https://id.example";
    issuer.jwks_url = "https://id.example/jwks.json";
    config.issuers.push_back(issuer);
    auto ring = KeyRing::Create(config, &issuer_, SystemClock(), metrics_, options);
    ASSERT_THAT(ring, IsOk());
    ring_ = std::move(*ring);
    ring_->Start();
    ring_->OnChange([this](const auth::JwtKey&) { ++told_; });
  }
  // What a token with this key id, signed by nobody, is refused with.
  auth::AuthErrorCode Asked(const std::string& kid) {
    const std::string header =
        kid == "one" ? "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9" : "eyJhbGciOiJFZERTQSIsImtpZCI6InR3byJ9";
    return ring_->keys().Verify(header + ".e30.AA").error().code;
  }
  static bool Within(milliseconds time, const std::function<bool()>& what) {
    for (const MonoTime end = SystemClock().Mono() + time; !what();) {
      if (SystemClock().Mono() > end) return false;
      std::this_thread::sleep_for(milliseconds{2});
    }
    return true;
  }

  telemetry::Registry metrics_;
  FakeIssuer issuer_;
  std::atomic<int> told_{0};
  std::unique_ptr<KeyRing> ring_;
};

TEST_F(KeyRingTest, KeysAreThereAfterTheStartAndRenewed) {
  Start({.refresh = milliseconds{20}});
  EXPECT_EQ(issuer_.last().url, "https://id.example/jwks.json");
  EXPECT_EQ(issuer_.last().redirects_max, 0u);
  EXPECT_EQ(issuer_.last().response_bytes_max, 256u << 10);
  EXPECT_EQ(Asked("one"), auth::AuthErrorCode::kSignature);
  EXPECT_EQ(Asked("two"), auth::AuthErrorCode::kNoKey);
  // Now, and perhaps once more for the fetch that Start waited for.
  EXPECT_GE(told_.load(), 1);
  issuer_.Say(200, kNewSet);
  EXPECT_TRUE(Within(milliseconds{5'000},
                     [&] { return Asked("two") == auth::AuthErrorCode::kSignature; }));
  EXPECT_EQ(Asked("one"), auth::AuthErrorCode::kNoKey);
  EXPECT_TRUE(Within(milliseconds{5'000}, [&] { return told_.load() >= 2; }));
}

TEST_F(KeyRingTest, FormerKeysStayWhateverTheIssuerAnswers) {
  Start({.refresh = milliseconds{5}, .retry = milliseconds{5}});
  const std::pair<int, std::string_view> answers[] = {
      {0, ""},                 // Unreachable, too slow, too large.
      {302, ""},               // A redirect is no answer.
      {500, kNewSet},
      {200, "not json"},
      {200, R"({"keys":[]})"},
      {200, R"({"keys":[{"kty":"oct","kid":"two","k":"c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"}]})"}};
  for (const auto& [status, body] : answers) {
    issuer_.Say(status, body);
    const int before = issuer_.asked.load();
    EXPECT_TRUE(Within(milliseconds{5'000}, [&] { return issuer_.asked.load() > before + 2; }));
    EXPECT_EQ(Asked("one"), auth::AuthErrorCode::kSignature) << status << " " << body;
  }
  EXPECT_LE(told_.load(), 2);
  EXPECT_GE(metrics_.GetCounter("tidewire_auth_jwks_fetches_total", "",
                                {{"outcome", "failed"}}).value(), 12u);
}

TEST_F(KeyRingTest, UnknownKeyIdsAskAgainButNotForEach) {
  Start({.refresh = milliseconds{60'000}, .unknown_wait = milliseconds{100}});
  issuer_.Say(200, kNewSet);
  const MonoTime begin = SystemClock().Mono();
  while (SystemClock().Mono() - begin < milliseconds{450}) {
    ring_->WantUnknown();
    std::this_thread::sleep_for(milliseconds{1});
  }
  EXPECT_GE(issuer_.asked.load(), 2);
  EXPECT_LE(issuer_.asked.load(), 6);
  EXPECT_EQ(Asked("two"), auth::AuthErrorCode::kSignature);
}

TEST_F(KeyRingTest, AReloadAsksAtOnceAndKeepsKeysOnError) {
  Start({.refresh = milliseconds{60'000}});
  issuer_.Say(200, kNewSet);
  AuthConfig config;
  config.issuers.emplace_back().issuer = "x";  // No address.
  EXPECT_THAT(ring_->Reload(config), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("jwks_url")));
  EXPECT_EQ(issuer_.asked.load(), 1);
  config.issuers[0].jwks_url = "https://id.example/jwks.json";
  EXPECT_THAT(ring_->Reload(config), IsOk());
  EXPECT_TRUE(Within(milliseconds{5'000}, [&] { return issuer_.asked.load() == 2; }));
  EXPECT_TRUE(Within(milliseconds{5'000},
                     [&] { return Asked("two") == auth::AuthErrorCode::kSignature; }));
}

TEST_F(KeyRingTest, StopsAtOnceWhileAnIssuerIsSilent) {
  class Silent final : public fetch::Transport {
   public:
    void Send(fetch::Request, fetch::Done done) override { kept.push_back(std::move(done)); }
    std::vector<fetch::Done> kept;
  } silent;
  AuthConfig config;
  IssuerConfig issuer;
  issuer.issuer = "https://id.example";
  issuer.jwks_url = "https://id.example/jwks.json";
  config.issuers.push_back(issuer);
  auto ring = KeyRing::Create(config, &silent, SystemClock(), metrics_,
                              {.first_wait = milliseconds{20}});
  ASSERT_THAT(ring, IsOk());
  const MonoTime begin = SystemClock().Mono();
  (*ring)->Start();
  (*ring)->Stop();
  EXPECT_LT(SystemClock().Mono() - begin, milliseconds{2'000});
  for (auto& done : silent.kept) done(Fail(ErrorCode::kUnavailable, "late"));
}

}  // namespace
}  // namespace tw::app
