// A value of a request's body as the embedded store keeps it.
#pragma once

#include "json/json.h"
#include "model/relation.h"
#include "model/value.h"
#include "query/write/table_write.h"

namespace tw::query {

// `given` as a value of the column's type; text and numbers are read as PostgreSQL reads them.
// Errors: 22P02.
WriteOr<Value> ReadColumnValue(const Column& column, const json::Value& given);

}  // namespace tw::query
