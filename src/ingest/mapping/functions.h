// The fixed functions of expressions. Each is total: a null or unsuitable input gives null.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tw::ingest::mapping {

enum class Function : uint8_t {
  kLower,    // text → ASCII letters in lower case.
  kUpper,    // text → ASCII letters in upper case.
  kTrim,     // text → without ASCII white space at both ends.
  kInt,      // integer, text, decimal without fraction, boolean (0, 1) → integer. Else: failure.
  kDecimal,  // integer, number, text → Decimal. Else: failure.
  kBool,     // true/t/yes/on/1 and false/f/no/off/0, text in any case → boolean. Else: failure.
  kFirst,    // list → its first item that is not null; anything else → itself.
  kSum,   // list of numbers or number texts → integer if all are, else Decimal; nulls and empty
          // texts are skipped; the empty list is 0. Failure: an item that is no number.
  kJoin,  // join(list, sep) → text; nulls are skipped.
  kHash,  // any → SHA-256 as 64 hex digits; hash(a, b) prefixes each part with its length.
  kTime,  // time(x, fmt[, zone]) → "2026-01-02T03:04:05.000000Z". fmt: 'rfc3339', 'unix',
          // 'unix_ms' or strftime's letters (IsTimeFormat); a text without offset is local in
          // `zone`: an IANA name in quotes, or tenant; default UTC. In an autumn repeat the first,
          // in a spring gap the instant after it. Failure: a text that does not fit.
  kDefault,  // default(x, y) → y when x is null.
  kMatch,    // match(x, re2) → the first group, or the whole match without groups; null if none.
  kFormat,   // format('{}/{}', a, b) → text; null when one of them is null. {{ and }} for braces.
  kNow,      // Input::now, as time gives it.
  kMonthStart,  // time → local date of the first of its month in Input::zone: "2026-01-01".
  kColumn,      // col('Receipt ID') → Variables::Column.
};

struct Signature {
  std::string_view name;
  Function function;
  // Arguments with the input of a stage as the first.
  uint8_t arguments_min;
  uint8_t arguments_max;
  // Index of an argument that must be a text literal; 255 when there is none.
  uint8_t literal;
  bool is_stage;
  bool maps_lists;  // Given a list, it works on each item.
};

inline constexpr uint8_t kNoLiteral = 255;
inline constexpr uint8_t kArgumentsMax = 16;

inline constexpr std::array kSignatures = {
    Signature{"lower", Function::kLower, 1, 1, kNoLiteral, true, true},
    Signature{"upper", Function::kUpper, 1, 1, kNoLiteral, true, true},
    Signature{"trim", Function::kTrim, 1, 1, kNoLiteral, true, true},
    Signature{"int", Function::kInt, 1, 1, kNoLiteral, true, true},
    Signature{"decimal", Function::kDecimal, 1, 1, kNoLiteral, true, true},
    Signature{"bool", Function::kBool, 1, 1, kNoLiteral, true, true},
    Signature{"first", Function::kFirst, 1, 1, kNoLiteral, true, false},
    Signature{"sum", Function::kSum, 1, 1, kNoLiteral, true, false},
    Signature{"join", Function::kJoin, 2, 2, 1, true, false},
    Signature{"hash", Function::kHash, 1, kArgumentsMax, kNoLiteral, true, false},
    Signature{"time", Function::kTime, 2, 3, 1, true, true},
    Signature{"default", Function::kDefault, 2, 2, kNoLiteral, true, false},
    Signature{"match", Function::kMatch, 2, 2, 1, true, true},
    Signature{"format", Function::kFormat, 1, kArgumentsMax, 0, false, false},
    Signature{"now", Function::kNow, 0, 0, kNoLiteral, false, false},
    Signature{"month_start", Function::kMonthStart, 1, 1, kNoLiteral, false, false},
    Signature{"col", Function::kColumn, 1, 1, 0, false, false},
};

}  // namespace tw::ingest::mapping
