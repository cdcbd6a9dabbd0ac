#include "changelog/crc32c.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tw::changelog {
namespace {

TEST(Crc32cTest, GivesThePublishedValues) {
  // RFC 3720 §B.4, and the customary check value.
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  EXPECT_EQ(ExtendCrc32c(0, ""), 0u);
  EXPECT_EQ(ExtendCrc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(ExtendCrc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(ExtendCrc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(ExtendCrc32c(0, rising), 0x46dd794eu);
}

TEST(Crc32cTest, InstructionAndTableAgreeAtEveryLengthAndOffset) {
  SeededRandom random(1);
  const std::string bytes = random.Hex(200);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t size = 0; size + start <= 100; ++size) {
      const std::string_view part = std::string_view(bytes).substr(start, size);
      ASSERT_EQ(ExtendCrc32c(7, part), ExtendCrc32cPortable(7, part)) << start << " " << size;
    }
  }
}

TEST(Crc32cTest, PartsGiveTheSameAsTheWhole) {
  const std::string_view text = "The quick brown fox jumps over the lazy dog";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(ExtendCrc32c(ExtendCrc32c(0, text.substr(0, cut)), text.substr(cut)),
              ExtendCrc32c(0, text));
  }
}

}  // namespace
}  // namespace tw::changelog
