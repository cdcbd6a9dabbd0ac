#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "config/config.h"
#include "json/json.h"
#include "testing/matchers.h"

namespace tw::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using tw::testing::FailsWith;
using tw::testing::IsOk;

class FakeEnvironment final : public Environment {
 public:
  std::optional<std::string> Variable(const std::string& name) const override {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::string> ReadFile(const std::string& path, size_t bytes_max) const override {
    const auto found = files.find(path);
    if (found == files.end()) return tw::Fail(ErrorCode::kNotFound, "no such file");
    if (found->second.size() > bytes_max) {
      return tw::Fail(ErrorCode::kResourceExhausted, "too large");
    }
    return found->second;
  }
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;
};

enum class Overlap : uint8_t { kSkip, kQueueOne };
constexpr auto ConfigNames(Overlap) {
  return std::array{Named{Overlap::kSkip, "skip"}, Named{Overlap::kQueueOne, "queue_one"}};
}

struct Even {
  int64_t value = 0;
};

}  // namespace

template <>
struct Codec<Even> {
  static constexpr std::string_view kName = "an even number";
  static constexpr std::string_view kSchema = R"({"type":"integer","multipleOf":2})";
  static Result<Even> Read(const Node& node) {
    const auto value = node.AsInt();
    if (!value || *value % 2 != 0) return tw::Fail(ErrorCode::kInvalidArgument, "not even");
    return Even{*value};
  }
  static Node Write(const Even& even) {
    return Node::Scalar(std::to_string(even.value), Node::Style::kPlain);
  }
};

