#include "config/changed_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Between(const char* before, const char* after) {
  const auto a = ParseYaml(before, "a.yaml");
  const auto b = ParseYaml(after, "b.yaml");
  EXPECT_THAT(a, testing::IsOk());
  EXPECT_THAT(b, testing::IsOk());
  return ChangedKeys(*a, *b);
}

TEST(ChangedKeysTest, OrderAndStyleAreNoDifference) {
  EXPECT_THAT(Between("a: 1\nb: {c: [1, 2]}\n", "b:\n  c:\n    - 1\n    - 2\na: 1\n"), IsEmpty());
}

TEST(ChangedKeysTest, NamesTheDeepestKeyThatBothHave) {
  EXPECT_THAT(Between("a: {b: 1, c: 2, d: [1, 2]}", "a: {b: 1, c: 3, d: [2, 1]}"),
              ElementsAre("a.c", "a.d"));
}

TEST(ChangedKeysTest, NamesWhatOnlyOneHas) {
  EXPECT_THAT(Between("a: 1\nb: {x: 1}", "b: {x: 1, y: 2}\nc: 3"), ElementsAre("a", "b.y", "c"));
}

TEST(ChangedKeysTest, AMapInPlaceOfAValueIsOneDifference) {
  EXPECT_THAT(Between("a: {b: {c: 1}}", "a: {b: 1}"), ElementsAre("a.b"));
}

}  // namespace
}  // namespace tw::config
