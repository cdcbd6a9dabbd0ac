#include "policy/program.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/compile.h"
#include "policy/evaluate.h"

namespace tw::policy {
namespace {

// FNV-1a; keeps keys short. Only policy sets of one table and shape meet here.
uint64_t Fingerprint(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string LabelOf(const PolicyDefinition& definition) {
  std::string label = "policy \"" + definition.name + "\"";
  return definition.where.empty() ? label : label + " (" + definition.where + ")";
}

}  // namespace

bool CompiledPolicy::AppliesTo(std::string_view role) const {
  return roles.empty() || std::ranges::any_of(roles, [&](const std::string& named) {
           return named == role || named == "public";
         });
}

bool Program::Bypasses(std::string_view role) const {
  return security_ == RowLevelSecurity::kDisabled ||
         std::ranges::find(bypass_roles_, role) != bypass_roles_.end();
}

Result<std::shared_ptr<const Program>> Program::Compile(RelationPtr relation,
                                                        std::span<const PolicyDefinition> policies,
                                                        const CompileOptions& options) {
  TW_CHECK(relation != nullptr);
  if (policies.size() > kPoliciesPerTableMax) {
    return Fail(ErrorCode::kResourceExhausted, "more than " + std::to_string(kPoliciesPerTableMax) +
                                                   " policies on table \"" + relation->table +
                                                   "\"");
  }
  auto program = std::make_shared<Program>();
  program->relation_ = std::move(relation);
  program->security_ = options.row_level_security;
  program->bypass_roles_ = options.bypass_roles;
  for (const PolicyDefinition& definition : policies) {
    if (auto added = program->Add(definition); !added.ok()) {
      return Annotate(added.error(), LabelOf(definition));
    }
  }
  std::string text;
  for (const CompiledPolicy& policy : program->policies_) {
    text += policy.kind == PolicyDefinition::Kind::kPermissive ? 'p' : 'r';
    AppendIdentity(text, policy.condition);
  }
  for (const std::string& slot : program->slot_identities_) text += slot;
  for (const Column& column : program->relation_->columns) {
    text += column.name + ":" + std::string(TypeName(column.type)) + ",";
  }
  const Relation& shape = *program->relation_;
  program->identity_ = shape.schema + "." + shape.table + "#" + std::to_string(shape.id) + "#" +
                       std::to_string(Fingerprint(text));
  return program;
}

Status Program::Add(const PolicyDefinition& definition) {
  CompiledPolicy policy;
  policy.name = definition.name;
  policy.label = LabelOf(definition);
  policy.kind = definition.kind;
  policy.roles = definition.roles;
  TW_ASSIGN_OR_RETURN(policy.condition,
                      CompileExpression(definition.using_sql, *relation_, constants_));
  if (auto extracted = Extract(policy.condition, policy); !extracted.ok()) {
    return extracted;
  }
  std::ranges::sort(policy.slots);
  policy.slots.erase(std::ranges::unique(policy.slots).begin(), policy.slots.end());
  policies_.push_back(std::move(policy));
  return {};
}

Status Program::Extract(Expression& expression, CompiledPolicy& policy) {
  if (expression.op == Op::kConstant) return {};
  if (expression.reads_row) {
    for (Expression& argument : expression.arguments) {
      TW_RETURN_IF_ERROR(Extract(argument, policy));
    }
    return {};
  }
  const Type type = expression.type;
  const uint32_t offset = expression.offset;
  Expression replacement;
  if (expression.reads_claims) {
    replacement.op = Op::kSlot;
    replacement.reads_claims = true;
    replacement.index = SlotFor(std::move(expression));
    policy.slots.push_back(replacement.index);
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

uint32_t Program::SlotFor(Expression expression) {
  std::string identity;
  AppendIdentity(identity, expression);
  const auto found = std::ranges::find(slot_identities_, identity);
  if (found != slot_identities_.end()) {
    return static_cast<uint32_t>(found - slot_identities_.begin());
  }
  slot_identities_.push_back(std::move(identity));
  slots_.push_back(std::move(expression));
  return static_cast<uint32_t>(slots_.size() - 1);
}

}  // namespace tw::policy
