// The whole server over loopback: routes, tokens, connections.
#include "app/server.h"

#include <gmock/gmock.h>

#include "app/test_server.h"
#include "gateway/routes.h"

namespace tw::app {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::StartsWith;

class ServerTest : public ServerFixture {};

TEST_F(ServerTest, HealthMetricsAndWhatIsNotThere) {
  Start();
  EXPECT_EQ(Ask(Get("/health/live")).body, R"({"status":"ok"})");
  EXPECT_EQ(Ask(Get("/health/ready")).body, R"({"status":"ready"})");
  EXPECT_THAT(Metrics(), HasSubstr("tidewire_gateway_connections"));
  for (const char* path : {"/nothing", "/healthy", "/health/live/", "/rest", "/demo/config.json",
                           "/hooks/nobody/x", "/hooks/", "/../etc/passwd"}) {
    const Answer answer = Ask(Get(path));
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_THAT(answer.body, StartsWith(R"({"error":")")) << path;
  }
}

TEST_F(ServerTest, AWrongMethodOnAKnownPathIs405AndNamesTheRightOnes) {
  Start();
  const std::pair<const char*, const char*> cases[] = {
      {"/health/live", "GET"},           {"/health/ready", "GET"},     {"/metrics", "GET"},
      {"/realtime/v1/websocket", "GET"}, {"/socket/websocket", "GET"}, {"/v1/queries/q", "GET"},
      {"/hooks/outreach/dev", "POST, GET"},
  };
  for (const auto& [path, allow] : cases) {
    for (const char* method : {"DELETE", "PUT", "PATCH", "HEAD", "get", "FOO"}) {
      const Answer answer = Ask(std::string(method) + " " + path +
                                " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
      EXPECT_EQ(answer.status, 405) << method << " " << path;
      EXPECT_EQ(answer.Header("allow"), allow) << method << " " << path;
    }
  }
  EXPECT_EQ(Ask(Post("/nothing", "{}")).status, 404);
}

TEST_F(ServerTest, RefusalsOfATokenSayWhatRealtimeSays) {
  Start();
  const std::pair<std::string, const char*> cases[] = {
      {"", "API key is missing"},
      {Bearer("nonsense"), "The token provided is not a valid JWT"},
      {Bearer("a.b.c"), "The token provided is not a valid JWT"},
      {Bearer(Mint(R"({"role":"anon","exp":1})")), "Token has expired"},
      {Bearer(Mint(R"({"exp":4102444800})")), "Fields `role` and `exp` are required in JWT"},
      {Bearer(Mint(R"({"role":"anon"})")), "Fields `role` and `exp` are required in JWT"},
      {Bearer(Mint(R"({"role":"anon","exp":4102444800})", "another secret, long enough to be one")),
       "Failed to validate JWT signature"},
      {"apikey: sb_publishable_ffffffffffffffff\r\n", "Failed to validate JWT signature"},
  };
  for (const auto& [header, text] : cases) {
    const Answer answer = Ask(Get("/rest/v1/notes", header));
    EXPECT_EQ(answer.status, 401) << header;
    EXPECT_EQ(answer.body, "{\"error\":\"" + std::string(text) + "\"}") << header;
    EXPECT_EQ(answer.Header("access-control-allow-origin"), "*") << header;
  }
}

TEST_F(ServerTest, TheTokenMayComeAsBearerInAnyCaseOrAsApikey) {
  Start();
  const std::string alice = TokenOf("authenticated", "alice");
  for (const std::string& header :
       {Bearer(alice), "authorization: bEARER " + alice + "\r\n", "apikey: " + alice + "\r\n",
        "apikey: sb_publishable_0123456789abcdef\r\n" + Bearer(alice)}) {
    const Answer answer = Ask(Get("/rest/v1/notes?select=id&order=id", header));
    EXPECT_EQ(answer.status, 200) << header;
    EXPECT_EQ(answer.body, R"([{"id":1},{"id":3}])") << header;
  }
  EXPECT_EQ(Ask(Get("/rest/v1/notes", "apikey: sb_publishable_0123456789abcdef\r\n")).body, "[]");
}

TEST_F(ServerTest, TableReadsCarryPositionAndRangeAndErrorsPostgrestsShape) {
  Start();
  const std::string service = Bearer(TokenOf("service_role"));
  const Answer rows = Ask(Get("/rest/v1/notes?order=id&offset=1&limit=2", service));
  EXPECT_EQ(rows.status, 200);
  EXPECT_EQ(rows.Header("content-range"), "1-2/*");
  EXPECT_THAT(ParsePosition(rows.Header("tidewire-position")), IsOk());
  EXPECT_EQ(Ask(Get("/rest/v1/notes?id=eq.99", service)).Header("content-range"), "*/*");
  EXPECT_EQ(Ask(Get("/rest/v1/nowhere", service)).status, 404);
  EXPECT_THAT(Ask(Get("/rest/v1/nowhere", service)).body, HasSubstr("PGRST205"));
  EXPECT_EQ(Ask(Get("/rest/v1/notes?titel=eq.x", service)).status, 400);
  EXPECT_THAT(Ask(Get("/rest/v1/notes?titel=eq.x", service)).body,
              HasSubstr("did you mean 'title'?"));
  EXPECT_EQ(Ask(Get("/rest/v1/notes?title=eq.%zz", service)).status, 400);
  const std::string single = service + "Accept: application/vnd.pgrst.object+json\r\n";
  EXPECT_EQ(Ask(Get("/rest/v1/notes?select=id&id=eq.2", single)).body, R"({"id":2})");
  EXPECT_EQ(Ask(Get("/rest/v1/notes", single)).status, 406);
}

TEST_F(ServerTest, APreflightIsAnsweredOnAnyPath) {
  Start();
  for (const char* path : {"/rest/v1/notes", "/nothing"}) {
    const Answer answer = Ask("OPTIONS " + std::string(path) +
                              " HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a.example\r\n"
                              "Access-Control-Request-Method: GET\r\n\r\n");
    EXPECT_EQ(answer.status / 100, 2) << path;
    EXPECT_EQ(answer.Header("access-control-allow-origin"), "*") << path;
    EXPECT_THAT(answer.Header("access-control-allow-headers"), HasSubstr("apikey")) << path;
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  const std::string service = Bearer(TokenOf("service_role"));
  TestClient client(port());
  // Slow ones (another thread's) between fast ones.
  client.Send(Get("/rest/v1/notes?id=eq.1&select=id", service) + Get("/health/live") +
              Get("/rest/v1/notes?id=eq.2&select=id", service) + Get("/nothing") +
              Post("/hooks/outreach/dev", "{}") + Get("/health/ready"));
  EXPECT_EQ(client.ReadAnswer().body, R"([{"id":1}])");
  EXPECT_EQ(client.ReadAnswer().body, R"({"status":"ok"})");
  EXPECT_EQ(client.ReadAnswer().body, R"([{"id":2}])");
  EXPECT_EQ(client.ReadAnswer().status, 404);
  EXPECT_EQ(client.ReadAnswer().body, R"({"ok":true})");
  EXPECT_EQ(client.ReadAnswer().body, R"({"status":"ready"})");
}

TEST_F(ServerTest, AConnectionLivesOnUnlessItsClientOrAnErrorEndsIt) {
  Start();
  TestClient client(port());
  for (int i = 0; i < 50; ++i) ASSERT_EQ(client.Ask(Get("/health/live")).status, 200);
  EXPECT_EQ(client.Ask(Get("/health/live", "Connection: close\r\n")).status, 200);
  EXPECT_TRUE(client.ReadsEnd());
  TestClient old(port());
  EXPECT_EQ(old.Ask("GET /health/live HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.ReadsEnd());
  TestClient broken(port());
  EXPECT_EQ(broken.Ask("GET /health/live HTTP/1.1\r\n\r\n").status, 400);  // Without Host.
  EXPECT_TRUE(broken.ReadsEnd());
}

TEST_F(ServerTest, BrokenRequestsAreRefusedAndTheConnectionEnds) {
  Start();
  const std::pair<std::string, int> cases[] = {
      {"NONSENSE\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
       "Transfer-Encoding: chunked\r\n\r\n",
       400},
      {"GET /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 413},
  };
  for (const auto& [request, status] : cases) {
    TestClient client(port());
    EXPECT_EQ(client.Ask(request).status, status) << request.substr(0, 60);
  }
  EXPECT_EQ(Ask(Get("/health/live")).status, 200);
}

TEST_F(ServerTest, ARequestMayArriveByteByByte) {
  Start();
  TestClient client(port());
  client.SendByteByByte(Get("/rest/v1/notes?select=id&id=eq.1", Bearer(TokenOf("service_role"))));
  EXPECT_EQ(client.ReadAnswer().body, R"([{"id":1}])");
  client.SendByteByByte(Post("/hooks/outreach/dev", R"({"event":{"type":"x"}})"));
  EXPECT_EQ(client.ReadAnswer().status, 200);
}

TEST_F(ServerTest, ASlowHeadOrBodyIs408) {
  limits().request_timeout = 300ms;
  Start();
  for (const std::string& part :
       {std::string("GET /health/live HT"),
        std::string(
            "POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")}) {
    TestClient client(port());
    EXPECT_EQ(client.Ask(part).status, 408) << part;
    EXPECT_TRUE(client.ReadsEnd());
  }
  // One who says nothing gets nothing.
  TestClient silent(port());
  EXPECT_TRUE(silent.ReadsEnd());
}

TEST_F(ServerTest, ADevelopmentServerAnswersToLoopbackNamesOnly) {
  options_.hosts = gateway::Hosts::kLoopback;
  Start();
  const auto ask = [&](std::string_view host) {
    return Ask("GET /health/live HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").status;
  };
  for (const char* host :
       {"localhost", "localhost:4000", "LocalHost", "127.0.0.1:80", "[::1]", "[::1]:4000"}) {
    EXPECT_EQ(ask(host), 200) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "evil.example:4000", "0.0.0.0", "[::2]"}) {
    EXPECT_EQ(ask(host), 421) << host;
  }
}

TEST_F(ServerTest, ConnectionsBeyondTheLimitAreClosedUnanswered) {
  limits().connections_max = 2;
  Start();
  TestClient a(port());
  TestClient b(port());
  ASSERT_EQ(a.Ask(Get("/health/live")).status, 200);
  ASSERT_EQ(b.Ask(Get("/health/live")).status, 200);
  EXPECT_EQ(Ask(Get("/health/live")).status, 0);
  EXPECT_THAT(a.Ask(Get("/metrics")).body,
              HasSubstr("tidewire_gateway_refused_connections_total 1"));
}

TEST_F(ServerTest, TheLoopsShareAPortAndSeveralAnswer) {
  limits().loops = 3;
  Start();
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Ask(Get("/health/live")).status, 200);
}

TEST_F(ServerTest, AssetsAreServedWithTheirTypesAndThePolicyOfThePage) {
  options_.assets = {{"/index.html", "<p>hi"}, {"/assets/a-1.js", "x"}};
  options_.demo_config = R"({"a":1})";
  Start();
  const Answer page = Ask(Get("/"));
  EXPECT_EQ(page.body, "<p>hi");
  EXPECT_EQ(page.Header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.Header("cache-control"), "no-cache");
  EXPECT_THAT(page.Header("content-security-policy"), HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(Ask(Get("/assets/a-1.js?v=2")).Header("cache-control"), HasSubstr("immutable"));
  EXPECT_EQ(Ask(Get("/assets/../index.html")).status, 404);
  EXPECT_EQ(Ask(Get("/demo/config.json")).body, R"({"a":1})");
}

TEST_F(ServerTest, StopIsIdempotentAndTheDataOutlivesIt) {
  Start();
  const std::string service = Bearer(TokenOf("service_role"));
  ASSERT_EQ(Ask(Post("/hooks/outreach/dev", R"({"event":{"type":"x"}})")).status, 200);
  const std::string position =
      Ask(Get("/rest/v1/notes", service)).Header("tidewire-position").substr(0, 16);
  server_->Stop();
  server_->Stop();
  server_.reset();
  Start();
  EXPECT_EQ(Ask(Get("/rest/v1/notes", service)).Header("tidewire-position").substr(0, 16),
            position);
}

// What each caller gets: {no token, bad token, anon, service}. A new route needs a line here.
struct Expected {
  std::string_view method, path, target;
  std::string_view headers;
  int statuses[4];
};
constexpr Expected kExpected[] = {
    {"GET", "/health", "/health", "", {200, 200, 200, 200}},
    {"GET", "/health/live", "/health/live", "", {200, 200, 200, 200}},
    {"GET", "/health/ready", "/health/ready", "", {200, 200, 200, 200}},
    {"GET", "/metrics", "/metrics", "", {200, 200, 200, 200}},
    {"GET",
     "/realtime/v1/websocket",
     "/realtime/v1/websocket",
     kUpgradeHeaders,
     {401, 401, 101, 101}},
    {"GET", "/socket/websocket", "/socket/websocket", kUpgradeHeaders, {401, 401, 101, 101}},
    {"POST", "/realtime/v1/api/broadcast", "/realtime/v1/api/broadcast", "", {401, 401, 422, 422}},
    {"POST",
     "/realtime/v1/api/broadcast/",
     "/realtime/v1/api/broadcast/a/events/b",
     "",
     {401, 401, 202, 202}},
    {"POST", "/api/broadcast", "/api/broadcast", "", {401, 401, 422, 422}},
    {"POST",
     "/api/broadcast/",
     "/api/broadcast/a/events/b?private=true",
     "",
     {401, 401, 403, 202}},
    {"GET", "/realtime/v1/api/ping", "/realtime/v1/api/ping", "", {200, 200, 200, 200}},
    {"GET", "/api/ping", "/api/ping", "", {200, 200, 200, 200}},
    {"GET", "/healthcheck", "/healthcheck", "", {200, 200, 200, 200}},
    {"GET", "/realtime/v1/sse", "/realtime/v1/sse", "", {401, 401, 200, 200}},
    {"POST", "/realtime/v1/sse", "/realtime/v1/sse?session=0-0", "", {401, 401, 404, 404}},
    {"GET", "/realtime/v1/poll", "/realtime/v1/poll", "", {401, 401, 200, 200}},
    {"POST", "/realtime/v1/poll", "/realtime/v1/poll?session=0-0", "", {401, 401, 404, 404}},
    {"POST", "/hooks/", "/hooks/outreach/dev", "", {200, 200, 200, 200}},
    {"GET", "/hooks/", "/hooks/outreach/dev", "", {405, 405, 405, 405}},
    {"GET", "/rest/v1/", "/rest/v1/notes", "", {401, 401, 200, 200}},
    {"POST", "/rest/v1/", "/rest/v1/nowhere", "", {401, 401, 404, 404}},
    {"PATCH", "/rest/v1/", "/rest/v1/notes", "", {401, 401, 400, 400}},
    {"DELETE", "/rest/v1/", "/rest/v1/notes", "", {401, 401, 400, 400}},
    {"POST", "/v1/invalidate", "/v1/invalidate", "", {401, 401, 403, 400}},
    {"POST", "/v1/revocations", "/v1/revocations", "", {401, 401, 403, 400}},
    {"GET", "/v1/queries/", "/v1/queries/none", "", {401, 401, 404, 404}},
    {"GET", "/v1/explain/invalidation", "/v1/explain/invalidation", "", {401, 401, 403, 200}},
    {"GET", "/demo/config.json", "/demo/config.json", "", {404, 404, 404, 404}},
    {"GET", "/", "/", "", {404, 404, 404, 404}},
};

TEST_F(ServerTest, EveryRouteGivesEachCallerWhatItShould) {
  Start();
  const std::string tokens[] = {"", "bad", TokenOf("anon"), TokenOf("service_role")};
  for (const gateway::Route& route : gateway::Routes()) {
    const auto expected = std::ranges::find_if(kExpected, [&](const Expected& line) {
      return line.method == route.method && line.path == route.path;
    });
    ASSERT_NE(expected, std::end(kExpected))
        << route.method << " " << route.path << " has no line in kExpected";
    for (size_t caller = 0; caller < 4; ++caller) {
      std::string headers(expected->headers);
      if (!tokens[caller].empty()) {
        headers += Bearer(tokens[caller]) + "x-api-key: " + tokens[caller] + "\r\n";
      }
      std::string request = route.method == "POST" ? Post(expected->target, "{}", headers)
                                                   : Get(expected->target, headers);
      if (route.method != "POST") request.replace(0, 3, route.method);
      const Answer answer = Ask(request);
      EXPECT_EQ(answer.status, expected->statuses[caller])
          << route.method << " " << expected->target << ", caller " << caller;
    }
  }
}

}  // namespace
}  // namespace tw::app
