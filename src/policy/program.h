// The compiled policies of one table for one role, and the values of their claims expressions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/compile.h"
#include "policy/database_predicate.h"
#include "policy/expression.h"
#include "policy/policy.h"
#include "policy/probe.h"

namespace tw::policy {

class Program {
 public:
  // `inner` grows by what the policies look into. Errors: as Compilation.
  static Result<std::shared_ptr<const Program>> Compile(const Schema& schema,
                                                        const SchemaTable& table,
                                                        std::string_view role, InnerPlan& inner);
  // A program that denies everything: `error` is what each reader is told.
  static std::shared_ptr<const Program> Denying(RelationPtr relation, Error error);
  // A program that the database runs (database_tier.h). Errors: as MakeDatabasePredicate.
  static Result<std::shared_ptr<const Program>> InDatabase(const Schema& schema,
                                                           const SchemaTable& table,
                                                           std::string_view role);
  // A program that shows everything.
  static std::shared_ptr<const Program> Allowing(RelationPtr relation);

  const RelationPtr& relation() const { return relation_; }
  // TRUE for rows that may be seen.
  const Expression& condition() const { return condition_; }
  const std::vector<ClaimsSlot>& slots() const { return slots_; }
  const ProbePlan& probes() const { return probes_; }
  // Null unless the database decides.
  const DatabasePredicate* database() const { return database_ ? &*database_ : nullptr; }
  // Whether it looks into other tables.
  bool reads_tables() const { return reads_tables_; }
  uint64_t plan_id() const { return plan_id_; }
  // Names the table's shape and what its policies compute; the first part of every Access key.
  const std::string& identity() const { return identity_; }
  const std::optional<Error>& error() const { return error_; }
  // Parallel to the columns, false: the role may not read them. Empty: it may read all.
  const std::vector<bool>& readable() const { return readable_; }

 private:
  void SetReadable(const SchemaTable& table, std::string_view role);

  RelationPtr relation_;
  Expression condition_;
  std::vector<ClaimsSlot> slots_;
  ProbePlan probes_;
  std::optional<DatabasePredicate> database_;
  bool reads_tables_ = false;
  uint64_t plan_id_ = 0;
  std::string identity_;
  std::optional<Error> error_;
  std::vector<bool> readable_;
  Scratch constants_;
};

class Slots {
 public:
  std::vector<Datum> values;  // Parallel to Program::slots().
  Scratch scratch;            // Owns what `values` show.
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
