// ingest/mapping: the expression language of source configurations (ingestion §3.1).
//
//   $.data.lead.email | lower | trim                a path, then stages
//   format("{}/leads/{}", $.url, lead_id)           calls, fields by bare name
//   $.vars[?lower(@.name) in ("phone", "tel")].value | first
//   $.interested == true and not $.status in ("x")  conditions
//
//   text ──Compile──▶ Expression (immutable) ──Evaluate(Input)──▶ Outcome
//
// Grammar      or → and → not → comparison (== != in) → operand ('|' stage)*; tightest last.
//              operand: path, name, literal, call, ( expression ). Path roots: $ the record,
//              $parent the object around it, @ the element (filters only). Steps: .name ['name']
//              [0] [-1]
//              [*] [?condition]. Strings in '…' or "…", with \\ \' \" \n \t.
//              Any stage may be written as a call with its input first: lower(@.name).
// Stages       lower upper trim int decimal bool first sum join(sep) hash time(fmt[, zone])
//              default(x) match(re2); calls only: format(text, …) now() month_start(at) col(name)
// Promises     Total: every evaluation ends, with null where something is missing or of the wrong
//              type. No loops, no I/O. Integers and decimals are exact. An Expression may be shared
//              by threads.
// Start here   expression.h → datum.h; functions.h has each function's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/location.h"
#include "config/node.h"
#include "ingest/mapping/datum.h"
#include "json/json.h"

namespace date {
class time_zone;
}

namespace tw::ingest::mapping {

// Limits of Compile.
inline constexpr size_t kExpressionBytesMax = 16 << 10;
inline constexpr int kExpressionDepthMax = 32;
// Elements that one [*] or filter chain may give; more are dropped and the outcome is flagged.
inline constexpr size_t kListItemsMax = 100'000;

// Gives values to bare names and CSV columns. Implemented by the caller of Evaluate.
class Variables {
 public:
  virtual ~Variables() = default;
  // `name` with its dots: "lead_id", "tenant.name". Null when it has no value.
  virtual Datum Variable(std::string_view name) const = 0;
  // col("Receipt ID"). Null when there is no such column.
  virtual Datum Column(std::string_view name) const;
};

// What one evaluation sees. Everything is borrowed.
struct Input {
  json::Value record;                     // $
  json::Value parent;                     // $parent
  const Variables* variables = nullptr;   // Without it every name is null.
  WallTime now;                           // now(): passed in, so that a replay gives the same.
  const date::time_zone* zone = nullptr;  // The tenant's, for month_start and time; null is UTC.
};

struct Outcome {
  Datum value;
  // How often int, decimal, bool, sum or time met something that they cannot convert (the value is
  // then null), or a list was cut. Missing and empty inputs do not count.
  uint32_t conversion_failures = 0;
};

// What an expression asks for, for checks at load time. Sorted, without duplicates.
struct Reads {
  std::vector<std::string> paths;      // As written from the root: "$.data.lead.id"
  std::vector<std::string> variables;  // "lead_id", "tenant.name"
  std::vector<std::string> columns;    // CSV columns
};

// One element that a path selected, and the nearest object around the array that it was in.
struct Selected {
  json::Value item;
  json::Value parent;
};

struct Program;

class Expression {
 public:
  // The literal null.
  Expression();

  // `where` leads the message when known.
  // Errors: kInvalidArgument "where: expression 'text', character 7: reason", with the nearest name
  // for an unknown function.
  static Result<Expression> Compile(std::string_view text, const config::Location& where = {});
  // A scalar, or a list of scalars: the first that is not null. Booleans and numbers are literals.
  static Result<Expression> Compile(const config::Node& node);

  Outcome Evaluate(const Input& input) const;
  // Whether a condition holds: the value is true, nothing else.
  bool Test(const Input& input) const;
  // The elements of a path, one by one, for `events:` and `records:`: "$" gives the root itself,
  // "$.data" the items of that array (or the object there), "$.entry[*].changes[*]" all changes.
  // Empty when nothing is there or the expression is not a path from $.
  std::vector<Selected> Select(const json::Value& root) const;

  const Reads& reads() const;
  // As compiled; alternatives joined as "[a, b]".
  const std::string& text() const;
  // Compiles to the same expression again: a text, or a list of texts for alternatives.
  config::Node ToNode() const;
  bool IsPath() const;  // Only a path from $, without stages.

 private:
  explicit Expression(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;  // Immutable: copies share it.
};

// The text form of times in outcomes: "2026-01-02T03:04:05.000000Z", so that text order is time
// order.
std::string TimeText(WallTime time);

}  // namespace tw::ingest::mapping
