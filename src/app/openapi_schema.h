// JSON Schemas of columns, rows and parameters, for the OpenAPI document.
#pragma once

#include <string>
#include <string_view>

#include "app/table_facts.h"
#include "json/json.h"
#include "model/relation.h"
#include "query/named/catalogue.h"

namespace tw::app {

// The name of a table's schema: its own where OpenAPI allows it (letters, digits, '.', '-', '_').
std::string ComponentName(std::string_view table, size_t number);

// Three named schemas, as keys of an open object: `name` (a row that is read), `name`.insert (one
// row or several), `name`.update.
void WriteTableSchemas(json::Writer& out, const Relation& relation, const TableFacts& facts,
                       const std::string& name);

// A row of a named query.
void WriteRow(json::Writer& out, const query::NamedQuery& query);

// One element of an operation's `parameters`.
void WriteParameter(json::Writer& out, const query::Parameter& parameter);

}  // namespace tw::app
