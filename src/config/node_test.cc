#include "config/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "testing/matchers.h"

namespace tw::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using tw::testing::FailsWith;
using tw::testing::IsOk;

Node Parse(std::string_view text) {
  auto node = ParseYaml(text, "f.yaml");
  EXPECT_THAT(node, IsOk()) << text;
  return node.ok() ? *std::move(node) : Node();
}

std::string ErrorOf(std::string_view text) {
  const auto node = ParseYaml(text, "f.yaml");
  return node.ok() ? "ok" : node.error().message;
}

TEST(ParseYamlTest, ResolvesByTheCoreSchemaOnly) {
  using enum Node::Kind;
  const std::pair<const char*, Node::Kind> cases[] = {
      {"on", kText},       {"off", kText},   {"yes", kText},   {"no", kText},
      {"y", kText},        {"12:30", kText}, {"1_000", kText}, {"0b11", kText},
      {"0o", kText},       {"0x", kText},    {"0o8", kText},   {"-0o7", kText},
      {"1e", kText},       {".", kText},     {"-", kText},     {"2024-10-01", kText},
      {"-30d", kText},     {"5%", kText},    {"nan", kText},   {"tRue", kText},
      {"true", kBool},     {"FALSE", kBool}, {"~", kNull},     {"NULL", kNull},
      {"", kNull},         {"017", kInt},    {"0o17", kInt},   {"0xFf", kInt},
      {"+5", kInt},        {"-5", kInt},     {"1.", kFloat},   {".5", kFloat},
      {"-1.5e-3", kFloat}, {"1e3", kFloat},  {".inf", kFloat}, {"-.INF", kFloat},
      {".nan", kFloat},
  };
  for (const auto& [text, kind] : cases) {
    EXPECT_EQ(Node::Scalar(text, Node::Style::kPlain).kind(), kind) << text;
    if (std::string_view(text) == "-") continue;
    EXPECT_EQ(Parse("k: " + std::string(text)).Find("k")->kind(), kind) << text;
  }
  EXPECT_EQ(Parse("'5'").kind(), kText);
  EXPECT_EQ(Parse("k: \"true\"").Find("k")->kind(), kText);
  EXPECT_EQ(Parse("k: |\n  12\n").Find("k")->text(), "12\n");
  EXPECT_EQ(Parse("k: ''").Find("k")->kind(), kText);
  EXPECT_EQ(Parse("on: 1").entries()[0].key, "on");
}

TEST(ParseYamlTest, NumbersAreExact) {
  EXPECT_EQ(Parse("9223372036854775807").AsInt(), INT64_MAX);
  EXPECT_EQ(Parse("9223372036854775808").AsInt(), std::nullopt);
  EXPECT_EQ(Parse("18446744073709551615").AsUint(), UINT64_MAX);
  EXPECT_EQ(Parse("017").AsInt(), 17);
  EXPECT_EQ(Parse("0o17").AsInt(), 15);
  EXPECT_EQ(Parse("0x1f").AsInt(), 31);
  EXPECT_EQ(Parse("0x1f").AsDouble(), 31);
  EXPECT_EQ(Parse("-.inf").AsDouble(), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(*Parse(".nan").AsDouble()));
}

TEST(ParseYamlTest, EverythingHasItsPlace) {
  const Node root = Parse(
      "\xef\xbb\xbf"
      "a: 1\r\nbb:\r\n  - x\r\n  - { c: 'y' }\r\n");
  EXPECT_EQ(ToString(root.entries()[0].where), "f.yaml:1:1");
  EXPECT_EQ(ToString(root.Find("a")->where()), "f.yaml:1:4");
  EXPECT_EQ(ToString(root.entries()[1].where), "f.yaml:2:1");
  const Node& list = *root.Find("bb");
  EXPECT_EQ(ToString(list.where()), "f.yaml:3:3");
  EXPECT_EQ(ToString(list.items()[1].where()), "f.yaml:4:5");
  EXPECT_EQ(ToString(list.items()[1].Find("c")->where()), "f.yaml:4:10");
}

