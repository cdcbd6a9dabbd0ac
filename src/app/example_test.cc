#include "app/example.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/matchers.h"

namespace tw::app {
namespace {

using testing::FailsWith;

TEST(DevUsersTest, NameSubjectRoleAndClaimsAreRead) {
  const auto users = ParseDevUsers(
      R"({"users":[{"name":"Ada","sub":"u1","claims":{"org":7,"tags":["a"]}},
                   {"name":"Ops","role":"service_role"}]})");
  ASSERT_TRUE(users.ok());
  ASSERT_EQ(users->size(), 2u);
  EXPECT_EQ((*users)[0].sub, "u1");
  EXPECT_EQ((*users)[0].role, "authenticated");
  ASSERT_EQ((*users)[0].claims.size(), 2u);
  EXPECT_EQ((*users)[0].claims[0].json, "7");
  EXPECT_EQ((*users)[0].claims[1].json, R"(["a"])");
  EXPECT_EQ((*users)[1].role, "service_role");
}

TEST(DevUsersTest, EverythingElseIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"users":{}})", R"({"users":[{}]})",
                           R"({"users":[{"name":"A","claims":[]}]})"}) {
    EXPECT_THAT(ParseDevUsers(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(DevUsersTest, TokensCarryTheClaimsAndThePageLearnsThem) {
  auto users = ParseDevUsers(R"({"users":[{"name":"Ada","sub":"u1","claims":{"org":7}}]})");
  ASSERT_TRUE(users.ok());
  const auto keys = MintDevKeys("a secret of at least thirty-two bytes", WallTime{}, *users);
  ASSERT_TRUE(keys.ok());
  const std::string config = DemoConfigJson(*keys);
  EXPECT_NE(config.find(R"("name":"Ada","sub":"u1","org":7,"token":"ey)"), std::string::npos)
      << config;
}

TEST(ExamplePageTest, FilesAreFoundByTheirPathBelowTheDirectory) {
  const auto directory = std::filesystem::temp_directory_path() /
                         ("tidewire-page-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory / "assets");
  std::ofstream(directory / "index.html") << "<p>";
  std::ofstream(directory / "assets" / "a.js") << "1";
  const auto page = ExamplePage::Read(directory.string());
  ASSERT_TRUE(page.ok());
  const gateway::Assets assets(page->assets());
  ASSERT_NE(assets.Find("/"), nullptr);
  EXPECT_EQ(assets.Find("/assets/a.js")->bytes, "1");
  std::filesystem::remove_all(directory);
  const auto gone = ExamplePage::Read(directory.string());
  ASSERT_TRUE(gone.ok());
  EXPECT_TRUE(gone->assets().empty());
}

TEST(ConfigurationPathTest, ADirectoryMeansItsMainFile) {
  EXPECT_EQ(ConfigurationPath("/tmp"), "/tmp/tidewire.yaml");
  EXPECT_EQ(ConfigurationPath("/tmp/other.yaml"), "/tmp/other.yaml");
  EXPECT_EQ(ConfigurationPath(""), "");
}

}  // namespace
}  // namespace tw::app
