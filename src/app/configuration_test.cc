// What is said of wrong configurations, and where; one server per data directory and port.
#include "app/configuration.h"

#include <gmock/gmock.h>

#include <fstream>

#include "app/test_server.h"

namespace tw::app {
namespace {

using ::testing::AllOf;
using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::StartsWith;

constexpr std::string_view kHead = "version: 1\nauth:\n  jwt_secret: ${env:TIDEWIRE_JWT_SECRET}\n";

// Loads `rest` behind a good head of three lines: its first line is line 4.
Result<Configuration> Load(std::string_view rest) {
  return LoadTest(std::string(kHead) + std::string(rest));
}
void ExpectRefused(std::string_view rest, std::string_view where, std::string_view what) {
  EXPECT_THAT(Load(rest),
              FailsWith(ErrorCode::kInvalidArgument,
                        AllOf(HasSubstr(std::string(where)), HasSubstr(std::string(what)))))
      << rest;
}
// The same against a new store: what only the tables can tell.
Status Check(std::string_view rest) {
  TW_ASSIGN_OR_RETURN(const Configuration configuration, Load(rest));
  SeededRandom random(1);
  std::string directory = ::testing::TempDir() + "tidewire-XXXXXX";
  directory = mkdtemp(directory.data());
  const Status checked = CheckAgainstStore(configuration, directory + "/check.db", random);
  std::filesystem::remove_all(directory);
  return checked;
}
void ExpectCheckRefused(std::string_view rest, std::string_view where, std::string_view what) {
  EXPECT_THAT(Check(rest),
              FailsWith(ErrorCode::kInvalidArgument,
                        AllOf(HasSubstr(std::string(where)), HasSubstr(std::string(what)))))
      << rest;
}

TEST(ConfigurationTest, TheExampleAndTheTestsOwnAreGood) {
  const auto example = LoadConfiguration(*EmbeddedExample(), "tidewire.yaml", TestEnvironment());
  ASSERT_THAT(example, IsOk());
  EXPECT_EQ(example->main.server.listen, "127.0.0.1:4000");
  ASSERT_EQ(example->sources.size(), 1u);
  EXPECT_EQ(example->sources[0].name, "outreach");
  SeededRandom random(1);
  EXPECT_THAT(LoadTest(), IsOk());
  EXPECT_THAT(Check(""), IsOk());
}

TEST(ConfigurationTest, AnUnknownKeyIsPlacedAndTheNearestNamed) {
  ExpectRefused("server:\n  lisen: 127.0.0.1:1\n", "tidewire.yaml:5:3", "listen");
  ExpectRefused("servr: {}\n", "tidewire.yaml:4:1", "server");
  ExpectRefused("tables:\n  notes:\n    policies:\n      - { name: a, usin: 'true' }\n",
                "tidewire.yaml:7:20", "using");
}

TEST(ConfigurationTest, EveryFindingIsTold) {
  const auto loaded = Load("server:\n  lisen: a\n  loops: many\nhistory:\n  age_max: 1s\n");
  ASSERT_FALSE(loaded.ok());
  for (const char* place : {"tidewire.yaml:5:3", "tidewire.yaml:6:10", "tidewire.yaml:8:12"}) {
    EXPECT_THAT(loaded.error().message, HasSubstr(place));
  }
}

TEST(ConfigurationTest, ValuesOutOfBoundsArePlaced) {
  ExpectRefused("server:\n  ping_interval: 10ms\n", "tidewire.yaml:5:18", "ping_interval");
  ExpectRefused("server:\n  loops: 257\n", "tidewire.yaml:5:10", "loops");
  ExpectRefused("server:\n  outbox_max: 1KiB\n", "tidewire.yaml:5:15", "outbox_max");
  ExpectRefused("store:\n  reader_threads: 0\n", "tidewire.yaml:5:19", "reader_threads");
}

TEST(ConfigurationTest, TheVersionIsRequiredAndKnown) {
  EXPECT_THAT(LoadTest("server: {}\n"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("version")));
  EXPECT_THAT(LoadTest("version: 2\n"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("tidewire.yaml:1:10")));
  EXPECT_THAT(LoadTest(""), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(LoadTest("a: [b"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("tidewire.yaml:1:")));
}

TEST(ConfigurationTest, ASecretIsNeverWrittenInTheFileNorRepeated) {
  const auto loaded = LoadTest("version: 1\nauth:\n  jwt_secret: a-secret-in-plain-sight\n");
  EXPECT_THAT(loaded, FailsWith(ErrorCode::kInvalidArgument, HasSubstr("tidewire.yaml:3:15")));
  EXPECT_EQ(loaded.error().message.find("plain-sight"), std::string::npos);
  EXPECT_THAT(LoadTest("version: 1\nauth:\n  jwt_secret: ${env:TIDEWIRE_NOT_SET}\n"),
              FailsWith(ErrorCode::kInvalidArgument,
                        AllOf(HasSubstr("tidewire.yaml:3:15"), HasSubstr("TIDEWIRE_NOT_SET"))));
}

TEST(ConfigurationTest, AMissingFileIsNamedWhereItIsWritten) {
  ExpectRefused("store:\n  schema: [schema.sql, missing.sql]\n",
                "tidewire.yaml:5:24: ", "missing.sql");
  ExpectRefused("store:\n  seed: [absent.sql]\n", "tidewire.yaml:5:10: ", "absent.sql");
  ExpectRefused("sources:\n  outreach: absent.yaml\n", "tidewire.yaml:5:13: ", "absent.yaml");
  EXPECT_THAT(LoadConfiguration(*EmbeddedExample(), "nowhere.yaml", TestEnvironment()),
              FailsWith(ErrorCode::kNotFound, HasSubstr("nowhere.yaml")));
}

TEST(ConfigurationTest, AMistakeInASourceIsPlacedInItsOwnFile) {
  const auto loaded = LoadConfiguration(
      TestFiles({{"tidewire.yaml", std::string(kHead) + "sources:\n  one: one.yaml\n"},
                 {"one.yaml", "version: 1\nsource: one\nwebhok: {}\n"}}),
      "tidewire.yaml", TestEnvironment());
  EXPECT_THAT(loaded, FailsWith(ErrorCode::kInvalidArgument,
                                AllOf(HasSubstr("one.yaml:3:1"), HasSubstr("webhook"))));
}

TEST(ConfigurationTest, ASourceHasTheNameThatTheMainFileGives) {
  ExpectCheckRefused("store: { schema: [schema.sql] }\nsources: { other: outreach.yaml }\n",
                     "outreach.yaml", "'other'");
}

TEST(ConfigurationTest, APolicysMistakeIsPlaced) {
  const std::string head =
      "store: { schema: [notes.sql] }\ntables:\n  notes:\n    policies:\n      - name: own\n"
      "        using: ";
  const std::pair<const char*, const char*> cases[] = {
      {"ownr = auth.uid()", "ownr"},   {"owner = ", "own"},
      {"owner = auth.uidd()", "uidd"}, {"id = auth.jwt()", "own"},
      {"owner in (select 1)", "own"},  {"id = 'seven'", "seven"},
  };
  for (const auto& [sql, what] : cases) {
    ExpectCheckRefused(head + "\"" + sql + "\"\n", "tidewire.yaml:9:16", what);
  }
  EXPECT_THAT(Check(head + "owner = auth.uid()\n"), IsOk());
}

TEST(ConfigurationTest, ATableThatTheSchemaDoesNotMakeIsPlacedWithItsNearest) {
  ExpectCheckRefused("store: { schema: [notes.sql] }\ntables:\n  note: {}\n", "tidewire.yaml:6:3",
                     "did you mean 'notes'?");
}

TEST(ConfigurationTest, ASchemaMistakeNamesItsFile) {
  const auto configuration =
      LoadTest(std::string(kHead) + "store: { schema: [notes.sql] }\n", "create tabel notes(a)");
  ASSERT_THAT(configuration, IsOk());
  SeededRandom random(1);
  EXPECT_THAT(CheckAgainstStore(*configuration, ::testing::TempDir() + "schema-mistake.db", random),
              FailsWith(ErrorCode::kInvalidArgument, StartsWith("notes.sql: ")));
}

TEST(ConfigurationTest, APostgresStoreNeedsItsDsnAndNothingOfTheEmbeddedOne) {
  const auto refused = [](std::string_view text, std::string_view what) {
    EXPECT_THAT(LoadTest(std::string("version: 1\nauth:\n  jwt_secret: ${env:TIDEWIRE_JWT_SECRET}\n") +
                         std::string(text)),
                FailsWith(ErrorCode::kInvalidArgument, HasSubstr(std::string(what))))
        << text;
  };
  refused("store:\n  kind: postgres\n", "store.dsn is not set");
  refused("store:\n  dsn: ${env:TIDEWIRE_JWT_SECRET}\n", "is for store.kind: postgres");
  refused("store:\n  kind: postgres\n  dsn: ${env:TIDEWIRE_JWT_SECRET}\ntables:\n  jobs:\n"
          "    policies:\n      - name: own\n        using: \"true\"\n",
          "the policies are the database's own");
  refused("store:\n  kind: oracle\n", "postgres");
}

TEST(ConfigurationTest, TheKeyMustBeSetAndLong) {
  EXPECT_THAT(LoadTest("version: 1\n"), IsOk());
  SeededRandom random(1);
  auto configuration = LoadTest("version: 1\n");
  EXPECT_THAT(CheckAgainstStore(*configuration, ":memory:", random),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("auth.jwt_secret")));
}

TEST(ConfigurationTest, DirectoryFilesAreBelowTheirDirectoryOrAbsolute) {
  std::string directory = ::testing::TempDir() + "tidewire-XXXXXX";
  directory = mkdtemp(directory.data());
  std::ofstream(directory + "/a.sql") << "select 1";
  const auto files = MakeDirectoryFiles(directory);
  EXPECT_THAT(files->Read("a.sql"), testing::IsOkAndHolds("select 1"));
  EXPECT_THAT(files->Read(directory + "/a.sql"), testing::IsOkAndHolds("select 1"));
  EXPECT_THAT(files->Read("b.sql"), FailsWith(ErrorCode::kNotFound, HasSubstr("b.sql")));
  EXPECT_FALSE(files->Read(".").ok());
  std::filesystem::remove_all(directory);
}

class TwoServersTest : public ServerFixture {
 protected:
  Result<std::unique_ptr<Server>> StartAnother(const std::string& data, uint16_t port) {
    return Server::Start(
        configuration_,
        {.data_directory = directory_ + "/" + data, .address = "127.0.0.1", .port = port},
        SystemClock(), SystemRandom(), other_metrics_);
  }
  telemetry::Registry other_metrics_;
};

TEST_F(TwoServersTest, OneDataDirectoryBelongsToOneServer) {
  Start();
  EXPECT_THAT(StartAnother("data", 0),
              FailsWith(ErrorCode::kFailedPrecondition, HasSubstr("data")));
  EXPECT_EQ(Ask(Get("/health/ready")).status, 200);
  server_.reset();
  EXPECT_THAT(StartAnother("data", 0), IsOk());
}

TEST_F(TwoServersTest, OnePortBelongsToOneServer) {
  limits().loops = 2;
  Start();
  EXPECT_THAT(StartAnother("other", port()), FailsWith(ErrorCode::kUnavailable));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Ask(Get("/health/ready")).status, 200);
  EXPECT_THAT(StartAnother("other", 0), IsOk());
}

TEST_F(TwoServersTest, AnAddressThatIsNoneIsRefused) {
  options_.address = "localhost.example";
  EXPECT_THAT(Server::Start(configuration_, options_, SystemClock(), SystemRandom(), metrics_),
              FailsWith(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace tw::app
