// The tables that source files are checked against, when they are those of a PostgreSQL database.
#pragma once

#include "app/config.h"
#include "base/result.h"
#include "ingest/schema_view.h"
#include "sqlite/sqlite.h"

namespace tw::app {

// Reads the schema, and remembers it in `own` (table tidewire_meta). While nobody answers, the one
// of the last start is taken, so that deliveries are accepted before the database is back.
// Errors: those of postgres::Connection::Open; kUnavailable also says that nothing is remembered.
Result<ingest::SchemaView> ReadSourceSchema(const StoreConfig& store, sqlite::Database& own);

}  // namespace tw::app
