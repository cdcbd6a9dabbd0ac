// Exact decimal arithmetic on text: money never passes through a double.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tw::ingest::mapping {

// Longer results are refused.
inline constexpr size_t kDecimalDigitsMax = 1000;

// The exact value of a decimal text ("+1.50", ".5", "12e-3", white space around) as digits without
// exponent: "1.50", "0.5", "0.012". No sign on zero. The scale is kept.
// nullopt for anything else and for more than kDecimalDigitsMax digits.
std::optional<std::string> NormalizeDecimal(std::string_view text);

// a + b of normalized decimals; the larger scale wins. nullopt above kDecimalDigitsMax.
std::optional<std::string> AddDecimals(std::string_view a, std::string_view b);

// Whether two normalized decimals have the same value: "1.50" and "1.5".
bool SameDecimal(std::string_view a, std::string_view b);

}  // namespace tw::ingest::mapping
