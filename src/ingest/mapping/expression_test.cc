#include "ingest/mapping/expression.h"

#include <date/tz.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "config/load.h"
#include "ingest/mapping/expression_codec.h"
#include "testing/matchers.h"

namespace tw::ingest::mapping {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tw::testing::FailsWith;
using tw::testing::IsOk;

class FakeVariables final : public Variables {
 public:
  Datum Variable(std::string_view name) const override { return Look(variables, name); }
  Datum Column(std::string_view name) const override { return Look(columns, name); }
  std::map<std::string, Datum, std::less<>> variables;
  std::map<std::string, Datum, std::less<>> columns;

 private:
  static Datum Look(const std::map<std::string, Datum, std::less<>>& from, std::string_view name) {
    const auto found = from.find(name);
    return found == from.end() ? Datum() : found->second;
  }
};

constexpr std::string_view kPayload = R"({
  "event": {"type": "LEAD_REPLIED", "workspace_id": 37, "instance_url": "https://x"},
  "data": {
    "lead": {"id": 632586, "email": " Ann@Example.COM ", "custom_variables": [
      {"name": "Phone", "value": "555"}, {"name": "x", "value": null},
      {"name": "phone_number", "value": "777"}, "odd"]},
    "big": 9223372036854775807, "huge": 9223372036854775808, "price": 12.50, "exp": 1e2,
    "none": null, "yes": true, "text": "42", "list": [3, 1, null, 2], "empty": [],
    "lines": [{"amount": "10.10"}, {"amount": 0.2}, {"amount": null}, {}],
    "odd-key": 1, "käse": 2, "tags": ["A ", "b"]
  }
})";

class ExpressionTest : public ::testing::Test {
 protected:
  ExpressionTest() : document_(json::Parse(kPayload).value()) {
    input_.record = document_.root();
    input_.variables = &variables_;
    input_.now = ParseTimestamp("2026-03-08T10:00:00.123456Z").value();
  }

  Outcome Run(std::string_view text) {
    const auto expression = Expression::Compile(text);
    EXPECT_THAT(expression, IsOk()) << text;
    return expression.ok() ? expression->Evaluate(input_) : Outcome();
  }
  // The value as JSON, with a mark for each conversion failure.
  std::string Eval(std::string_view text) {
    const Outcome outcome = Run(text);
    std::string out;
    outcome.value.AppendJson(out);
    return out + std::string(outcome.conversion_failures, '!');
  }
  static std::string ErrorOf(std::string_view text) {
    const auto expression = Expression::Compile(text);
    return expression.ok() ? "ok" : expression.error().message;
  }

  json::Document document_;
  FakeVariables variables_;
  Input input_;
};

