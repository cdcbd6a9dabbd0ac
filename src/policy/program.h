// The compiled policies of one table, and the values of their claims expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/expression.h"
#include "policy/policy.h"

namespace tw::policy {

// One policy after its claims-only parts were replaced by slots and its constant parts by values.
struct CompiledPolicy {
  std::string name;
  std::string label;  // `policy "name" (file:line:column)`, for messages.
  PolicyDefinition::Kind kind = PolicyDefinition::Kind::kPermissive;
  std::vector<std::string> roles;
  Expression condition;
  std::vector<uint32_t> slots;  // Those that `condition` reads, each once.

  bool AppliesTo(std::string_view role) const;
};

class Program {
 public:
  static Result<std::shared_ptr<const Program>> Compile(RelationPtr relation,
                                                        std::span<const PolicyDefinition> policies,
                                                        const CompileOptions& options);

  const RelationPtr& relation() const { return relation_; }
  const std::vector<CompiledPolicy>& policies() const { return policies_; }
  // The claims expressions, shared by all policies of the table.
  const std::vector<Expression>& slots() const { return slots_; }
  // Names the table's shape and what its policies compute; the first part of every Access key.
  const std::string& identity() const { return identity_; }
  bool Bypasses(std::string_view role) const;

 private:
  Status Add(const PolicyDefinition& definition);
  // Replaces the maximal parts of `expression` that read no row.
  Status Extract(Expression& expression, CompiledPolicy& policy);
  uint32_t SlotFor(Expression expression);

  RelationPtr relation_;
  RowLevelSecurity security_ = RowLevelSecurity::kEnabled;
  std::vector<std::string> bypass_roles_;
  std::vector<CompiledPolicy> policies_;
  std::vector<Expression> slots_;
  std::vector<std::string> slot_identities_;
  std::string identity_;
  Scratch constants_;
};

class Slots {
 public:
  // Parallel to Program::slots(); NULL where no policy that applies reads it.
  std::vector<Datum> values;
  Scratch scratch;  // Owns what `values` show.
};

// The value of `condition` where it is the same for every row; nullopt where it depends on the row.
std::optional<Datum> ValueForEveryRow(const Expression& condition, const Slots& slots);

// Necessary conditions of "condition is TRUE", as in Access::anchors.
std::optional<std::vector<Anchor>> AnchorsOf(const Expression& condition, const Slots& slots);

// True when `a` seems to admit fewer rows than `b`: NULLs and booleans select little, then the
// shorter list wins.
bool AnchorsSelectMore(const std::vector<Anchor>& a, const std::vector<Anchor>& b);
// Of two necessary conditions of an AND the one that selects more.
std::optional<std::vector<Anchor>> BetterAnchors(std::optional<std::vector<Anchor>> a,
                                                 std::optional<std::vector<Anchor>> b);
// For an OR: all entries of both; nullopt when one side has none, or over kAnchorsMax.
std::optional<std::vector<Anchor>> JoinAnchors(std::optional<std::vector<Anchor>> a,
                                               std::optional<std::vector<Anchor>> b);

// Every stored form (policy.h, "Differs") of a value in a column; nullopt when the type has too
// many. NULL gives nothing: it equals no row.
std::optional<std::vector<Anchor>> AnchorsFor(size_t column, ColumnType type, const Datum& value);

}  // namespace tw::policy
