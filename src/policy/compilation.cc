// From the policies of a table to one expression; its claims-only parts become slots.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/builder.h"
#include "policy/compile.h"
#include "policy/evaluate.h"
#include "policy/exactness.h"

namespace tw::policy {
namespace {

std::string LabelOf(const PolicyDefinition& definition) {
  std::string label = "policy \"" + definition.name + "\"";
  return definition.where.empty() ? label : label + " (" + definition.where + ")";
}

Expression Truth(bool value) {
  Expression constant;
  constant.type = {Base::kBool};
  constant.constant = Datum::Bool(value);
  return constant;
}

// AND or OR of any number of conditions; one stands for itself.
Expression Join(Op op, std::vector<Expression> conditions) {
  if (conditions.size() == 1) return std::move(conditions[0]);
  Expression joined;
  joined.op = op;
  joined.type = {Base::kBool};
  for (const Expression& condition : conditions) {
    joined.reads_row |= condition.reads_row;
    joined.reads_claims |= condition.reads_claims;
  }
  joined.arguments = std::move(conditions);
  return joined;
}

}  // namespace

Status Compilation::Count() {
  if (++nodes_ <= kExpressionNodesMax) return {};
  return Fail(ErrorCode::kResourceExhausted,
              "more than " + std::to_string(kExpressionNodesMax) + " parts");
}

Result<uint16_t> Compilation::NewRange() {
  if (ranges_ >= kRangesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(kRangesMax - 1) + " tables in sub-selects");
  }
  return ranges_++;
}

Result<Expression> Compilation::Predicate(const ScopeEntry& entry, std::string_view role) {
  const SchemaTable& table = *entry.table;
  if (schema_.Bypasses(role, table)) return Truth(true);
  if (std::ranges::find(expanding_, &table) != expanding_.end()) {
    // Inside a function the database notices only when it runs.
    const ErrorCode code =
        function_depth > 0 ? ErrorCode::kInvalidArgument : ErrorCode::kFailedPrecondition;
    return Fail(code, "infinite recursion detected in policy for relation \"" +
                          table.relation->table + "\"");
  }
  const auto applies = [&](const PolicyDefinition& definition) {
    return definition.roles.empty() ||
           std::ranges::any_of(definition.roles, [&](const std::string& named) {
             return named == "public" || schema_.Uses(role, named);
           });
  };
  // Without a permissive policy PostgreSQL does not look at the restrictive ones, so that nothing
  // in them can raise.
  const bool hopeless = std::ranges::none_of(table.policies, [&](const PolicyDefinition& d) {
    return d.kind == PolicyDefinition::Kind::kPermissive && applies(d);
  });
  if (hopeless && schema_.dialect == Dialect::kPostgres) return Truth(false);
  expanding_.push_back(&table);
  std::vector<Expression> permissive;
  std::vector<Expression> conditions;
  const auto compile_all = [&]() -> Status {
    for (const PolicyDefinition& definition : table.policies) {
      if (!applies(definition)) continue;
      TW_ASSIGN_OR_RETURN(Expression condition, CompilePolicy(definition, entry, role));
      const bool restricts = definition.kind == PolicyDefinition::Kind::kRestrictive;
      (restricts ? conditions : permissive).push_back(std::move(condition));
    }
    return {};
  };
  const Status compiled = compile_all();
  expanding_.pop_back();
  TW_RETURN_IF_ERROR(compiled);
  if (permissive.empty()) return Truth(false);
  conditions.insert(conditions.begin(), Join(Op::kOr, std::move(permissive)));
  return Join(Op::kAnd, std::move(conditions));
}

Result<Expression> Compilation::CompilePolicy(const PolicyDefinition& definition,
                                              const ScopeEntry& entry, std::string_view role) {
  const std::string label = LabelOf(definition);
  const auto compile = [&]() -> Result<Expression> {
    TW_ASSIGN_OR_RETURN(const SqlTree tree, ParseExpression(definition.using_sql));
    Scope scope;
    scope.entries = {entry};
    scope.entries[0].alias = entry.table->relation->table;
    scope.entries[0].privileges = ScopeEntry::Privileges::kNotNeeded;
    std::vector<std::string> path = schema_.search_path;
    Builder builder(definition.using_sql, kExpressionOffset, *this, scope, std::string(role),
                    std::move(path));
    TW_ASSIGN_OR_RETURN(Expression condition, builder.BuildBool(tree.root, "USING"));
    if (schema_.dialect == Dialect::kPostgres) {
      TW_RETURN_IF_ERROR(CheckExact(condition, definition.using_sql));
    }
    TW_RETURN_IF_ERROR(Extract(condition, label));
    return condition;
  };
  auto condition = compile();
  if (!condition.ok()) return Annotate(condition.error(), label);
  return condition;
}

Status Compilation::Extract(Expression& expression, const std::string& label) {
  if (expression.op == Op::kConstant || expression.op == Op::kSlot) return {};
  if (expression.reads_row) {
    for (Expression& argument : expression.arguments) {
      TW_RETURN_IF_ERROR(Extract(argument, label));
    }
    if (expression.query == nullptr) return {};
    for (Expression& condition : expression.query->conditions) {
      TW_RETURN_IF_ERROR(Extract(condition, label));
    }
    for (Expression& target : expression.query->target) {
      TW_RETURN_IF_ERROR(Extract(target, label));
    }
    return {};
  }
  const Type type = expression.type;
  const uint32_t offset = expression.offset;
  Expression replacement;
  if (expression.reads_claims) {
    replacement.op = Op::kSlot;
    replacement.reads_claims = true;
    replacement.index = SlotFor(std::move(expression), label);
  } else {
    Scratch scratch;
    const Datum value = Evaluate(expression, {}, scratch);
    if (value.is_error()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "offset " + std::to_string(offset) + ": " + *scratch.error());
    }
    replacement.constant = Own(value, constants_);
  }
  replacement.type = type;
  replacement.offset = offset;
  expression = std::move(replacement);
  return {};
}

uint32_t Compilation::SlotFor(Expression expression, const std::string& label) {
  std::string identity;
  AppendIdentity(identity, expression);
  const auto found = std::ranges::find(slots_, identity, &ClaimsSlot::identity);
  if (found != slots_.end()) return static_cast<uint32_t>(found - slots_.begin());
  slots_.push_back({std::move(expression), std::move(identity), label});
  return static_cast<uint32_t>(slots_.size() - 1);
}

}  // namespace tw::policy
