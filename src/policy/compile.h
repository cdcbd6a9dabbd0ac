// SQL text → typed Expression. The language, its types and what is refused: docs/policies.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/expression.h"
#include "policy/inner_plan.h"
#include "policy/schema.h"

namespace tw::policy {

// What one name of a FROM clause stands for. Range 0 is the row that is judged.
struct ScopeEntry {
  std::string alias;
  const SchemaTable* table = nullptr;
  uint16_t range = 0;
  std::optional<uint32_t> inner;  // The table's number in the InnerPlan; none for range 0.
  // A policy's own columns need no privilege; those of a query do.
  enum class Privileges : uint8_t { kNotNeeded, kNeeded } privileges = Privileges::kNotNeeded;
};

struct Scope {
  const Scope* outer = nullptr;
  std::vector<ScopeEntry> entries;
  // JOIN … USING: these names mean the left side's column.
  std::vector<std::pair<std::string, size_t>> merged;
  std::vector<std::string> parameter_names;
  std::vector<Expression> parameters;  // Of the function whose body this is.
};

// A part of a policy that depends on claims only: evaluated once per distinct claims.
struct ClaimsSlot {
  Expression expression;
  std::string identity;
  std::string label;  // The policy that reads it, for messages.
  std::string sql;    // For the database; empty on the embedded store.
};

// The compilation of one table's policies for one role.
// Errors: kInvalidArgument "policy …: line 1, column 8 (offset 7): <reason>" (not understood);
// kFailedPrecondition (policies that lead back to themselves), kPermissionDenied (a sub-select
// reads what the role may not): the database raises these for each query. kResourceExhausted over a
// limit of policy.h.
class Compilation {
 public:
  Compilation(const Schema& schema, std::string role, InnerPlan& inner, Scratch& constants)
      : schema_(schema), role_(std::move(role)), inner_(inner), constants_(constants) {}

  // "`role` may see the row of `entry`": its policies, joined; TRUE where none concern it.
  Result<Expression> Predicate(const ScopeEntry& entry, std::string_view role);

  const Schema& schema() const { return schema_; }
  // The role of the claims.
  const std::string& role() const { return role_; }
  InnerPlan& inner() { return inner_; }
  Scratch& constants() { return constants_; }
  std::vector<ClaimsSlot>& slots() { return slots_; }
  // Counts a node. Errors: kResourceExhausted.
  Status Count();
  Result<uint16_t> NewRange();

  // Guards against functions that call themselves.
  size_t function_depth = 0;

 private:
  Result<Expression> CompilePolicy(const PolicyDefinition& definition, const ScopeEntry& entry,
                                   std::string_view role);
  // Replaces the maximal parts of `expression` that read no row.
  Status Extract(Expression& expression, const std::string& label);
  uint32_t SlotFor(Expression expression, const std::string& label);

  const Schema& schema_;
  std::string role_;
  InnerPlan& inner_;
  Scratch& constants_;
  std::vector<ClaimsSlot> slots_;
  std::vector<const SchemaTable*> expanding_;
  uint16_t ranges_ = 1;
  size_t nodes_ = 0;
};

inline constexpr size_t kFunctionDepthMax = 16;

}  // namespace tw::policy
