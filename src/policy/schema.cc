#include "policy/schema.h"

#include <algorithm>

namespace tw::policy {

const SchemaTable* Schema::FindTable(std::string_view schema, std::string_view table) const {
  const auto found = std::ranges::find_if(tables, [&](const SchemaTable& candidate) {
    return candidate.relation->table == table && candidate.relation->schema == schema;
  });
  return found == tables.end() ? nullptr : &*found;
}

const SchemaRole* Schema::FindRole(std::string_view name) const {
  const auto found = std::ranges::find(roles, name, &SchemaRole::name);
  return found == roles.end() ? nullptr : &*found;
}

bool Schema::Uses(std::string_view role, std::string_view other) const {
  if (role == other) return true;
  const SchemaRole* const known = FindRole(role);
  return known != nullptr && std::ranges::find(known->uses, other) != known->uses.end();
}

bool Schema::Bypasses(std::string_view role, const SchemaTable& table) const {
  if (table.security == RowLevelSecurity::kDisabled) return true;
  const SchemaRole* const known = FindRole(role);
  if (known == nullptr) return false;
  if (known->bypasses) return true;
  return !table.forced && !table.owner.empty() && Uses(role, table.owner);
}

}  // namespace tw::policy
