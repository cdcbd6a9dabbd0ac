#include "ingest/webhook/endpoint.h"

#include "crypto/encoding.h"
#include "ingest/outreach_fixture.h"
#include "ingest/webhook/verifiers.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using Kind = HookVerdict::Kind;
using Outcome = Verifier::Outcome;

constexpr char kBody[] = "{\"test\": 2432232314}";
constexpr char kStandardSecret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr char kStandardSignature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const WallTime kTime{std::chrono::seconds(1'614'265'330)};

// One provider's published or recomputed example (ingestion spec §2.3).
struct Golden {
  std::string preset;
  std::string secret;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  WallTime received_at = kTime;
  std::string public_url;  // Of schemes that sign the address; with the path and the query below.
  std::string method = "POST";
  std::string path;
  std::string query;
};

std::vector<Golden> Goldens() {
  const std::string slack =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id="
      "G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-"
      "collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F39770088"
      "5554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447"
      "fce8b6703c";
  return {
      {"standard-webhooks",
       kStandardSecret,
       kBody,
       {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
        {"webhook-timestamp", "1614265330"},
        {"webhook-signature", kStandardSignature}}},
      {"svix",
       kStandardSecret,
       kBody,
       {{"Svix-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
        {"Svix-Timestamp", "1614265330"},
        {"Svix-Signature", std::string("v1,AAAA v2,x ") + kStandardSignature}}},
      {"stripe",
       "whsec_test_secret",
       kBody,
       {{"Stripe-Signature",
         "t=1614265330,v1=10c96c6fd3f320fcfc264cdc4f476c15060ede8e8a08404cea2ddf3b72544a9c"}}},
      {"github",
       "It's a Secret to Everybody",
       "Hello, World!",
       {{"X-Hub-Signature-256",
         "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}}},
      {"slack",
       "8f742231b10e8888abcd99yyyzzz85a5",
       slack,
       {{"X-Slack-Signature",
         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
        {"X-Slack-Request-Timestamp", "1531420618"}},
       WallTime(std::chrono::seconds(1'531'420'618))},
      {"shopify",
       "hush",
       kBody,
       {{"X-Shopify-Hmac-Sha256", "GSMkouYq910XCW7wBeiXYHW1KhmYc/L3xj5h5r26zw4="}}},
      {"meta",
       "app_secret",
       "{\"text\":\"\\u00e4\\u00f6\\u00e5\"}",
       {{"X-Hub-Signature-256",
         "sha256=9d9c307fc216aea4c1f52ce87c47e7f0c570aa837887d3c8ddef2734a6dc7c3e"}}},
      {"standard-webhooks-v1a",
       "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
       kBody,
       {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
        {"webhook-timestamp", "1614265330"},
        {"webhook-signature",
         "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJa"
         "A7AZdpXwVLPo3mNl8EM+m7TBAg=="}}},
      {"twilio",
       "12345",
       "To=%2B18005551212&CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&"
       "From=%2B14158675309",
       {{"X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="}},
       kTime,
       "https://mycompany.com/",
       "POST",
       "/myapp.php",
       "foo=1&bar=2"},
      {"twilio-json",
       "12345",
       kBody,
       {{"X-Twilio-Signature", "JgX8XoSnEVQU+KjlaBd5cwvCIXQ="}},
       kTime,
       "https://example.com",
       "POST",
       "/hook",
       "bodySHA256=ae858931f67887e8150d6f96c9fe03062c1df36b4464c4ddc8e002c084d5d198"},
      {"hubspot",
       "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
       kBody,
       {{"X-HubSpot-Signature-v3", "6+ZHr1vr0IBG/zLunOwuHt4clvJYepnnfye4HcBHsVM="},
        {"X-HubSpot-Request-Timestamp", "1614265330000"}},
       kTime,
       "https://www.example.com",
       "POST",
       "/webhook_uri"},
  };
}

Outcome Judge(const Golden& golden, std::vector<std::string> secrets = {}) {
  if (secrets.empty()) secrets = {golden.secret};
  Scheme scheme = *FindPreset(golden.preset);
  scheme.public_url = golden.public_url;
  while (scheme.public_url.ends_with('/')) scheme.public_url.pop_back();
  const Verifier verifier = Must(Verifier::Create(scheme, secrets));
  std::vector<HookHeader> headers;
  for (const auto& [name, value] : golden.headers) headers.push_back({name, value});
  return verifier
      .Verify({.method = golden.method,
               .path = golden.path,
               .query = golden.query,
               .headers = headers,
               .body = golden.body,
               .received_at = golden.received_at},
              std::nullopt)
      .outcome;
}

// One in the form of the scheme's key that explains nothing.
std::string OtherSecret(const Golden& golden) {
  if (golden.preset == "standard-webhooks-v1a") {
    return "whpk_" + crypto::EncodeBase64(std::string(32, '\x01'));
  }
  const bool standard = golden.preset == "standard-webhooks" || golden.preset == "svix";
  return standard ? "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" : "other";
}

TEST(SignatureTest, GoldenVectorsVerify) {
  for (const Golden& golden : Goldens()) {
    EXPECT_EQ(Judge(golden), Outcome::kAuthentic) << golden.preset;
  }
}

TEST(SignatureTest, AnyChangeIsRefused) {
  for (Golden golden : Goldens()) {
    SCOPED_TRACE(golden.preset);
    Golden changed = golden;
    changed.body += " ";
    EXPECT_EQ(Judge(changed), Outcome::kMismatch);
    const std::string other = OtherSecret(golden);
    EXPECT_EQ(Judge(golden, {other}), Outcome::kMismatch);
    changed = golden;
    changed.headers.clear();
    EXPECT_EQ(Judge(changed), Outcome::kMissing);
  }
}

// W10.
TEST(SignatureTest, RotatedSecretsOverlap) {
  for (const Golden& golden : Goldens()) {
    const std::string next = OtherSecret(golden);
    EXPECT_EQ(Judge(golden, {next, golden.secret}), Outcome::kAuthentic) << golden.preset;
  }
}

TEST(SignatureTest, TheAddressIsPartOfWhatIsSigned) {
  for (Golden golden : Goldens()) {
    if (golden.public_url.empty()) continue;
    SCOPED_TRACE(golden.preset);
    golden.path += "x";
    EXPECT_EQ(Judge(golden), Outcome::kMismatch);
  }
}

// W12.
TEST(SignatureTest, TheReceiveTimeDecidesTheReplayWindow) {
  Golden standard = Goldens()[0];
  Golden stripe = Goldens()[2];
  using namespace std::chrono_literals;
  for (const auto& [skew, both, old_only] :
       {std::tuple{300s, Outcome::kAuthentic, Outcome::kAuthentic},
        std::tuple{301s, Outcome::kStale, Outcome::kStale},
        std::tuple{-300s, Outcome::kAuthentic, Outcome::kAuthentic},
        std::tuple{-360s, Outcome::kStale, Outcome::kAuthentic}}) {
    standard.received_at = stripe.received_at = kTime + skew;
    EXPECT_EQ(Judge(standard), both) << skew.count();
    EXPECT_EQ(Judge(stripe), old_only) << skew.count();
  }
}

TEST(SignatureTest, TimestampsAreStrictIntegers) {
  for (const char* text :
       {"", "1614265330x", " 1614265330", "+1614265330", "-1", "1e9", "16142653301614265330"}) {
    Golden golden = Goldens()[0];
    golden.headers[1].second = text;
    EXPECT_EQ(Judge(golden), Outcome::kMalformed) << text;
  }
}

TEST(SignatureTest, SecretsMustBeThereAndInForm) {
  EXPECT_THAT(Verifier::Create(*FindPreset("github"), {}), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Verifier::Create(*FindPreset("github"), std::vector<std::string>{""}),
              FailsWith(ErrorCode::kInvalidArgument));
  const std::vector<std::string> bad{"whsec_not base64!"};
  EXPECT_THAT(Verifier::Create(*FindPreset("svix"), bad),
              FailsWith(ErrorCode::kInvalidArgument, Not(HasSubstr("not base64"))));
}

TEST(SignatureTest, TokensAndBasicCredentials) {
  const std::vector<std::string> secrets{"old", "new"};
  const Verifier token = Must(Verifier::Create(*FindPreset("token"), secrets));
  const Verifier basic = Must(Verifier::Create(*FindPreset("basic"), secrets, "user"));
  const auto verify = [](const Verifier& verifier, std::string name, std::string value) {
    const HookHeader header{name, value};
    return verifier.Verify({.headers = {&header, 1}}, std::nullopt).outcome;
  };
  EXPECT_EQ(verify(token, "X-Webhook-Token", "new"), Outcome::kAuthentic);
  EXPECT_EQ(verify(token, "x-webhook-token", "ne"), Outcome::kMismatch);
  EXPECT_EQ(verify(token, "x-webhook-token", ""), Outcome::kMissing);
  const auto credentials = [](const char* text) { return "Basic " + crypto::EncodeBase64(text); };
  EXPECT_EQ(verify(basic, "Authorization", credentials("user:old")), Outcome::kAuthentic);
  EXPECT_EQ(verify(basic, "Authorization", credentials("other:old")), Outcome::kMismatch);
  EXPECT_EQ(verify(basic, "Authorization", "Basic !"), Outcome::kMalformed);
  EXPECT_EQ(verify(basic, "Authorization", "Bearer x"), Outcome::kMissing);
}

TEST(SignatureTest, AGenericSchemeIsMadeOfKnobs) {
  config::Problems problems;
  WebhookConfig webhook;
  webhook.path = Text(std::string("/hooks/x"));
  AuthenticateConfig entry;
  entry.scheme = Text(std::string("generic-hmac"));
  entry.secret.items = {config::Secret("key")};
  entry.header = Text(std::string("x-sig"));
  entry.encoding = Text(std::string("base64url"));
  entry.algorithm = Text(std::string("sha512"));
  entry.prefix = Text(std::string("s="));
  entry.message = Text(std::string("{header:x-ts}|{method}|{body}"));
  webhook.authenticate.any_of = {entry};
  const auto verifiers = BuildVerifiers(webhook, problems);
  ASSERT_TRUE(problems.empty()) << problems.ToStatus().error();
  const crypto::HmacKey key(crypto::HashAlgorithm::kSha512, "key");
  const std::string signature = "s=" + crypto::EncodeBase64Url(key.Mac("5|POST|{}").view()) + "==";
  const HookHeader headers[] = {{"X-Ts", "5"}, {"X-Sig", signature}};
  EXPECT_EQ(verifiers[0]
                .Verify({.method = "POST", .headers = headers, .body = "{}"}, std::nullopt)
                .outcome,
            Outcome::kAuthentic);
}

class EndpointTest : public OutreachTest {
 protected:
  EndpointTest() : endpoint_(Must(Endpoint::Create(*source_))) {}
  HookVerdict Post(std::string_view path, std::string_view body,
                   std::vector<HookHeader> headers = {}, std::string_view method = "POST") {
    return endpoint_->Judge(
        {.method = method, .path = path, .headers = headers, .body = body, .received_at = kTime});
  }
  std::unique_ptr<Endpoint> endpoint_;
};

TEST_F(EndpointTest, ThePathTokenIsTheCredentialAndIsNotKept) {
  const std::vector<HookHeader> headers{{"Content-Type", "application/json"},
                                        {"Authorization", "Bearer secret"},
                                        {"tidewire-signed-id", "forged"}};
  const HookVerdict verdict = Post("/hooks/outreach/dev", kBody, headers);
  EXPECT_EQ(verdict.kind, Kind::kAccept);
  EXPECT_EQ(verdict.reply.status, 200);
  EXPECT_EQ(verdict.reply.body, "{\"ok\":true}");
  EXPECT_EQ(verdict.delivery.body, kBody);
  EXPECT_EQ(verdict.delivery.source, "outreach");
  EXPECT_EQ(verdict.delivery.authentication, Authentication::kPathToken);
  EXPECT_THAT(verdict.delivery.headers,
              ::testing::ElementsAre(NamedText{"content-type", "application/json"}));
  EXPECT_TRUE(verdict.delivery.path_parameters.empty());
}

TEST_F(EndpointTest, AWrongTokenIsRefusedAndKeptWithoutIt) {
  const HookVerdict verdict = Post("/hooks/outreach/wrong", kBody);
  EXPECT_EQ(verdict.kind, Kind::kRefuse);
  EXPECT_EQ(verdict.reply.status, 401);
  EXPECT_EQ(verdict.reason, "mismatch");
  std::string stored;
  EncodeDelivery(verdict.delivery, stored);
  EXPECT_THAT(stored, Not(HasSubstr("wrong")));
}

TEST_F(EndpointTest, AValidSignatureIsEnoughWhateverThePath) {
  const std::vector<HookHeader> headers{{"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                                        {"Webhook-Timestamp", "1614265330"},
                                        {"Webhook-Signature", kStandardSignature}};
  const HookVerdict verdict = Post("/hooks/outreach/signed", kBody, headers);
  EXPECT_EQ(verdict.kind, Kind::kAccept);
  EXPECT_EQ(verdict.delivery.authentication, Authentication::kSignature);
  EXPECT_EQ(verdict.delivery.headers.back(),
            (NamedText{"tidewire-signed-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}));
  EXPECT_EQ(Post("/hooks/outreach/signed", "{}", headers).kind, Kind::kRefuse);
}

// W17.
TEST_F(EndpointTest, MalformedBodiesAreRefusedOnlyWhereNothingProvesThem) {
  EXPECT_EQ(Post("/hooks/outreach/dev", "{\"a\":").kind, Kind::kMalformed);
  EXPECT_EQ(Post("/hooks/outreach/dev", "{\"a\":").reply.status, 400);
  const crypto::HmacKey key(crypto::HashAlgorithm::kSha256,
                            *crypto::DecodeBase64(std::string_view(kStandardSecret).substr(6)));
  const std::string signature =
      "v1," + crypto::EncodeBase64(key.Mac("m.1614265330.{\"a\":").view());
  EXPECT_EQ(Post("/hooks/outreach/signed", "{\"a\":",
                 {{"webhook-id", "m"},
                  {"webhook-timestamp", "1614265330"},
                  {"webhook-signature", signature}})
                .kind,
            Kind::kAccept);
}

TEST_F(EndpointTest, OtherPathsMethodsAndSizesAreTold) {
  EXPECT_EQ(Post("/hooks/other/dev", kBody).kind, Kind::kNotFound);
  EXPECT_EQ(Post("/hooks/outreach/a/b", kBody).kind, Kind::kNotFound);
  EXPECT_EQ(Post("/hooks/outreach/", kBody).kind, Kind::kNotFound);
  const HookVerdict get = Post("/hooks/outreach/dev", "", {}, "GET");
  EXPECT_EQ(get.kind, Kind::kMethodNotAllowed);
  EXPECT_EQ(get.allow, "POST");
  EXPECT_EQ(endpoint_->body_bytes_max(), size_t{1} << 20);
  EXPECT_EQ(Post("/hooks/outreach/dev", std::string((1 << 20) + 1, ' ')).kind, Kind::kTooLarge);
}

}  // namespace
}  // namespace tw::ingest
