// Programs per role, and the catalogue of all tables.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "policy/catalog.h"
#include "policy/claims_values.h"
#include "policy/program.h"
#include "policy/schema.h"
#include "policy/subquery.h"

namespace tw::policy {
namespace {

struct ReadsFound {
  std::set<uint16_t> columns;
  std::set<uint32_t> tables;

  void Add(const Expression& e) {
    if (e.op == Op::kColumn && e.range == 0) columns.insert(static_cast<uint16_t>(e.index));
    for (const Expression& argument : e.arguments) Add(argument);
    if (e.query == nullptr) return;
    for (const QueryRange& range : e.query->ranges) tables.insert(range.table);
    for (const Expression& condition : e.query->conditions) Add(condition);
    for (const Expression& target : e.query->target) Add(target);
  }
};

// Roles that a policy or an attribute tells apart.
void AddRolesOf(const SchemaTable& table, std::set<std::string>& roles) {
  for (const PolicyDefinition& policy : table.policies) {
    roles.insert(policy.roles.begin(), policy.roles.end());
  }
  roles.erase("public");
}

std::set<std::string> NamedRoles(const Schema& schema) {
  std::set<std::string> roles;
  for (const SchemaRole& role : schema.roles) roles.insert(role.name);
  for (const SchemaTable& table : schema.tables) AddRolesOf(table, roles);
  return roles;
}

Result<TablePolicyPtr> CompileTable(const Schema& schema, const SchemaTable& table,
                                    const std::set<std::string>& roles, InnerPlan& inner) {
  std::map<std::string, TablePolicy::ProgramPtr, std::less<>> by_role;
  // A role that nothing names: what is for everybody.
  TW_ASSIGN_OR_RETURN(auto others, Program::Compile(schema, table, {}, inner));
  for (const std::string& role : roles) {
    TW_ASSIGN_OR_RETURN(by_role[role], Program::Compile(schema, table, role, inner));
  }
  return std::make_shared<const TablePolicy>(std::move(by_role), std::move(others));
}

}  // namespace

TablePolicy::TablePolicy(std::map<std::string, ProgramPtr, std::less<>> by_role, ProgramPtr others)
    : by_role_(std::move(by_role)), others_(std::move(others)) {}
TablePolicy::~TablePolicy() = default;

const TablePolicy::ProgramPtr& TablePolicy::ProgramFor(std::string_view role) const {
  const auto found = by_role_.find(role);
  return found == by_role_.end() ? others_ : found->second;
}

AccessPtr TablePolicy::AccessFor(const Claims& claims, const ClaimsValues* values) const {
  if (values != nullptr) return MakeAccess(ProgramFor(claims.role), *values);
  return std::make_shared<const Access>(ProgramFor(claims.role), claims);
}

const RelationPtr& TablePolicy::relation() const {
  return others_->relation();
}

TablePolicy::Reads TablePolicy::reads() const {
  ReadsFound found;
  found.Add(others_->condition());
  for (const auto& [role, program] : by_role_) found.Add(program->condition());
  return {{found.columns.begin(), found.columns.end()}, {found.tables.begin(), found.tables.end()}};
}

Result<std::shared_ptr<const TablePolicy>> TablePolicy::Compile(
    RelationPtr relation, std::span<const PolicyDefinition> policies,
    const CompileOptions& options) {
  TW_CHECK(relation != nullptr);
  Schema schema;
  SchemaTable table;
  table.relation = std::move(relation);
  table.security = options.row_level_security;
  table.policies.assign(policies.begin(), policies.end());
  schema.tables.push_back(std::move(table));
  for (const std::string& role : options.bypass_roles) {
    schema.roles.push_back({.name = role, .bypasses = true, .uses = {}});
  }
  InnerPlan inner;
  return CompileTable(schema, schema.tables[0], NamedRoles(schema), inner);
}

Result<CatalogPtr> CompileEmbedded(const Schema& schema) {
  auto catalog = std::make_shared<Catalog>();
  auto inner = std::make_shared<InnerPlan>();
  const auto roles = NamedRoles(schema);
  for (const SchemaTable& table : schema.tables) {
    TW_ASSIGN_OR_RETURN(auto policy, CompileTable(schema, table, roles, *inner));
    catalog->Add({table.relation, std::move(policy)});
  }
  catalog->set_inner(std::move(inner));
  return CatalogPtr(std::move(catalog));
}

Result<CommandPolicies> CompileCommands(const Schema& schema,
                                        std::span<const SchemaTable> variants) {
  auto roles = NamedRoles(schema);
  for (const SchemaTable& variant : variants) AddRolesOf(variant, roles);
  CommandPolicies commands;
  auto inner = std::make_shared<InnerPlan>();
  for (const SchemaTable& variant : variants) {
    TW_ASSIGN_OR_RETURN(auto policy, CompileTable(schema, variant, roles, *inner));
    commands.policies.push_back(std::move(policy));
  }
  commands.inner = std::move(inner);
  return commands;
}

namespace {

TablePolicy::ProgramPtr CompileOrDeny(const Schema& schema, const SchemaTable& table,
                                      const std::string& role, InnerPlan& inner,
                                      Placement& placement) {
  placement = {table.relation->schema, table.relation->table, role, Placement::Tier::kDenied, {}};
  if (!table.MayRead(role)) {
    placement.reason = "permission denied for table " + table.relation->table;
    return Program::Denying(table.relation, {ErrorCode::kPermissionDenied, placement.reason});
  }
  auto program = Program::Compile(schema, table, role, inner);
  if (!program.ok()) {
    placement.reason = program.error().message;
    const ErrorCode code = program.error().code;
    if (code == ErrorCode::kInvalidArgument || code == ErrorCode::kResourceExhausted) {
      auto in_database = Program::InDatabase(schema, table, role);
      if (in_database.ok()) {
        placement.tier = Placement::Tier::kDatabase;
        return std::move(*in_database);
      }
      placement.reason += "; " + in_database.error().message;
      return Program::Denying(table.relation, in_database.error());
    }
    return Program::Denying(table.relation, program.error());
  }
  const bool scans = std::ranges::any_of((*program)->probes().probes, [](const Probe& probe) {
    return probe.everyone && probe.walk.guards.empty();
  });
  const bool constant = (*program)->condition().op == Op::kConstant;
  placement.tier = scans && !constant ? Placement::Tier::kScan : Placement::Tier::kMemory;
  return std::move(*program);
}

}  // namespace

PostgresCatalog CompilePostgres(const Schema& schema) {
  PostgresCatalog result;
  auto catalog = std::make_shared<Catalog>();
  auto inner = std::make_shared<InnerPlan>();
  for (const SchemaTable& table : schema.tables) {
    std::map<std::string, TablePolicy::ProgramPtr, std::less<>> by_role;
    for (const SchemaRole& role : schema.roles) {
      Placement placement;
      by_role[role.name] = CompileOrDeny(schema, table, role.name, *inner, placement);
      result.placements.push_back(std::move(placement));
    }
    auto others = Program::Denying(
        table.relation, {ErrorCode::kInvalidArgument, "the token's role does not exist"});
    catalog->Add({table.relation,
                  std::make_shared<const TablePolicy>(std::move(by_role), std::move(others))});
  }
  for (const SchemaRole& role : schema.roles) {
    std::set<std::string> expressions;
    for (const Catalog::Table& table : catalog->tables()) {
      CollectSlotSql(*table.policy->ProgramFor(role.name), expressions);
    }
    if (!expressions.empty()) catalog->set_claims_sql(role.name, std::move(expressions));
  }
  catalog->set_inner(std::move(inner));
  catalog->set_reads_as_role();
  result.catalog = std::move(catalog);
  return result;
}

}  // namespace tw::policy
