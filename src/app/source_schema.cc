#include "app/source_schema.h"

#include "postgres/connection.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

Result<ingest::SchemaView> ReadNow(const StoreConfig& store) {
  TW_ASSIGN_OR_RETURN(auto connection,
                      postgres::Connection::Open({.dsn = store.dsn.Reveal(),
                                                  .application_name = "tidewire schema"}));
  return ingest::ReadSchema(connection);
}

Status Remember(const ingest::SchemaView& schema, sqlite::Database& own) {
  TW_ASSIGN_OR_RETURN(auto write,
                      own.Prepare("insert or replace into tidewire_meta(name, value) "
                                  "values('postgres_schema', ?1)"));
  const std::string text = SchemaText(schema);
  write.BindText(1, text);
  return write.Run();
}

}  // namespace

Result<ingest::SchemaView> ReadSourceSchema(const StoreConfig& store, sqlite::Database& own) {
  auto schema = ReadNow(store);
  if (schema.ok()) {
    TW_RETURN_IF_ERROR(Remember(*schema, own));
    return schema;
  }
  if (schema.error().code != ErrorCode::kUnavailable) return schema;
  const auto text = own.QueryText("select value from tidewire_meta where name = 'postgres_schema'");
  if (!text.ok()) {
    return Annotate(schema.error(),
                    "source files are checked against the database's tables, and this data "
                    "directory has not seen them yet");
  }
  telemetry::Log(telemetry::Level::kWarning, "SchemaRemembered",
                 "PostgreSQL does not answer; sources are checked against the tables of the last"
                 " start",
                 {{"error", schema.error().message}});
  return ingest::ParseSchemaText(*text);
}

}  // namespace tw::app
