// The table of routes and the static files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "gateway/assets.h"
#include "gateway/routes.h"

namespace tw::gateway {
namespace {

std::string_view PathOf(std::string_view method, std::string_view path) {
  const RouteMatch match = FindRoute(method, path);
  return match.route == nullptr ? "" : match.route->path;
}

TEST(RoutesTest, TheFirstThatFitsWinsAndTheCatchAllStandsLast) {
  EXPECT_EQ(PathOf("GET", "/health/live"), "/health/live");
  EXPECT_EQ(PathOf("GET", "/rest/v1/notes"), "/rest/v1/");
  EXPECT_EQ(PathOf("POST", "/hooks/a/b/c"), "/hooks/");
  EXPECT_EQ(PathOf("GET", "/"), "/");
  EXPECT_EQ(PathOf("GET", "/assets/a.js"), "/");
  EXPECT_EQ(Routes().back().path, "/");
}

TEST(RoutesTest, AnExactPathTakesNoMoreAndNoLess) {
  for (const char* path : {"/health/live/", "/health/live2", "/Health/live", "/health//live",
                           "/realtime/v1/websocket/x", "/rest/v1", "/hooks"}) {
    EXPECT_EQ(PathOf("GET", path), "/") << path;
    EXPECT_EQ(FindRoute("POST", path).route, nullptr) << path;
    EXPECT_EQ(FindRoute("POST", path).allowed_methods, "") << path;
  }
}

TEST(RoutesTest, AMethodIsMatchedExactlyAndTheRightOneNamed) {
  for (const char* method : {"get", "HEAD", "DELETE", "", "GET "}) {
    const RouteMatch match = FindRoute(method, "/health/live");
    EXPECT_EQ(match.route, nullptr) << method;
    EXPECT_EQ(match.allowed_methods, "GET") << method;
  }
  EXPECT_EQ(FindRoute("PUT", "/hooks/a").allowed_methods, "POST, GET");
  EXPECT_EQ(FindRoute("PUT", "/rest/v1/notes").allowed_methods, "GET, POST, PATCH, DELETE");
  EXPECT_EQ(FindRoute("PUT", "/realtime/v1/sse").allowed_methods, "GET, POST");
  EXPECT_EQ(FindRoute("POST", "/unknown").allowed_methods, "");
}

// A request that no route asks a token for must be one that says why: see RouteAuth.
TEST(RoutesTest, OnlyTheseAreOpenToEverybody) {
  std::set<std::string> open;
  for (const Route& route : Routes()) {
    if (route.auth == RouteAuth::kOpen) open.emplace(route.path);
    EXPECT_TRUE(route.path.starts_with('/')) << route.path;
    EXPECT_NE(route.handle, nullptr) << route.path;
    if (route.method == "GET") {
      EXPECT_EQ(route.body_bytes_max, 0u) << route.path;
    }
  }
  EXPECT_THAT(open, ::testing::UnorderedElementsAre("/health", "/health/live",
                                                    "/health/ready", "/metrics",
                                                    "/demo/config.json", "/", "/healthcheck",
                                                    "/api/ping", "/realtime/v1/api/ping"));
}

TEST(RoutesTest, NoTwoAreTheSame) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Route& route : Routes()) {
    EXPECT_TRUE(seen.emplace(route.method, route.path).second) << route.path;
  }
}

TEST(AssetsTest, AFileIsFoundByItsWholePathOnly) {
  const Assets assets({{"/index.html", "page"}, {"/a.js", "a"}, {"/assets/b.css", "b"}});
  EXPECT_EQ(assets.Find("/")->bytes, "page");
  EXPECT_EQ(assets.Find("/index.html")->bytes, "page");
  EXPECT_EQ(assets.Find("/assets/b.css")->bytes, "b");
  for (const char* path :
       {"", "/a", "/a.jsx", "a.js", "/assets/", "/assets/../a.js", "//a.js", "/A.js", "/%61.js"}) {
    EXPECT_EQ(assets.Find(path), nullptr) << path;
  }
  EXPECT_EQ(Assets({}).Find("/"), nullptr);
  EXPECT_TRUE(Assets({}).empty());
}

TEST(AssetsTest, TheTypeFollowsTheExtension) {
  EXPECT_EQ(ContentType("/index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(ContentType("/assets/x.min.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(ContentType("/x.svg"), "image/svg+xml");
  EXPECT_EQ(ContentType("/x.unknown"), "application/octet-stream");
  EXPECT_EQ(ContentType("/js"), "application/octet-stream");
  EXPECT_EQ(ContentType(""), "application/octet-stream");
}

}  // namespace
}  // namespace tw::gateway