TEST_F(ExpressionTest, PathsFindWhatIsThereAndElseNull) {
  EXPECT_EQ(Eval("$.data.lead.id"), "632586");
  EXPECT_EQ(Eval("$.data.big"), "9223372036854775807");
  EXPECT_EQ(Run("$.data.big").value.ToValue(), Value(INT64_MAX));
  EXPECT_EQ(Run("$.data.huge").value.ToValue(), Value("9223372036854775808"));
  EXPECT_EQ(Run("$.data.price").value.ToValue(), Value("12.50"));
  EXPECT_EQ(Eval("$.data.none"), "null");
  for (const char* missing : {"$.nope", "$.data.lead.id.deeper", "$.data.list[9]", "$.data[0]",
                              "$.data.list.x", "$.data.list[-5]", "$.data.lead[*]", "$parent.id",
                              "$.data.text[*]", "$.data.nope[?@ == 1]"}) {
    EXPECT_EQ(Eval(missing), "null") << missing;
  }
  EXPECT_EQ(Eval("$.data.list[0]"), "3");
  EXPECT_EQ(Eval("$.data.list[-1]"), "2");
  EXPECT_EQ(Eval("$.data.list[*]"), "[3,1,null,2]");
  EXPECT_EQ(Eval("$.data.empty[*]"), "[]");
  EXPECT_EQ(Eval("$.data.lines[*].amount"), R"(["10.10",0.2,null])");
  EXPECT_EQ(Eval("$.data.odd-key"), "1");
  EXPECT_EQ(Eval("$.data.käse"), "2");
  EXPECT_EQ(Eval("$['data'][\"odd-key\"]"), "1");
  EXPECT_EQ(Run("$.data.empty").value.ToValue(), Value("[]"));
  EXPECT_EQ(Run("$.event").value.ToValue(),
            Value(R"({"type":"LEAD_REPLIED","workspace_id":37,"instance_url":"https://x"})"));
}

TEST_F(ExpressionTest, FiltersKeepWhatHolds) {
  EXPECT_EQ(Eval("$.data.lead.custom_variables[?lower(@.name) in (\"phone\",\"phone_number\")]"
                 ".value | first"),
            "\"555\"");
  EXPECT_EQ(Eval("$.data.lead.custom_variables[?@.name == 'x'].value"), "[null]");
  EXPECT_EQ(Eval("$.data.lead.custom_variables[?@.name == 'x'].value | first"), "null");
  EXPECT_EQ(Eval("$.data.list[?@ != null and not @ in (1, 2)]"), "[3]");
  EXPECT_EQ(Eval("$.data.lines[?@.amount == $.data.lines[0].amount].amount"), "[\"10.10\"]");
}

TEST_F(ExpressionTest, NamesAskTheCaller) {
  variables_.variables["lead_id"] = Value(int64_t{7});
  variables_.variables["tenant.name"] = Value("Acme");
  variables_.columns["Receipt ID"] = Value("R-1");
  EXPECT_EQ(Eval("lead_id"), "7");
  EXPECT_EQ(Eval("tenant.name | upper"), "\"ACME\"");
  EXPECT_EQ(Eval("unknown"), "null");
  EXPECT_EQ(Eval("col(\"Receipt ID\") | lower"), "\"r-1\"");
  EXPECT_EQ(Eval("col('other')"), "null");
  input_.variables = nullptr;
  EXPECT_EQ(Eval("lead_id"), "null");
  EXPECT_EQ(Eval("col('Receipt ID')"), "null");
}

TEST_F(ExpressionTest, LiteralsAreExact) {
  EXPECT_EQ(Eval("'mtd'"), "\"mtd\"");
  EXPECT_EQ(Eval(R"("it's \"so\" \\d \n")"), R"("it's \"so\" \\d \n")");
  EXPECT_EQ(Eval("-5"), "-5");
  EXPECT_EQ(Eval("1.50"), "1.50");
  EXPECT_EQ(Eval("99999999999999999999"), "99999999999999999999");
  EXPECT_EQ(Eval("true"), "true");
  EXPECT_EQ(Eval("null"), "null");
  EXPECT_EQ(Expression().Evaluate(input_).value.ToValue(), Value());
}

TEST_F(ExpressionTest, TextStages) {
  EXPECT_EQ(Eval("$.data.lead.email | lower | trim"), "\"ann@example.com\"");
  EXPECT_EQ(Eval("$.data.lead.id | lower"), "null");
  EXPECT_EQ(Eval("$.event | upper"), "null");
  EXPECT_EQ(Eval("$.data.tags[*] | trim | lower | join('-')"), "\"a-b\"");
  EXPECT_EQ(Eval("$.data.tags | lower"), R"(["a ","b"])");
  EXPECT_EQ(Eval("$.data.list | join(',')"), "\"3,1,2\"");
  EXPECT_EQ(Eval("$.data.none | join(',')"), "null");
  EXPECT_EQ(Eval("'lead-42x' | match('[0-9]+')"), "\"42\"");
  EXPECT_EQ(Eval("'lead-42x' | match('(\\d+)x')"), "\"42\"");
  EXPECT_EQ(Eval("'lead' | match('(a)|(z)')"), "\"a\"");
  EXPECT_EQ(Eval("'z' | match('(a)|z')"), "null");
  EXPECT_EQ(Eval("'lead' | match('q')"), "null");
  EXPECT_EQ(Eval("5 | match('5')"), "null");
}

TEST_F(ExpressionTest, IntConvertsOrFlags) {
  EXPECT_EQ(Eval("$.data.text | int"), "42");
  EXPECT_EQ(Eval("' 42.00 ' | int"), "42");
  EXPECT_EQ(Eval("$.data.yes | int"), "1");
  EXPECT_EQ(Eval("$.data.exp | int"), "100");
  EXPECT_EQ(Eval("'' | int"), "null");
  EXPECT_EQ(Eval("$.data.none | int"), "null");
  EXPECT_EQ(Eval("$.data.huge | int"), "null!");
  EXPECT_EQ(Eval("$.data.price | int"), "null!");
  EXPECT_EQ(Eval("'12a' | int"), "null!");
  EXPECT_EQ(Eval("$.event | int"), "null!");
  EXPECT_EQ(Eval("$.data.list | int"), "[3,1,null,2]");
}

TEST_F(ExpressionTest, DecimalsNeverPassThroughADouble) {
  EXPECT_EQ(Eval("$.data.price | decimal"), "12.50");
  EXPECT_EQ(Run("$.data.price | decimal").value.ToValue(), Value("12.50"));
  EXPECT_EQ(Eval("'0012.3456789012345678901' | decimal"), "12.3456789012345678901");
  EXPECT_EQ(Eval("$.data.huge | decimal"), "9223372036854775808");
  EXPECT_EQ(Eval("'$5' | decimal"), "null!");
  EXPECT_EQ(Eval("$.data.yes | decimal"), "null!");
  EXPECT_EQ(Eval("$.event | decimal"), "null!");
  EXPECT_EQ(Eval("$.data.lines[*].amount | sum | decimal"), "10.30");
  EXPECT_EQ(Eval("$.data.list | sum"), "6");
  EXPECT_EQ(Eval("$.data.empty | sum"), "0");
  EXPECT_EQ(Eval("$.data.nope | sum"), "null");
  EXPECT_EQ(Eval("$.data.text | sum"), "42");
  EXPECT_EQ(Eval("$.data.tags | sum"), "null!");
  variables_.variables["l"] = List{Value(INT64_MAX), Value(int64_t{1})};
  EXPECT_EQ(Eval("l | sum"), "9223372036854775808");
}

TEST_F(ExpressionTest, BoolFirstDefaultHash) {
  EXPECT_EQ(Eval("'Yes' | bool"), "true");
  EXPECT_EQ(Eval("0 | bool"), "false");
  EXPECT_EQ(Eval("'maybe' | bool"), "null!");
  EXPECT_EQ(Eval("$.data.none | bool"), "null");
  EXPECT_EQ(Eval("$.data.lead.custom_variables[*].value | first"), "\"555\"");
  EXPECT_EQ(Eval("$.data.text | first"), "\"42\"");
  EXPECT_EQ(Eval("$.data.empty | first"), "null");
  EXPECT_EQ(Eval("$.data.none | default('x')"), "\"x\"");
  EXPECT_EQ(Eval("$.data.none | default($.data.yes)"), "true");
  EXPECT_EQ(Eval("$.data.text | default('x')"), "\"42\"");
  EXPECT_EQ(Eval("'abc' | hash"),
            "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
  EXPECT_NE(Eval("hash('a', 'bc')"), Eval("hash('ab', 'c')"));
  EXPECT_EQ(Eval("hash('a', null)"), "null");
}

TEST_F(ExpressionTest, FormatIsWholeOrNull) {
  EXPECT_EQ(Eval("format(\"{}/workspaces/{}/leads/{}\", $.event.instance_url, "
                 "$.event.workspace_id, $.data.lead.id)"),
            "\"https://x/workspaces/37/leads/632586\"");
  EXPECT_EQ(Eval("format('{}-{{x}}', $.nope)"), "null");
  EXPECT_EQ(Eval("format('{{{}}}', 1.50)"), "\"{1.50}\"");
}

TEST_F(ExpressionTest, TimesAreReadInTheirZone) {
  EXPECT_EQ(Eval("now()"), "\"2026-03-08T10:00:00.123456Z\"");
  EXPECT_EQ(Eval("'2025-10-31T23:59:58-04:00' | time('rfc3339')"),
            "\"2025-11-01T03:59:58.000000Z\"");
  EXPECT_EQ(Eval("'10/31/2025 23:59' | time('%m/%d/%Y %H:%M', 'America/New_York')"),
            "\"2025-11-01T03:59:00.000000Z\"");
  EXPECT_EQ(Eval("'2025-11-02 01:30' | time('%Y-%m-%d %H:%M', 'America/New_York')"),
            "\"2025-11-02T05:30:00.000000Z\"");
  EXPECT_EQ(Eval("'2025-03-09 02:30' | time('%Y-%m-%d %H:%M', 'America/New_York')"),
            "\"2025-03-09T07:00:00.000000Z\"");
  EXPECT_EQ(Eval("'2025-10-31 23:00 +0200' | time('%Y-%m-%d %H:%M %z')"),
            "\"2025-10-31T21:00:00.000000Z\"");
  EXPECT_EQ(Eval("1614265330 | time('unix')"), "\"2021-02-25T15:02:10.000000Z\"");
  EXPECT_EQ(Eval("'1614265330.5' | time('unix')"), "\"2021-02-25T15:02:10.500000Z\"");
  EXPECT_EQ(Eval("1614265330123 | time('unix_ms')"), "\"2021-02-25T15:02:10.123000Z\"");
  EXPECT_EQ(Eval("9223372036854775807 | time('unix')"), "null!");
  EXPECT_EQ(Eval("'2025-02-30' | time('%Y-%m-%d')"), "null!");
  EXPECT_EQ(Eval("'2025-02-03x' | time('%Y-%m-%d')"), "null!");
  EXPECT_EQ(Eval("'yesterday' | time('rfc3339')"), "null!");
  EXPECT_EQ(Eval("'' | time('rfc3339')"), "null");
  EXPECT_EQ(Eval("true | time('rfc3339')"), "null!");
}

TEST_F(ExpressionTest, MonthStartFollowsTheTenantsZone) {
  variables_.variables["at"] = Value("2025-11-01T03:59:58.000000Z");
  EXPECT_EQ(Eval("month_start(at)"), "\"2025-11-01\"");
  input_.zone = date::locate_zone("America/New_York");
  EXPECT_EQ(Eval("month_start(at)"), "\"2025-10-01\"");
  EXPECT_EQ(Eval("'2025-10-31 23:59' | time('%Y-%m-%d %H:%M', tenant)"),
            "\"2025-11-01T03:59:00.000000Z\"");
  EXPECT_EQ(Eval("month_start(nope)"), "null");
  EXPECT_EQ(Eval("month_start('x')"), "null!");
}

TEST_F(ExpressionTest, ConditionsAreTwoValued) {
  const std::pair<const char*, bool> cases[] = {
      {"$.data.yes == true", true},
      {"$.data.none == true", false},
      {"$.data.nope != true", true},
      {"$.event.type == 'LEAD_REPLIED'", true},
      {"$.event.type | lower == 'lead_replied'", true},
      {"$.event.workspace_id == 37.0", true},
      {"$.event.workspace_id == '37'", false},
      {"$.data.price == 12.5", true},
      {"$.data.exp == 100", true},
      {"$.data.huge == 9223372036854775808", true},
      {"$.data.none == null and $.nope == null", true},
      {"$.data.text in ('41', '42')", true},
      {"$.data.text not in ('41', '42')", false},
      {"not $.data.yes == true or $.data.text == '42'", true},
      {"not ($.data.yes == true or $.data.text == '42')", false},
      {"true or false and false", true},
      {"$.data.text", false},
      {"$.data.list == $.data.list", true},
      {"1 == true", false},
  };
  for (const auto& [text, expected] : cases) {
    const auto expression = Expression::Compile(text);
    ASSERT_THAT(expression, IsOk()) << text;
    EXPECT_EQ(expression->Test(input_), expected) << text;
  }
}

TEST_F(ExpressionTest, FaultsHaveTheirPlace) {
  EXPECT_EQ(ErrorOf("$.a | lwer"),
            "expression '$.a | lwer', character 7: unknown function 'lwer'; did you mean 'lower'?");
  const std::pair<const char*, const char*> cases[] = {
      {"", "character 1: expected a value, found end"},
      {"$.", "character 3: expected a key after '.', found end"},
      {"$.a[", "character 5: expected an index"},
      {"$.a[1", "expected ']', found end"},
      {"$a", "character 2: expected '.' or '['"},
      {"@.x", "only inside [?…]"},
      {"$.a b", "character 5: unexpected 'b'"},
      {"$.a = 1", "character 5: write == to compare"},
      {"'open", "character 1: the text has no closing quote"},
      {"-30d", "character 1: not a number"},
      {"1.2.3", "not a number"},
      {"- 1", "not a number"},
      {"and", "expected a value, found 'and'"},
      {"$.a |", "expected a function after '|', found end"},
      {"$.a | now", "now is a call, not a stage"},
      {"join($.a)", "join takes another number of arguments"},
      {"lower()", "lower takes another number"},
      {"$.a | join($.b)", "join needs a text in quotes as argument 1"},
      {"format($.b)", "format needs a text in quotes as argument 1"},
      {"format('{}')", "format has 1 {} for 0 arguments"},
      {"format('{x}', 1)", "a single brace"},
      {"$.a | match('(')", "bad regular expression"},
      {"$.a | time('%Y', 'Mars/Olympus')", "unknown zone 'Mars/Olympus'"},
      {"$.a | time('%Y', $.b)", "the zone is tenant or a name in quotes"},
      {"$.a | time('%Y-%9999m')", "time: unknown format '%Y-%9999m'"},
      {"$.a | time('rfc822')", "time: unknown format"},
      {"$.a | time('%')", "time: unknown format"},
      {"$.a in 'x'", "expected '(', found ''x''"},
      {"$.a not 5", "expected 'in' after 'not'"},
      {"(1", "expected ')', found end"},
      {"\xff", "not UTF-8"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(ErrorOf(text), HasSubstr(expected)) << text;
  const auto file = std::make_shared<const std::string>("s.yaml");
  EXPECT_THAT(Expression::Compile("$.", {file, 3, 4}),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("s.yaml:3:4: expression '$.'")));
}

TEST_F(ExpressionTest, NestingAndLengthAreBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '(') + '1' +
           std::string(static_cast<size_t>(depth), ')');
  };
  EXPECT_EQ(ErrorOf(nested(kExpressionDepthMax - 1)), "ok");
  EXPECT_THAT(ErrorOf(nested(kExpressionDepthMax)), HasSubstr("nested too deeply"));
  std::string nots;
  std::string stages = "$.a";
  for (int i = 0; i < 40; ++i) nots += "not ", stages += "|trim";
  EXPECT_THAT(ErrorOf(nots + "true"), HasSubstr("nested too deeply"));
  EXPECT_THAT(ErrorOf(stages), HasSubstr("more than 32 stages"));
  EXPECT_THAT(ErrorOf(std::string(kExpressionBytesMax + 1, ' ')), HasSubstr("longer than"));
}

TEST_F(ExpressionTest, SaysWhatItReads) {
  const auto expression = Expression::Compile(
      "format('{}{}{}', tenant.name, $.a.b, col('X')) | default($parent.id | "
      "time('%Y', tenant)) | default($.v[?@.n == key].w)");
  ASSERT_THAT(expression, IsOk());
  EXPECT_THAT(expression->reads().paths, ElementsAre("$.a.b", "$.v[?@.n == key].w", "$parent.id"));
  EXPECT_THAT(expression->reads().variables, ElementsAre("key", "tenant.name"));
  EXPECT_THAT(expression->reads().columns, ElementsAre("X"));
  EXPECT_FALSE(expression->IsPath());
  EXPECT_TRUE(Expression::Compile("$.a[*]")->IsPath());
}

TEST_F(ExpressionTest, ListsGiveTheFirstThatIsNotNull) {
  const auto node = config::ParseYaml("[$.nope, $.data.none, $.data.text, 5, 1e3, true]", "f");
  ASSERT_THAT(node, IsOk());
  const auto expression = Expression::Compile(*node);
  ASSERT_THAT(expression, IsOk());
  EXPECT_EQ(expression->Evaluate(input_).value.ToValue(), Value("42"));
  EXPECT_EQ(expression->text(), "[$.nope, $.data.none, $.data.text, 5, 1000, true]");
  EXPECT_EQ(Expression::Compile(expression->ToNode())->text(), expression->text());
  EXPECT_THAT(Expression::Compile(*config::ParseYaml("[]", "f")),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Expression::Compile(*config::ParseYaml("{ a: b }", "f")),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("found a map")));
  EXPECT_THAT(Expression::Compile(*config::ParseYaml(".nan", "f")),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("no exact number")));
}

TEST(SelectTest, GivesEachElementWithTheObjectAround) {
  const auto document =
      json::Parse(R"({"entry":[{"id":1,"changes":[{"f":1},{"f":2}]},{"id":2,"changes":[{"f":3}]},
                     {"id":3}],"data":[1,2]})")
          .value();
  const auto select = [&](std::string_view path) {
    std::string out;
    for (const Selected& each : Expression::Compile(path)->Select(document.root())) {
      out += each.item.ToText() + '@' + each.parent["id"].ToText() + ' ';
    }
    return out;
  };
  EXPECT_EQ(select("$.entry[*].changes[*]"), R"({"f":1}@1 {"f":2}@1 {"f":3}@2 )");
  EXPECT_EQ(select("$.entry[?@.id != 1].changes[0]"), R"({"f":3}@2 )");
  EXPECT_EQ(select("$.data"), "1@null 2@null ");
  EXPECT_EQ(select("$.entry[1]"), R"({"id":2,"changes":[{"f":3}]}@null )");
  EXPECT_EQ(select("$.nope"), "");
  EXPECT_EQ(select("$.data | first"), "");
  EXPECT_EQ(Expression::Compile("$")->Select(document.root()).size(), 1u);
}

