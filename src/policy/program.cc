#include "policy/program.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/claims_values.h"
#include "policy/evaluate.h"
#include "policy/subquery.h"

namespace tw::policy {
namespace {

// FNV-1a; keeps keys short. Only policy sets of one table and shape meet here.
uint64_t Fingerprint(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

bool HasQuery(const Expression& e) {
  return e.query != nullptr || std::ranges::any_of(e.arguments, HasQuery);
}

}  // namespace

Result<std::shared_ptr<const Program>> Program::Compile(const Schema& schema,
                                                        const SchemaTable& table,
                                                        std::string_view role, InnerPlan& inner) {
  if (table.policies.size() > kPoliciesPerTableMax) {
    return Fail(ErrorCode::kResourceExhausted, "more than " + std::to_string(kPoliciesPerTableMax) +
                                                   " policies on table \"" + table.relation->table +
                                                   "\"");
  }
  auto program = std::make_shared<Program>();
  program->relation_ = table.relation;
  InnerPlan grown = inner;  // Kept only when everything compiles.
  Compilation compilation(schema, std::string(role), grown, program->constants_);
  ScopeEntry entry;
  entry.table = &table;
  TW_ASSIGN_OR_RETURN(program->condition_, compilation.Predicate(entry, role));
  program->slots_ = std::move(compilation.slots());
  if (schema.dialect == Dialect::kPostgres) {
    for (ClaimsSlot& slot : program->slots_) slot.sql = SlotSql(slot.expression);
  }
  PlanWalks(program->condition_, {0}, true, grown);
  program->probes_ = MakeProbes(program->condition_, grown);
  program->reads_tables_ = HasQuery(program->condition_);
  program->plan_id_ = grown.id();
  inner = std::move(grown);
  program->SetReadable(table, role);
  std::string text;
  AppendIdentity(text, program->condition_);
  for (const ClaimsSlot& slot : program->slots_) text += slot.identity;
  for (const Column& column : program->relation_->columns) {
    text += column.name + ":" + std::string(TypeName(column.type)) + ",";
  }
  for (const bool yes : program->readable_) text += yes ? '+' : '-';
  const Relation& shape = *program->relation_;
  program->identity_ = shape.schema + "." + shape.table + "#" + std::to_string(shape.id) + "#" +
                       std::to_string(Fingerprint(text));
  return program;
}

void Program::SetReadable(const SchemaTable& table, std::string_view role) {
  if (table.unrestricted) return;
  for (size_t i = 0; i < table.relation->columns.size(); ++i) {
    readable_.push_back(table.MayRead(role, i));
  }
  if (std::ranges::all_of(readable_, [](bool yes) { return yes; })) readable_.clear();
}

Result<std::shared_ptr<const Program>> Program::InDatabase(const Schema& schema,
                                                           const SchemaTable& table,
                                                           std::string_view role) {
  auto program = std::make_shared<Program>();
  program->relation_ = table.relation;
  TW_ASSIGN_OR_RETURN(program->database_, MakeDatabasePredicate(schema, table, role));
  program->SetReadable(table, role);
  // Readers with equal claims are one group.
  ClaimsSlot claims;
  claims.expression.op = Op::kClaimsSetting;
  claims.expression.reads_claims = true;
  claims.expression.type = {Base::kText};
  claims.identity = kClaimsTextSql;
  claims.label = "the policies of " + table.relation->table;
  claims.sql = kClaimsTextSql;
  program->slots_.push_back(std::move(claims));
  // Depends on the row; it is never run here.
  program->condition_.op = Op::kColumn;
  program->condition_.type = {Base::kBool};
  program->condition_.reads_row = true;
  std::string text = program->database_->sql;
  for (const bool yes : program->readable_) text += yes ? '+' : '-';
  const Relation& shape = *program->relation_;
  program->identity_ = shape.schema + "." + shape.table + "#" + std::to_string(shape.id) +
                       "#database#" + program->database_->role + "#" +
                       std::to_string(Fingerprint(text));
  return program;
}

std::shared_ptr<const Program> Program::Allowing(RelationPtr relation) {
  auto program = std::make_shared<Program>();
  program->relation_ = std::move(relation);
  program->condition_.type = {Base::kBool};
  program->condition_.constant = Datum::Bool(true);
  program->identity_ = program->relation_->schema + "." + program->relation_->table + "#all";
  return program;
}

std::shared_ptr<const Program> Program::Denying(RelationPtr relation, Error error) {
  auto program = std::make_shared<Program>();
  program->relation_ = std::move(relation);
  program->condition_.type = {Base::kBool};
  program->condition_.constant = Datum::Bool(false);
  program->identity_ = program->relation_->schema + "." + program->relation_->table + "#denied";
  program->error_ = std::move(error);
  return program;
}

}  // namespace tw::policy