namespace {

struct ServerConfig {
  Located<std::string> listen = std::string("127.0.0.1:4000");
  std::chrono::milliseconds ping_interval{25'000};
  ByteSize body_max = MiB(1);
  uint16_t backlog = 128;
  OneOrList<std::string> origins;
};
constexpr void Describe(Of<ServerConfig> auto& config, auto&& field) {
  field("listen", config.listen, "Address and port to listen on.");
  field("ping_interval", config.ping_interval, 1s, 5min, "Idle time before a ping.");
  field("body_max", config.body_max, KiB(1), MiB(64), "Largest body.");
  field("backlog", config.backlog, "Waiting connections.");
  field("origins", config.origins, "Allowed origins.");
}

struct JobConfig {
  std::string run;
  Overlap overlap = Overlap::kSkip;
  std::optional<std::chrono::seconds> max_runtime;
  std::vector<int32_t> retries;
};
constexpr void Describe(Of<JobConfig> auto& config, auto&& field) {
  field(Required("run"), config.run, "What | to run.");
  field("overlap", config.overlap, "If the last run is not over.");
  field("max_runtime", config.max_runtime, 1s, 1h, "Longest run.");
  field("retries", config.retries, -1, 9, "Attempts.");
}

struct RootConfig {
  ServerConfig server;
  OrderedMap<JobConfig> jobs;
  std::vector<JobConfig> list;
  Secret token;
  std::string url = "http://localhost";
  double ratio = 0.5;
  Percent share{5};
  bool enabled = true;
  uint64_t big = 0;
  Even even;
  Node free_form;
};
constexpr void Describe(Of<RootConfig> auto& config, auto&& field) {
  field("server", config.server, "The listener.");
  field("jobs", config.jobs, "Jobs by name.");
  field("list", config.list, "Jobs in a list.");
  field("token", config.token, "Signs sessions.");
  field(Expands("url"), config.url, "Where to ask.");
  field("ratio", config.ratio, 0.0, 1.0, "A ratio.");
  field("share", config.share, Percent{0}, Percent{100}, "A share.");
  field("enabled", config.enabled, "Whether at all.");
  field("big", config.big, "A large number.");
  field("even", config.even, "Even.");
  field("free_form", config.free_form, "Anything.");
}
void Validate(const RootConfig& config, Problems& problems) {
  if (*config.server.listen == "nowhere") {
    problems.Add(config.server.listen.where, "nobody can listen there");
  }
}

Result<RootConfig> LoadText(std::string_view text, const FakeEnvironment& environment = {},
                            const LoadOptions& options = {}) {
  return Load<RootConfig>(text, "tw.yaml", environment, options);
}

std::string ErrorOf(std::string_view text, const FakeEnvironment& environment = {}) {
  const auto loaded = LoadText(text, environment);
  return loaded.ok() ? "ok" : loaded.error().message;
}

TEST(LoadTest, EmptyTextGivesDefaults) {
  const auto config = LoadText("# nothing\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(*config->server.listen, "127.0.0.1:4000");
  EXPECT_EQ(config->server.ping_interval, 25s);
}

TEST(LoadTest, ReadsEveryKind) {
  const auto config = LoadText(R"(
server:
  listen: 0.0.0.0:80
  ping_interval: 2m
  body_max: 64KiB
  backlog: 0x10
  origins: https://a.example
jobs:
  nightly: { run: leads, overlap: queue_one, max_runtime: 10m, retries: [1, -1] }
  b: { run: "on", max_runtime: null }
list: [{ run: x }]
ratio: 0.25
share: 98%
enabled: false
big: 18446744073709551615
even: 4
free_form: { on: no, deep: [1, { a: "${tenant.key}" }] }
)");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(*config->server.listen, "0.0.0.0:80");
  EXPECT_EQ(config->server.listen.where.line, 3u);
  EXPECT_EQ(config->server.listen.where.column, 11u);
  EXPECT_EQ(config->server.ping_interval, 120s);
  EXPECT_EQ(config->server.body_max, KiB(64));
  EXPECT_EQ(config->server.backlog, 16);
  EXPECT_THAT(config->server.origins.items, ElementsAre("https://a.example"));
  ASSERT_EQ(config->jobs.size(), 2u);
  EXPECT_EQ(config->jobs.items[0].key, "nightly");
  EXPECT_EQ(config->jobs.items[0].where.line, 9u);
  EXPECT_EQ(config->jobs.Find("nightly")->overlap, Overlap::kQueueOne);
  EXPECT_EQ(config->jobs.Find("nightly")->max_runtime, 600s);
  EXPECT_THAT(config->jobs.Find("nightly")->retries, ElementsAre(1, -1));
  EXPECT_EQ(config->jobs.Find("b")->run, "on");
  EXPECT_EQ(config->jobs.Find("b")->max_runtime, std::nullopt);
  EXPECT_EQ(config->list[0].run, "x");
  EXPECT_EQ(config->ratio, 0.25);
  EXPECT_EQ(config->share, Percent{98});
  EXPECT_FALSE(config->enabled);
  EXPECT_EQ(config->big, UINT64_MAX);
  EXPECT_EQ(config->even.value, 4);
  EXPECT_EQ(ToYamlLine(config->free_form), R"({on: no, deep: [1, {a: "${tenant.key}"}]})");
}

TEST(LoadTest, UnknownKeyNamesItsPlaceAndTheNearestKey) {
  EXPECT_EQ(ErrorOf("server:\n  lisen: x\n"),
            "tw.yaml:2:3: unknown key 'lisen' in server; did you mean 'listen'?");
  EXPECT_EQ(ErrorOf("qqqqqqqq: 1\n"), "tw.yaml:1:1: unknown key 'qqqqqqqq'");
  EXPECT_EQ(ErrorOf("list: [{ run: x, rum: y }]\n"),
            "tw.yaml:1:18: unknown key 'rum' in list[0]; did you mean 'run'?");
}

TEST(LoadTest, WrongTypesSayWhatWasExpectedAndFound) {
  const auto starts = [](std::string_view text) { return ErrorOf(text); };
  EXPECT_EQ(starts("server: { ping_interval: 25 }"),
            "tw.yaml:1:26: server.ping_interval: expected a duration such as '5s', found integer "
            "25");
  EXPECT_THAT(starts("server: { ping_interval: 25x }"), HasSubstr("unknown unit 'x'"));
  EXPECT_THAT(starts("server: { body_max: 25 }"), HasSubstr("expected a size"));
  EXPECT_THAT(starts("server: { body_max: 25MB }"), HasSubstr("unknown unit 'MB'"));
  EXPECT_THAT(starts("server: { listen: 80 }"), HasSubstr("expected text (in quotes), found"));
  EXPECT_THAT(starts("server: 5"), HasSubstr("server: expected a map, found integer 5"));
  EXPECT_THAT(starts("server: { backlog: many }"), HasSubstr("expected an integer, found text"));
  EXPECT_THAT(starts("jobs: [a]"), HasSubstr("jobs: expected a map, found a list"));
  EXPECT_THAT(starts("list: { a: b }"), HasSubstr("list: expected a list, found a map"));
  EXPECT_THAT(starts("enabled: on"), HasSubstr("expected true or false, found text 'on'"));
  EXPECT_THAT(starts("ratio: [1]"), HasSubstr("expected a number, found a list"));
  EXPECT_THAT(starts("share: 5"), HasSubstr("expected a share such as '5%', found integer 5"));
  EXPECT_THAT(starts("even: 3"), HasSubstr("tw.yaml:1:7: even: not even"));
  EXPECT_THAT(starts("list: [{ run: a, overlap: skp }]"),
              HasSubstr("list[0].overlap: expected one of 'skip', 'queue_one', found text 'skp'; "
                        "did you mean 'skip'?"));
}

TEST(LoadTest, OutOfBoundsSaysTheBounds) {
  EXPECT_THAT(ErrorOf("server: { ping_interval: 6m }"),
              HasSubstr("server.ping_interval: 6m is out of bounds: 1s to 5m"));
  EXPECT_THAT(ErrorOf("server: { body_max: 1GiB }"), HasSubstr("out of bounds: 1KiB to 64MiB"));
  EXPECT_THAT(ErrorOf("server: { backlog: 65536 }"), HasSubstr("out of bounds: 0 to 65535"));
  EXPECT_THAT(ErrorOf("server: { backlog: -1 }"), HasSubstr("out of bounds: 0 to 65535"));
  EXPECT_THAT(ErrorOf("jobs: { a: { run: x, retries: [1, 10] } }"),
              HasSubstr("jobs.a.retries[1]: 10 is out of bounds: -1 to 9"));
  EXPECT_THAT(ErrorOf("jobs: { a: { run: x, max_runtime: 2h } }"), HasSubstr("1s to 1h"));
  EXPECT_THAT(ErrorOf("jobs: { a: { run: x, max_runtime: 1500ms } }"),
              HasSubstr("must be a multiple of 1s"));
  EXPECT_THAT(ErrorOf("ratio: 1.5"), HasSubstr("1.5 is out of bounds: 0 to 1"));
  EXPECT_THAT(ErrorOf("ratio: .nan"), HasSubstr("out of bounds"));
  EXPECT_THAT(ErrorOf("big: 18446744073709551616"), HasSubstr("out of bounds"));
}

TEST(LoadTest, RequiredKeysMustBeThere) {
  EXPECT_EQ(ErrorOf("jobs:\n  a: {}\n"), "tw.yaml:2:6: jobs.a: required key 'run' is missing");
}

TEST(LoadTest, ReportsManyFindingsInOneRunButNotEndlessly) {
  std::string text = "enabled: 1\nratio: x\nserver:\n  backlog: x\n";
  const auto three = Check<RootConfig>(text, "tw.yaml", FakeEnvironment());
  ASSERT_EQ(three.problems.kept().size(), 3u);
  EXPECT_EQ(three.problems.kept()[0].line, 4u);
  EXPECT_EQ(three.problems.kept()[0].file, "tw.yaml");
  text = "jobs:\n";
  for (int i = 0; i < 50; ++i) text += "  j" + std::to_string(i) + ": {}\n";
  const auto many = Check<RootConfig>(text, "tw.yaml", FakeEnvironment());
  EXPECT_EQ(many.problems.kept().size(), Problems::kKeptMax);
  EXPECT_EQ(many.problems.count(), 50u);
  EXPECT_THAT(many.problems.ToStatus(),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("\nand 30 more")));
}

TEST(LoadTest, ValidateSeesPlacesAndOnlyWholeConfigs) {
  EXPECT_EQ(ErrorOf("server: { listen: nowhere }"), "tw.yaml:1:19: nobody can listen there");
  EXPECT_THAT(ErrorOf("server: { listen: nowhere }\nratio: x"),
              Not(HasSubstr("nobody can listen there")));
}

TEST(LoadTest, SyntaxErrorsHaveTheirPlaceOnce) {
  EXPECT_EQ(ErrorOf("a: !x 1"), "tw.yaml:1:4: tags are not supported: '!x'");
}

TEST(SecretTest, ComesFromTheEnvironmentOrAFileOnly) {
  FakeEnvironment environment;
  environment.variables["TOKEN"] = "s3cret";
  environment.files["/run/token"] = "from-file\n";
  const auto a = LoadText("token: ${env:TOKEN}", environment);
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(a->token.Reveal(), "s3cret");
  const auto b = LoadText("token: \"${file:/run/token}\"", environment);
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ(b->token.Reveal(), "from-file");

  EXPECT_THAT(ErrorOf("token: hunter2"), HasSubstr("a secret must be ${env:NAME}"));
  EXPECT_THAT(ErrorOf("token: hunter2"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(ErrorOf("token: 12345"), Not(HasSubstr("12345")));
  EXPECT_THAT(ErrorOf("token: ${env:NONE}"), HasSubstr("environment variable NONE is not set"));
  EXPECT_THAT(ErrorOf("token: ${file:/none}"), HasSubstr("cannot read file /none"));
  environment.variables["EMPTY"] = "";
  EXPECT_THAT(ErrorOf("token: ${env:EMPTY}", environment), HasSubstr("EMPTY is empty"));
  environment.files["/huge"] = std::string(kSecretFileBytesMax + 1, 'x');
  EXPECT_THAT(ErrorOf("token: ${file:/huge}", environment), HasSubstr("too large"));
}

TEST(SecretTest, LiteralsOnlyWhenAllowed) {
  const LoadOptions dev{.literal_secrets = LiteralSecrets::kAllowed};
  const auto config = LoadText("token: hunter2", {}, dev);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->token.Reveal(), "hunter2");
}

TEST(SecretTest, IsNeverPrinted) {
  FakeEnvironment environment;
  environment.variables["TOKEN"] = "s3cret";
  const auto config = LoadText("token: ${env:TOKEN}", environment);
  ASSERT_THAT(config, IsOk());
  std::ostringstream out;
  out << config->token;
  EXPECT_EQ(out.str(), "***");
  const std::string masked = PrintEffective(*config, Secrets::kMasked);
  EXPECT_THAT(masked, HasSubstr("token: \"***\""));
  EXPECT_THAT(masked, Not(HasSubstr("s3cret")));
  const std::string references = PrintEffective(*config, Secrets::kReferences);
  EXPECT_THAT(references, HasSubstr("token: \"${env:TOKEN}\""));
  EXPECT_THAT(references, Not(HasSubstr("s3cret")));
}

TEST(SubstituteTest, OnlyWhereTheFieldSaysSo) {
  FakeEnvironment environment;
  environment.variables["HOST"] = "api.example/${env:HOST}";
  const auto config = LoadText("url: https://${env:HOST}/$${x}/${cursor}$", environment);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->url, "https://api.example/${env:HOST}/${x}/${cursor}$");
  EXPECT_THAT(ErrorOf("server: { listen: '${env:HOST}' }", environment),
              HasSubstr("not allowed here"));
  EXPECT_THAT(ErrorOf("url: 'a${env:HOST'", environment), HasSubstr("is not closed"));
}

TEST(OverrideTest, EveryScalarCanBeOverridden) {
  FakeEnvironment environment;
  environment.variables = {{"TIDEWIRE_SERVER_LISTEN", "8080"},
                           {"TIDEWIRE_SERVER_PING_INTERVAL", "3s"},
                           {"TIDEWIRE_SERVER_ORIGINS", "https://b.example"},
                           {"TIDEWIRE_ENABLED", "false"},
                           {"TIDEWIRE_TOKEN", "direct"},
                           {"TIDEWIRE_JOBS_DAILY_SYNC_RUN", "on"},
                           {"TIDEWIRE_JOBS_ABSENT_RUN", "ignored"}};
  const auto config = LoadText("jobs: { daily-sync: { run: x } }", environment);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(*config->server.listen, "8080");
  EXPECT_EQ(config->server.ping_interval, 3s);
  EXPECT_THAT(config->server.origins.items, ElementsAre("https://b.example"));
  EXPECT_FALSE(config->enabled);
  EXPECT_EQ(config->token.Reveal(), "direct");
  EXPECT_EQ(config->jobs.Find("daily-sync")->run, "on");
  EXPECT_EQ(config->jobs.size(), 1u);
}

TEST(OverrideTest, FindingsNameTheVariable) {
  FakeEnvironment environment;
  environment.variables["TIDEWIRE_RATIO"] = "high";
  EXPECT_EQ(ErrorOf("", environment),
            "environment variable TIDEWIRE_RATIO: ratio: expected a number, found text 'high'");
  environment.variables["TIDEWIRE_SERVER_LISTEN"] = "x";
  EXPECT_THAT(ErrorOf("server: 5", environment), HasSubstr("server: expected a map"));
}

TEST(LoadNodeTest, ReadsAKeptPart) {
  const auto node = ParseYaml("{ run: x, overlp: skip }", "a.yaml");
  ASSERT_THAT(node, IsOk());
  EXPECT_THAT(LoadNode<JobConfig>(*node, "jobs.x", FakeEnvironment()),
              FailsWith(ErrorCode::kInvalidArgument,
                        "a.yaml:1:11: unknown key 'overlp' in jobs.x; did you mean 'overlap'?"));
}

TEST(PrintEffectiveTest, LoadsBackTheSame) {
  const auto config = LoadText("jobs: { a: { run: 'x: y' } }\nfree_form: [1, '1', null, ~, {}]");
  ASSERT_THAT(config, IsOk());
  const std::string text = PrintEffective(*config, Secrets::kReferences);
  const auto again =
      LoadText(text.substr(0, text.find("token: null")) + text.substr(text.find("url:")));
  ASSERT_THAT(again, IsOk()) << text;
  EXPECT_EQ(PrintEffective(*again, Secrets::kReferences), text);
}

TEST(GenerateTest, JsonSchemaIsJsonAndHoldsTheDescription) {
  const std::string text = JsonSchema<RootConfig>("https://x.example/s.json", "Tidewire");
  const auto schema = json::Parse(text);
  ASSERT_THAT(schema, IsOk()) << text;
  const json::Value root = schema->root();
  EXPECT_EQ(root["$schema"].GetString(), "https://json-schema.org/draft/2020-12/schema");
  const json::Value server = root["properties"]["server"];
  EXPECT_EQ(server["additionalProperties"].GetBool(), false);
  EXPECT_EQ(server["properties"]["backlog"]["maximum"].GetInt(), 65535);
  EXPECT_EQ(server["properties"]["ping_interval"]["default"].GetString(), "25s");
  EXPECT_EQ(server["properties"]["ping_interval"]["description"].GetString(),
            "Idle time before a ping. From 1s to 5m.");
  const json::Value job = root["properties"]["jobs"]["additionalProperties"];
  EXPECT_EQ(job["required"].items()[0].GetString(), "run");
  EXPECT_EQ(job["properties"]["overlap"]["enum"].items()[1].GetString(), "queue_one");
  EXPECT_EQ(root["properties"]["even"]["allOf"].items()[0]["multipleOf"].GetInt(), 2);
}

TEST(GenerateTest, MarkdownHasATablePerSection) {
  const std::string text = MarkdownReference<RootConfig>(3);
  EXPECT_THAT(text, HasSubstr("### `server`\n\n| Key | Type | Default | Bounds | Meaning |"));
  EXPECT_THAT(text, HasSubstr("| `ping_interval` | duration | `25s` | `1s` to `5m` | Idle time"));
  EXPECT_THAT(text, HasSubstr("### `jobs.<name>`"));
  EXPECT_THAT(text, HasSubstr("### `list[]`"));
  EXPECT_THAT(text, HasSubstr("| `run` | text | required |  | What \\| to run. |"));
  EXPECT_THAT(text, HasSubstr("| `overlap` | skip \\| queue_one | `skip` |"));
}

}  // namespace
}  // namespace tw::config