TEST(SelectTest, ListsAreCut) {
  std::string text = "[0";
  for (size_t i = 0; i < kListItemsMax; ++i) text += ",0";
  const auto document = json::Parse(text + "]").value();
  Input input;
  input.record = document.root();
  const auto expression = Expression::Compile("$[*]");
  const Outcome outcome = expression->Evaluate(input);
  EXPECT_EQ(outcome.value.AsList()->size(), kListItemsMax);
  EXPECT_EQ(outcome.conversion_failures, 1u);
  EXPECT_EQ(expression->Select(input.record).size(), kListItemsMax);
}

struct Mapping {
  config::OrderedMap<Expression> set;
};
constexpr void Describe(config::Of<Mapping> auto& config, auto&& field) {
  field("set", config.set, "Columns.");
}

TEST(CodecTest, StructsHaveExpressions) {
  class Nothing final : public config::Environment {
    std::optional<std::string> Variable(const std::string&) const override { return {}; }
    Result<std::string> ReadFile(const std::string&, size_t) const override {
      return Fail(ErrorCode::kNotFound, "none");
    }
  } nothing;
  const auto good =
      config::Load<Mapping>("set: { a: $.a | lower, b: [$.b, $.c], c: 0 }", "f.yaml", nothing);
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ(good->set.Find("b")->text(), "[$.b, $.c]");
  EXPECT_THAT(config::Load<Mapping>("set:\n  a: $.a | lwer\n", "f.yaml", nothing),
              FailsWith(ErrorCode::kInvalidArgument,
                        HasSubstr("f.yaml:2:6: set.a: expression '$.a | lwer', character 7")));
}

}  // namespace
}  // namespace tw::ingest::mapping
