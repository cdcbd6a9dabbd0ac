#include "cli/line_diff.h"

#include <gmock/gmock.h>

namespace tw::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(LineDiffTest, SaysWhatGoesAndWhatComes) {
  EXPECT_THAT(LineDiff("a\nb\nc", "a\nb\nc"), IsEmpty());
  EXPECT_THAT(LineDiff("a\nb\nc\n", "a\nx\nc\n"), ElementsAre("-b", "+x"));
  EXPECT_THAT(LineDiff("", "a"), ElementsAre("-", "+a"));
  EXPECT_THAT(LineDiff("a\nb\nc\nd", "b\nc\ne\nd\nf"), ElementsAre("-a", "+e", "+f"));
}

TEST(LineDiffTest, LongMiddlesGoAndComeWhole) {
  std::string before;
  std::string after;
  for (int i = 0; i < 6'000; ++i) {
    before += "b" + std::to_string(i) + "\n";
    after += "a" + std::to_string(i) + "\n";
  }
  EXPECT_THAT(LineDiff(before, after), SizeIs(12'000));
}

}  // namespace
}  // namespace tw::cli
