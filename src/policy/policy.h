// policy: who may see which row: row-level security and filters, decided in memory.
//
//   policy SQL ──Compile──▶ TablePolicy ──AccessFor(claims)──▶ Access ──Allows(row)──▶ yes / no
//   "org=eq.7" ──Parse────▶ Filter ───────────────────────────────────Matches(row)──▶ yes / no
//
// Start here   policy.h (who may see) → filter.h (who wants to see) → expression.h (the typed tree)
//              → compile.h (SQL → tree) → evaluate.h (tree × row → SQL value) → datum.h (values).
// Promises     Three-valued logic as PostgreSQL: only TRUE shows a row. What cannot be evaluated
//              exactly is refused at load with its place, never approximated. An error while a row
//              is judged hides that row. Every anchor is a necessary condition.
// Differs      From PostgreSQL, on the embedded store, on purpose: text is ordered and equal by
//              bytes (collation "C"); lower, upper and ILIKE fold ASCII only; regular expressions
//              are RE2's, and patterns that mean something else there are refused; a stored value
//              that does not fit its column's declared type (SQLite checks nothing) hides the row
//              as soon as the decision needs it. Fits: bool = Value bool; int2…int8 = integer;
//              float8 = real or integer; numeric = integer, real or decimal text; text = text; uuid
//              = 36 characters all lower or all upper case; date = YYYY-MM-DD; timestamps = text
//              that ParseTimestamp reads; jsonb = JSON text; bytea = blob.
// Thread       Everything public is immutable after it is made; any thread.
// Not here     Where policies are declared (config), which subscribers share an Access (router).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/claims.h"
#include "model/relation.h"
#include "model/value.h"

namespace tw::policy {

inline constexpr size_t kSqlBytesMax = 64 * 1024;
inline constexpr size_t kExpressionNodesMax = 4096;
inline constexpr size_t kPoliciesPerTableMax = 256;
// More entries than this and a condition counts as not anchored.
inline constexpr size_t kAnchorsMax = 1024;

struct PolicyDefinition {
  enum class Kind : uint8_t { kPermissive, kRestrictive };
  std::string name;
  std::string using_sql;  // The boolean expression of USING (…), without the parentheses.
  std::vector<std::string> roles;  // Empty, or containing "public": every role.
  Kind kind = Kind::kPermissive;
  std::string where;  // "file:line:column" of the definition, for messages.
};

enum class RowLevelSecurity : uint8_t { kEnabled, kDisabled };

struct CompileOptions {
  RowLevelSecurity row_level_security = RowLevelSecurity::kEnabled;
  // Roles for which row-level security does not exist (BYPASSRLS).
  std::vector<std::string> bypass_roles = {"service_role"};
};

// "The row's `column` holds exactly `value`" (operator== of Value). A NULL value means IS NULL.
struct Anchor {
  size_t column = 0;
  Value value;
  bool operator==(const Anchor&) const = default;
};

class InnerView;  // The tables that policies look into, at one version; inner_tables.h.
class Program;    // The compiled policies of a table for a role; program.h.
class Slots;      // The values of the claims expressions of an Access; program.h.
struct Schema;    // schema.h.
struct ClaimsValues;

// What one set of claims may see of one table.
class Access {
 public:
  // Evaluates the claims expressions here (the embedded store).
  Access(std::shared_ptr<const Program> program, const Claims& claims);
  // With values that the database computed.
  Access(std::shared_ptr<const Program> program, std::unique_ptr<Slots> slots);
  // Denied: `error` is what the subscriber is owed.
  Access(std::shared_ptr<const Program> program, Error error);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  // Decided without looking at a row. Both false: it depends on the row.
  bool allows_nothing() const { return verdict_ == Verdict::kNothing; }
  bool allows_everything() const { return verdict_ == Verdict::kEverything; }

  // True when `row` (of the compiled relation: one value per column) may be seen, the tables that
  // policies look into being as `tables` shows them. Without `tables` a policy that needs them
  // hides the row, and so does one that only the database decides (database_tier.h). Does not allocate unless the policy computes new text, reads JSON columns or
  // does decimals of stored reals.
  bool Allows(const Row& row, const InnerView* tables = nullptr) const;

