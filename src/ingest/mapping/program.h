// The compiled form of an expression. Private to ingest/mapping.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <vector>

#include "ingest/mapping/expression.h"
#include "ingest/mapping/functions.h"

namespace tw::ingest::mapping {

enum class Op : uint8_t {
  kLiteral,
  kPath,
  kVariable,
  kCall,
  kEqual,
  kNotEqual,
  kIn,  // The first argument among the others.
  kAnd,
  kOr,
  kNot,
  kFirstPresent,  // A list of alternatives: the first that is not null.
};

enum class Root : uint8_t { kRecord, kParent, kElement };

struct Step {
  enum class Kind : uint8_t { kName, kIndex, kAll, kFilter };
  Kind kind = Kind::kName;
  std::string name;
  int64_t index = 0;    // Negative counts from the end.
  uint32_t filter = 0;  // Operation of a kFilter's condition.
};

struct Operation {
  Op op = Op::kLiteral;
  Root root = Root::kRecord;             // kPath
  Signature signature = kSignatures[0];  // kCall
  std::vector<Step> steps;               // kPath
  std::vector<uint32_t> arguments;       // Indexes of operations
  Datum literal;                         // kLiteral
  std::string name;                      // kVariable; a call's literal text
  std::vector<std::string> pieces;       // format: the text around its {}
  std::unique_ptr<const re2::RE2> regexp;
  const date::time_zone* zone = nullptr;  // time: of its literal name
  bool tenant_zone = false;               // time: Input::zone
};

struct Program {
  std::vector<Operation> operations;
  uint32_t root = 0;
  std::string text;
  std::vector<std::string> alternatives;  // Their texts, when it was a list.
  Reads reads;
};

// What the evaluator hands to Call.
struct CallResult {
  Datum value;
  uint32_t failures = 0;
};

// Runs one function over its evaluated arguments (those that are not literal texts).
CallResult Call(const Operation& call, std::vector<Datum> arguments, const Input& input);

// The elements of a list or of a JSON array; nullopt for anything else.
std::optional<List> ItemsOf(const Datum& datum);

// Appends the compiled `text` to `program`; gives the index of its operation.
Result<uint32_t> CompileInto(Program& program, std::string_view text);

}  // namespace tw::ingest::mapping
