// Exact decimals as text: what PostgreSQL's numeric means, compared digit by digit, never through
// doubles. Source: PostgreSQL 15 manual §8.1.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw::policy {

// Digits before or after the point that a numeric may have here (PostgreSQL: 131 072 and 16 383).
inline constexpr size_t kNumericDigitsMax = 1000;

// The text numeric_out gives for what numeric_in reads: "1e3" → "1000", ".50" → "0.50", "inf" →
// "Infinity". The scale is kept. ASCII white space around the number is allowed.
// Errors: kInvalidArgument with PostgreSQL's text, also over kNumericDigitsMax.
Result<std::string> CanonicalDecimal(std::string_view text);

// True when `text` is already as CanonicalDecimal gives it, leading zeros excepted.
bool IsPlainDecimal(std::string_view text);

// <0, 0, >0. Both must be plain decimals. NaN equals itself and is above everything.
int CompareDecimals(std::string_view a, std::string_view b);

// Rounded half away from zero; nullopt outside int64 and for NaN and infinities.
std::optional<int64_t> RoundDecimal(std::string_view plain);

// The nearest double.
double DecimalToDouble(std::string_view plain);

}  // namespace tw::policy
