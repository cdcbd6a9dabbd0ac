// What SQL of the database's own reads, as far as its text tells: policies, bodies of functions.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "policy/schema.h"

namespace tw::policy {

// The tables that a condition looks into, through the functions that it calls and the policies of
// the tables that it finds as well.
struct TableReads {
  std::set<const SchemaTable*> tables;
  // False: it may read more than these: another table, the clock, or what no text tells (a function
  // in C, a statement put together at run time).
  bool complete = true;
};

// `condition`: a boolean expression as pg_get_expr gives it.
TableReads ReadsOf(std::string_view condition, const Schema& schema);

// True when the function certainly reads no table and no clock: its value depends on its arguments
// and the session's settings only. SQL and PL/pgSQL are looked into, and the functions that they
// call; anything else is false.
bool ReadsNoTable(const SchemaFunction& function, const Schema& schema);

// True when `sql` names `name`, as a word of its own; also where it only seems to, as in a literal.
bool Mentions(std::string_view sql, std::string_view name);

// A name as SQL text, quoted.
std::string QuoteName(std::string_view name);

}  // namespace tw::policy
