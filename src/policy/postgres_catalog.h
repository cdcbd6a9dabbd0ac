// Reads what policies mean from a PostgreSQL catalogue: policies, row-level security, owners, roles,
// privileges, functions, types. No decisions here: compiling needs no database.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "policy/schema.h"
#include "postgres/connection.h"

namespace tw::policy {

// The tables whose shapes are `relations` (others cannot be looked into), as one snapshot sees them.
// Must not be called inside a transaction. Errors: the connection's.
Result<Schema> ReadSchema(postgres::Connection& connection,
                          std::span<const RelationPtr> relations);

// The part of ReadSchema that says who may read which table: replaces schema.tables. For a schema
// whose roles and functions are known to be the same.
Status ReadTableRights(postgres::Connection& connection, std::span<const RelationPtr> relations,
                       Schema& schema);

// The shapes of the ordinary and partitioned tables of one schema, with ids from 1; for tools and
// tests (capture has its own, from the stream). Errors: the connection's.
Result<std::vector<RelationPtr>> ReadRelations(postgres::Connection& connection,
                                               std::string_view schema);

}  // namespace tw::policy