TEST(ParseYamlTest, RefusesTheTrapsOfYaml) {
  EXPECT_EQ(ErrorOf("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: duplicate key 'a'");
  EXPECT_EQ(ErrorOf("a: { b: 1, 'b': 2 }"), "f.yaml:1:12: duplicate key 'b'");
  EXPECT_EQ(ErrorOf("a: !foo 1"), "f.yaml:1:4: tags are not supported: '!foo'");
  EXPECT_THAT(ErrorOf("a: !!str 1"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("a: ! 1"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("!!map { a: 1 }"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("a: !x [1]"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("x: &a { b: 1 }\ny:\n  <<: *a\n"), StartsWith("f.yaml:3:3: merge keys"));
  EXPECT_EQ(ErrorOf("a: 1\n---\nb: 2\n"), "f.yaml:2:1: a second document: a file holds one");
  EXPECT_THAT(ErrorOf("%YAML 1.1\n---\na: 1\n"), StartsWith("f.yaml:1:1: directives"));
  EXPECT_THAT(ErrorOf("? [a]\n: 1\n"), HasSubstr("a key must be a scalar"));
  EXPECT_THAT(ErrorOf("null: 1\n"), HasSubstr("a key must be a text"));
  EXPECT_THAT(ErrorOf("k: &k x\n*k : 1\n"), HasSubstr("a key must be a text"));
  EXPECT_THAT(ErrorOf("a: [1, 2\n"), StartsWith("f.yaml:2:1: end of sequence flow"));
  EXPECT_THAT(ErrorOf("a: *nope"), StartsWith("f.yaml:1:4: "));
  EXPECT_THAT(ErrorOf("a: \x04 b"), StartsWith("f.yaml:1:4: control character 4"));
  EXPECT_THAT(ErrorOf("a: \xff"), HasSubstr("not UTF-8"));
  EXPECT_THAT(ErrorOf("\tb: 1\n  c: 2"), StartsWith("f.yaml:"));
  EXPECT_THAT(ErrorOf("a: \"\\N\""), HasSubstr("escapes \\N and \\_ are not supported"));
  EXPECT_EQ(ErrorOf("--- \na: 1\n...\n"), "ok");
}

TEST(ParseYamlTest, AliasesCopyWithinBounds) {
  const Node root = Parse("a: &x { n: [1, 2] }\nb: *x\n");
  EXPECT_EQ(root.Find("b")->Find("n")->items().size(), 2u);
  EXPECT_EQ(ErrorOf("a: &x [1, *x]"), "f.yaml:1:11: alias inside its own anchor");

  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k == 0 ? "" : ", ") + last;
    laughs += "]\n";
  }
  EXPECT_THAT(ErrorOf(laughs), HasSubstr("more than 262144 values, aliases included"));
}

TEST(ParseYamlTest, SizeAndDepthAreBounded) {
  EXPECT_THAT(ErrorOf(std::string(kFileBytesMax + 1, ' ')), HasSubstr("larger than 4194304 bytes"));
  EXPECT_EQ(ErrorOf(std::string(kDepthMax, '[') + std::string(kDepthMax, ']')), "ok");
  EXPECT_THAT(ErrorOf(std::string(kDepthMax + 1, '[') + std::string(kDepthMax + 1, ']')),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_EQ(ErrorOf(std::string(kKeyBytesMax, 'k') + ": 1"), "ok");
  EXPECT_THAT(ErrorOf(std::string(kKeyBytesMax + 1, 'k') + ": 1"),
              HasSubstr("a key longer than 160 bytes"));
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), StartsWith("f.yaml:"));
}

TEST(ParseYamlTest, ExpressionsStandUnquoted) {
  const Node root = Parse(
      "phone: $.v[?lower(@.name) in (\"phone\",\"x\")].value | first\n"
      "f: format(\"{}/w/{}\", $.a, $.b)\n"
      "o: { if: $.interested == true, k: col(\"Receipt ID\"), l: [$.a, $.b] }\n");
  EXPECT_EQ(root.Find("phone")->text(), "$.v[?lower(@.name) in (\"phone\",\"x\")].value | first");
  EXPECT_EQ(root.Find("o")->Find("if")->text(), "$.interested == true");
  EXPECT_EQ(root.Find("o")->Find("k")->text(), "col(\"Receipt ID\")");
}

TEST(ToYamlTest, ReadsBackTheSame) {
  const char* text =
      "a: 1\nb: \"1\"\nc: [x, {d: null, e: []}, [y]]\n\"on: x\": \"***\"\nf: \"- a\"\n"
      "g: \"a\\nb\"\nh: {}\ni: \"\"\nj: \"# x\"\nk: 12:30\nl: \"\\u007f\"\nm: \"a: b\"\n"
      "n: \"...\"\no: \"?\"\n";
  const Node root = Parse(text);
  const std::string written = ToYaml(root);
  EXPECT_EQ(ToYaml(Parse(written)), written);
  EXPECT_EQ(ToYamlLine(Parse(written)), ToYamlLine(root));
  EXPECT_EQ(ToYaml(Parse("a: [1, {b: c}]")), "a:\n  - 1\n  -\n    b: c\n");
  EXPECT_EQ(ToYaml(Node()), "null\n");
}

}  // namespace
}  // namespace tw::config
