// The document names what the server serves.
#include "app/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "app/dev.h"
#include "gateway/routes.h"
#include "testing/matchers.h"

namespace tw::app {
namespace {

using testing::IsOk;

class OpenApiTest : public ::testing::Test {
 protected:
  OpenApiTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    const std::string directory = mkdtemp(pattern.data());
    SeededRandom random(1);
    const auto configuration = LoadConfiguration(*EmbeddedExample(), "tidewire.yaml",
                                                 ProcessEnvironment(DevEnvironment()));
    EXPECT_THAT(configuration, IsOk());
    auto text = OpenApi(*configuration, directory + "/schema.db", "1.2.3", random);
    std::filesystem::remove_all(directory);
    EXPECT_THAT(text, IsOk());
    auto parsed = json::Parse(*text);
    EXPECT_THAT(parsed, IsOk());
    document_ = std::move(*parsed);
  }
  json::Value root() const { return document_.root(); }
  json::Document document_;
};

// Other spellings of a path (kept for old clients), pages and what only `dev` has are not named.
TEST_F(OpenApiTest, EveryRouteIsNamed) {
  const std::set<std::string_view> unnamed = {
      "/socket/websocket", "/realtime/v1/api/broadcast/", "/api/broadcast", "/api/broadcast/",
      "/api/ping",         "/healthcheck",                "/demo/config.json", "/"};
  for (const gateway::Route& route : gateway::Routes()) {
    if (unnamed.contains(route.path)) continue;
    // A handshake of the webhook's sender, which sources may have.
    if (route.path == "/hooks/" && route.method == "GET") continue;
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](char c) { return std::tolower(c); });
    bool named = false;
    for (const json::Member& item : root()["paths"].members()) {
      const bool fits = route.path.ends_with('/') ? item.key.starts_with(route.path)
                                                  : item.key == route.path;
      named = named || (fits && item.value[method].is_object());
    }
    EXPECT_TRUE(named) << route.method << " " << route.path;
  }
}

TEST_F(OpenApiTest, QueriesAndTablesHaveTheirTypes) {
  EXPECT_EQ(root()["info"]["version"].GetString(), "1.2.3");
  const json::Value query = root()["paths"]["/v1/queries/leads.by_workspace"]["get"];
  EXPECT_EQ(query["parameters"].items()[1].ToText(),
            R"({"name":"limit","in":"query","required":false,"schema":)"
            R"({"type":"integer","format":"int64","minimum":1,"maximum":500,"default":100}})");
  const json::Value lead = root()["components"]["schemas"]["client_leads"]["properties"];
  EXPECT_EQ(lead["updated_at"].ToText(), R"({"type":["string","null"],"format":"date-time"})");
  const json::Value insert = root()["components"]["schemas"]["client_leads.insert"];
  EXPECT_THAT(insert.ToText(), ::testing::HasSubstr("\"lead_email\""));
}

}  // namespace
}  // namespace tw::app
