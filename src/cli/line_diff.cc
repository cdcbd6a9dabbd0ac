#include "cli/line_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/strings.h"

namespace tw::cli {
namespace {

constexpr size_t kLinesMax = 5'000;

using Lines = std::span<const std::string_view>;

// lengths[i][j]: the longest common subsequence of before[i…] and after[j…].
std::vector<std::vector<uint16_t>> Lengths(Lines before, Lines after) {
  std::vector<std::vector<uint16_t>> lengths(before.size() + 1,
                                             std::vector<uint16_t>(after.size() + 1));
  for (size_t i = before.size(); i-- > 0;) {
    for (size_t j = after.size(); j-- > 0;) {
      lengths[i][j] = before[i] == after[j] ? static_cast<uint16_t>(lengths[i + 1][j + 1] + 1)
                                            : std::max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

}  // namespace

std::vector<std::string> LineDiff(std::string_view before, std::string_view after) {
  const auto old_lines = Split(before, '\n');
  const auto new_lines = Split(after, '\n');
  Lines gone(old_lines);
  Lines come(new_lines);
  while (!gone.empty() && !come.empty() && gone.front() == come.front()) {
    gone = gone.subspan(1);
    come = come.subspan(1);
  }
  while (!gone.empty() && !come.empty() && gone.back() == come.back()) {
    gone = gone.first(gone.size() - 1);
    come = come.first(come.size() - 1);
  }
  std::vector<std::string> diff;
  size_t i = 0;
  size_t j = 0;
  if (gone.size() <= kLinesMax && come.size() <= kLinesMax) {
    const auto lengths = Lengths(gone, come);
    while (i < gone.size() && j < come.size()) {
      if (gone[i] == come[j]) {
        ++i;
        ++j;
      } else if (lengths[i + 1][j] >= lengths[i][j + 1]) {
        diff.push_back("-" + std::string(gone[i++]));
      } else {
        diff.push_back("+" + std::string(come[j++]));
      }
    }
  }
  for (; i < gone.size(); ++i) diff.push_back("-" + std::string(gone[i]));
  for (; j < come.size(); ++j) diff.push_back("+" + std::string(come[j]));
  return diff;
}

}  // namespace tw::cli
