#include "policy/database_predicate.h"

#include <algorithm>

#include "policy/function_reads.h"
#include "postgres/connection.h"

namespace tw::policy {

using postgres::QuoteIdentifier;

namespace {

bool Applies(const PolicyDefinition& policy, const Schema& schema, std::string_view role) {
  return policy.roles.empty() || std::ranges::any_of(policy.roles, [&](const std::string& named) {
           return named == "public" || schema.Uses(role, named);
         });
}

// The FROM items that make rows of the table's own type out of images. Names that no column of the
// user's has, because a policy's columns stand without their table; the row goes by the table's own
// name, which sub-selects of policies use.
std::string RowsFromImages(const SchemaTable& table) {
  const Relation& relation = *table.relation;
  const std::string type = QuoteIdentifier(relation.schema) + "." + QuoteIdentifier(relation.table);
  const std::string name = QuoteIdentifier(relation.table);
  const std::string row = "pg_catalog.json_populate_record(null::" + type + ", \"tidewire image\")";
  if (table.generated.empty()) return "lateral " + row + " " + name;
  std::string members;
  for (const auto& [column, expression] : table.generated) {
    members +=
        (members.empty() ? "" : ", ") + postgres::QuoteLiteral(column) + ", (" + expression + ")";
  }
  return "lateral (select pg_catalog.json_build_object(" + members +
         ") \"tidewire generated\" from " + row + " " + name +
         ") \"tidewire computed\", lateral pg_catalog.json_populate_record(" + row +
         ", \"tidewire generated\") " + name;
}

// A row as a whole is everything of it.
bool MentionsWhole(std::string_view sql, const Relation& relation) {
  return Mentions(sql, relation.table) || Mentions(sql, "*");
}

}  // namespace

Result<DatabasePredicate> MakeDatabasePredicate(const Schema& schema, const SchemaTable& table,
                                                std::string_view role) {
  const Relation& relation = *table.relation;
  DatabasePredicate predicate{.role = std::string(role)};
  std::string permissive;
  // In the database's order, which decides who meets an error: restrictive ones first, by name. AND
  // would let the planner choose.
  std::string restrictive;
  std::string ends;
  std::string all;
  for (const PolicyDefinition& policy : table.policies) {
    if (!Applies(policy, schema, role)) continue;
    for (const std::string& column : table.not_in_stream) {
      if (!Mentions(policy.using_sql, column) && !MentionsWhole(policy.using_sql, relation))
        continue;
      return Fail(ErrorCode::kFailedPrecondition, "policy \"" + policy.name +
                                                      "\" may read column " + column +
                                                      ", which the stream does not carry");
    }
    const std::string condition = "(" + policy.using_sql + ")";
    all += condition;
    if (policy.kind == PolicyDefinition::Kind::kRestrictive) {
      restrictive.insert(0, "case when " + condition + " then ");
      ends += " else false end";
    } else {
      permissive += (permissive.empty() ? "" : " or ") + condition;
    }
    const TableReads reads = ReadsOf(policy.using_sql, schema);
    predicate.reads_more |= !reads.complete;
    for (const SchemaTable* const read : reads.tables) {
      predicate.reads.emplace(read->relation->schema, read->relation->table);
    }
  }
  for (const auto& [column, expression] : table.generated) {
    if (Mentions(all, column)) all += expression;
  }
  const bool whole = MentionsWhole(all, relation);
  for (const Column& column : relation.columns) {
    predicate.needs.push_back(whole || Mentions(all, column.name));
  }
  // Without a permissive policy the others are not even looked at.
  predicate.sql = RowsFromImages(table) + " where " +
                  (permissive.empty() ? "false" : restrictive + "(" + permissive + ")" + ends);
  return predicate;
}

}  // namespace tw::policy