  // The same, with the rows told apart that could not be judged here: a value outside what is held
  // exactly, an operation that raised. Allows hides them.
  enum class Judgement : uint8_t { kHidden, kShown, kError };
  Judgement Judge(const Row& row, const InnerView* tables = nullptr) const;

  // Whether Allows needs `tables`.
  bool reads_tables() const;
  // Whether only the database decides about rows: Allows hides them.
  bool asks_database() const;
  const Program& program() const { return *program_; }
  const Slots& slots() const { return *slots_; }
  // Where readers with these rights are listed for the program's probes: (leaf, hash).
  std::vector<std::pair<uint32_t, uint64_t>> listings() const;

  // Equal keys decide equally for every row: table, policies that apply, values of their claims
  // expressions. Opaque bytes; not for display.
  const std::string& key() const { return key_; }

  // Each allowed row satisfies at least one entry; nullopt: no such list is known. An empty list
  // means that nothing is allowed. Necessary, not sufficient: always ask Allows as well.
  std::optional<std::span<const Anchor>> anchors() const {
    if (!anchors_) return std::nullopt;
    return std::span<const Anchor>(*anchors_);
  }

  // Set when an expression over the claims raised: access is denied, and the subscriber is owed
  // this message. kInvalidArgument: names the policy and PostgreSQL's own text.
  const std::optional<Error>& error() const { return error_; }

 private:
  enum class Verdict : uint8_t { kNothing, kEverything, kByRow };
  void Decide();  // Derives verdict_, key_ and anchors_ from the slots.
  void Deny(Error error);

  std::shared_ptr<const Program> program_;
  std::unique_ptr<Slots> slots_;
  Verdict verdict_ = Verdict::kNothing;
  std::string key_;
  std::optional<std::vector<Anchor>> anchors_;
  std::optional<Error> error_;
};

using AccessPtr = std::shared_ptr<const Access>;

// All policies of one table, compiled for each role. Visible = (any permissive policy TRUE) and
// (each restrictive policy TRUE), over the policies that concern the claims' role; without a
// permissive policy nothing is visible.
class TablePolicy {
 public:
  // What decisions look at, whoever asks; both ascending. A change of anything else shows and hides
  // nothing.
  struct Reads {
    std::vector<uint16_t> columns;  // Of the table itself.
    std::vector<uint32_t> tables;   // In sub-selects; numbers of the InnerPlan.
  };

  // One table alone, on the embedded store.
  // Errors: kInvalidArgument names the policy, its `where`, line, column and offset in its SQL and
  // what was expected: syntax, unknown column or function, types without an operator, a literal
  // that does not read as its type, anything outside the supported language (docs: policies).
  // kFailedPrecondition: policies that lead back to themselves. kResourceExhausted: a limit above.
  static Result<std::shared_ptr<const TablePolicy>> Compile(
      RelationPtr relation, std::span<const PolicyDefinition> policies,
      const CompileOptions& options = {});

  using ProgramPtr = std::shared_ptr<const Program>;
  // `by_role`: the roles that policies tell apart; `others`: every other role.
  TablePolicy(std::map<std::string, ProgramPtr, std::less<>> by_role, ProgramPtr others);
  ~TablePolicy();

  // Never null, never fails: an error in the claims is Access::error(). `values`: what the database
  // computed for these claims (claims_values.h); null: evaluated here, on the embedded store.
  AccessPtr AccessFor(const Claims& claims, const ClaimsValues* values = nullptr) const;
  const ProgramPtr& ProgramFor(std::string_view role) const;

  const RelationPtr& relation() const;
  Reads reads() const;

 private:
  std::map<std::string, ProgramPtr, std::less<>> by_role_;
  ProgramPtr others_;
};

using TablePolicyPtr = std::shared_ptr<const TablePolicy>;

}  // namespace tw::policy
