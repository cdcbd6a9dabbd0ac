// A Postgres database as a source of changes: what it needs, what it lacks, and the SQL that mends
// it. `tidewire doctor` prints it all; capture mends what it may and names the rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "postgres/connection.h"
#include "postgres/pgoutput.h"
#include "postgres/replication.h"

namespace tw::capture {

struct SourceOptions {
  std::string publication = "tidewire";
  std::string slot = "tidewire";
  postgres::SlotKind slot_kind = postgres::SlotKind::kDurable;
  // kManual: the publication is somebody else's; we change nothing but our slot.
  enum class SetUp : uint8_t { kAutomatic, kManual };
  SetUp set_up = SetUp::kAutomatic;
  // "jobs" is public.jobs; else "schema.table". Empty: the publication's, or when there is none all
  // tables of the schema public.
  std::vector<std::string> tables;
};

struct Finding {
  enum class Severity : uint8_t { kOk, kWarning, kError };
  Severity severity = Severity::kOk;
  std::string code;     // "WalLevelNotLogical"; stable.
  std::string message;  // What is wrong, and what follows from it.
  std::string sql;      // What mends it; empty where SQL cannot.
  std::string table;    // Concerns this table only; the others can be followed.
};

// "ok", "warning", "error".
std::string_view ToString(Finding::Severity severity);

// Everything that following this database needs, in the order to look at it. Changes nothing.
// Errors: the connection's.
Result<std::vector<Finding>> Inspect(postgres::Connection& connection, const SourceOptions& options);

// Makes the publication, or adds tables to it, where the options ask for it. Errors:
// kPermissionDenied (names the SQL that an owner of the tables can run), kNotFound (a table).
Status EnsurePublication(postgres::Connection& connection, const SourceOptions& options);

// The SQL of one migration that prepares a database: publication, replica identities, a role for
// Tidewire, the event trigger that tells of changed policies. Idempotent.
std::string MigrationSql(const SourceOptions& options, std::string_view role);

// A table of the publication as the catalogue has it.
struct PublishedTable {
  struct Column {
    std::string name;
    uint32_t type_oid = 0;
    int32_t type_modifier = -1;
    bool identity = false;
  };
  uint32_t oid = 0;
  std::string schema;
  std::string table;
  postgres::ReplicaIdentity identity = postgres::ReplicaIdentity::kDefault;
  std::vector<Column> columns;   // Those that the stream has, in its order.
  std::vector<std::string> key;  // The primary key, in key order.

  // As the stream would announce it; its views point here.
  postgres::RelationMessage Message() const;
};
Result<std::vector<PublishedTable>> ReadPublishedTables(postgres::Connection& connection,
                                                        const std::string& publication);
// The primary key of one table, in key order; empty when it has none.
Result<std::vector<std::string>> ReadPrimaryKey(postgres::Connection& connection, uint32_t oid);

// "jobs" → public, jobs.
struct TableName {
  std::string schema;
  std::string table;
};
TableName ParseTableName(std::string_view text);

}  // namespace tw::capture
