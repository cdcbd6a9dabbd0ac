#include "capture/postgres/source.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::capture {

using postgres::Connection;
using postgres::Parameter;
using postgres::QuoteIdentifier;
using postgres::QuoteLiteral;

std::string_view ToString(Finding::Severity severity) {
  switch (severity) {
    case Finding::Severity::kOk: return "ok";
    case Finding::Severity::kWarning: return "warning";
    case Finding::Severity::kError: return "error";
  }
  return "";
}

TableName ParseTableName(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return {"public", std::string(text)};
  return {std::string(text.substr(0, dot)), std::string(text.substr(dot + 1))};
}

namespace {

std::string Quoted(const TableName& name) {
  return QuoteIdentifier(name.schema) + "." + QuoteIdentifier(name.table);
}

// The tables that a new publication gets.
Result<std::vector<TableName>> WantedTables(Connection& connection, const SourceOptions& options) {
  std::vector<TableName> wanted;
  for (const std::string& table : options.tables) wanted.push_back(ParseTableName(table));
  if (!wanted.empty()) return wanted;
  // Partitions come with their root.
  TW_ASSIGN_OR_RETURN(const auto rows,
                      connection.Query("select c.relname from pg_catalog.pg_class c"
                                       " where c.relnamespace = (select oid from"
                                       " pg_catalog.pg_namespace where nspname = 'public')"
                                       " and c.relkind in ('r', 'p') and not c.relispartition"
                                       " and c.relpersistence = 'p' order by 1"));
  for (size_t row = 0; row < rows.size(); ++row) {
    wanted.push_back({"public", std::string(rows.Text(row, 0))});
  }
  return wanted;
}

std::string JoinTables(const std::vector<TableName>& tables) {
  std::string text;
  for (const TableName& table : tables) text += (text.empty() ? "" : ", ") + Quoted(table);
  return text;
}

// Errors: kNotFound, with the nearest name.
Status CheckExists(Connection& connection, const TableName& name) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query("select c.relname = $2 from pg_catalog.pg_class c join"
                       " pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1"
                       " and c.relkind in ('r', 'p') and c.relname = $2",
                       {Parameter(name.schema), Parameter(name.table)}));
  if (!rows.empty()) return {};
  TW_ASSIGN_OR_RETURN(const auto all,
                      connection.Query("select c.relname from pg_catalog.pg_class c join"
                                       " pg_catalog.pg_namespace n on n.oid = c.relnamespace"
                                       " where n.nspname = $1 and c.relkind in ('r', 'p')",
                                       {Parameter(name.schema)}));
  std::vector<std::string_view> names;
  for (size_t row = 0; row < all.size(); ++row) names.push_back(all.Text(row, 0));
  const auto nearest = Nearest(name.table, names);
  return Fail(ErrorCode::kNotFound,
              "no table '" + name.schema + "." + name.table + "' in the database" +
                  (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
}

Result<bool> PublicationExists(Connection& connection, const std::string& publication) {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      connection.Query("select from pg_catalog.pg_publication where pubname = $1",
                                       {Parameter(publication)}));
  return !rows.empty();
}

}  // namespace

Status EnsurePublication(Connection& connection, const SourceOptions& options) {
  const std::string publication = QuoteIdentifier(options.publication);
  TW_ASSIGN_OR_RETURN(const bool exists, PublicationExists(connection, options.publication));
  if (options.set_up == SourceOptions::SetUp::kManual) {
    if (exists) return {};
    return Fail(ErrorCode::kNotFound,
                "there is no publication '" + options.publication +
                    "' and store.setup is manual; an owner of the tables runs: create publication " +
                    publication + " for table … with (publish_via_partition_root = true)");
  }
  TW_ASSIGN_OR_RETURN(std::vector<TableName> wanted, WantedTables(connection, options));
  if (exists && options.tables.empty()) return {};
  for (const TableName& name : wanted) TW_RETURN_IF_ERROR(CheckExists(connection, name));
  std::string sql = "create publication " + publication;
  if (exists) {
    std::erase_if(wanted, [&](const TableName& name) {
      const auto rows = connection.Query(
          "select from pg_catalog.pg_publication_tables where pubname = $1 and schemaname = $2 and"
          " tablename = $3",
          {Parameter(options.publication), Parameter(name.schema), Parameter(name.table)});
      return rows.ok() && !rows->empty();
    });
    if (wanted.empty()) return {};
    sql = "alter publication " + publication + " add table " + JoinTables(wanted);
  } else {
    if (!wanted.empty()) sql += " for table " + JoinTables(wanted);
    sql += " with (publish_via_partition_root = true)";
  }
  if (const Status done = connection.Execute(sql); !done.ok()) {
    return Fail(done.error().code, done.error().message + "; an owner of the tables can run: " + sql);
  }
  return {};
}

postgres::RelationMessage PublishedTable::Message() const {
  postgres::RelationMessage message;
  message.oid = oid;
  message.schema = schema;
  message.table = table;
  message.identity = identity;
  for (const Column& column : columns) {
    message.columns.push_back(
        {column.identity, column.name, column.type_oid, column.type_modifier});
  }
  return message;
}

Result<std::vector<std::string>> ReadPrimaryKey(Connection& connection, uint32_t oid) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query("select a.attname from pg_catalog.pg_index i,"
                       " unnest(i.indkey::int2[]) with ordinality k(attnum, place)"
                       " join pg_catalog.pg_attribute a on a.attnum = k.attnum"
                       " where i.indrelid = $1::oid and i.indisprimary and a.attrelid = i.indrelid"
                       " order by k.place",
                       {Parameter(std::to_string(oid))}));
  std::vector<std::string> key;
  for (size_t row = 0; row < rows.size(); ++row) key.emplace_back(rows.Text(row, 0));
  return key;
}

Result<std::vector<PublishedTable>> ReadPublishedTables(Connection& connection,
                                                        const std::string& publication) {
  // A column list exists from version 15 on; identity: the columns that pgoutput flags.
  const bool lists = connection.server_version() >= 150'000;
  const std::string listed = lists ? " and a.attname = any(p.attnames)" : "";
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query(
          "select c.oid, p.schemaname, p.tablename, c.relreplident, a.attname, a.atttypid,"
          " a.atttypmod, case c.relreplident when 'f' then true when 'n' then false else"
          " coalesce(a.attnum = any(i.indkey::int2[]), false) end"
          " from pg_catalog.pg_publication_tables p"
          " join pg_catalog.pg_namespace n on n.nspname = p.schemaname"
          " join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = p.tablename"
          " join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
          " and not a.attisdropped and a.attgenerated = ''" + listed +
          " left join pg_catalog.pg_index i on i.indrelid = c.oid and"
          " (case c.relreplident when 'i' then i.indisreplident else i.indisprimary end)"
          " where p.pubname = $1 order by c.oid, a.attnum",
          {Parameter(publication)}));
  std::vector<PublishedTable> tables;
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto oid = static_cast<uint32_t>(rows.Int(row, 0));
    if (tables.empty() || tables.back().oid != oid) {
      PublishedTable table;
      table.oid = oid;
      table.schema = rows.Text(row, 1);
      table.table = rows.Text(row, 2);
      table.identity = static_cast<postgres::ReplicaIdentity>(rows.Text(row, 3).front());
      TW_ASSIGN_OR_RETURN(table.key, ReadPrimaryKey(connection, oid));
      tables.push_back(std::move(table));
    }
    tables.back().columns.push_back({std::string(rows.Text(row, 4)),
                                     static_cast<uint32_t>(rows.Int(row, 5)),
                                     static_cast<int32_t>(rows.Int(row, 6)), rows.Bool(row, 7)});
  }
  return tables;
}

std::string MigrationSql(const SourceOptions& options, std::string_view role) {
  const std::string publication = QuoteIdentifier(options.publication);
  const std::string user = QuoteIdentifier(role);
  std::string sql =
      "-- Prepares this database for Tidewire. Run it as a superuser (or as your provider's admin\n"
      "-- role); it may be run again. wal_level must be logical: alter system set wal_level =\n"
      "-- logical; then restart the server.\n"
      "begin;\n\n"
      "-- The role that Tidewire connects as: it reads the stream, the tables and the catalogue.\n"
      "do $$ begin\n  if not exists (select from pg_roles where rolname = " +
      QuoteLiteral(role) + ") then\n    create role " + user +
      " login;\n  end if;\nend $$;\nalter role " + user +
      " with replication bypassrls;\n-- alter role " + user + " with password '…';\n\n"
      "-- What is followed.\ndo $$ begin\n  if not exists (select from pg_publication where pubname"
      " = " + QuoteLiteral(options.publication) + ") then\n    create publication " + publication +
      " with (publish_via_partition_root = true);\n  end if;\nend $$;\n";
  for (const std::string& text : options.tables) {
    const TableName name = ParseTableName(text);
    const std::string quoted = Quoted(name);
    sql += "\ndo $$ begin\n  if not exists (select from pg_publication_tables where pubname = " +
           QuoteLiteral(options.publication) + "\n      and schemaname = " +
           QuoteLiteral(name.schema) + " and tablename = " + QuoteLiteral(name.table) +
           ") then\n    alter publication " + publication + " add table " + quoted +
           ";\n  end if;\nend $$;\n-- Old rows are in the stream: leaves and deletes are judged"
           " exactly.\nalter table " + quoted + " replica identity full;\ngrant usage on schema " +
           QuoteIdentifier(name.schema) + " to " + user + ";\ngrant select on " + quoted + " to " +
           user + ";\n";
  }
  sql +=
      "\n-- Reads, claims and some policies are asked as the role of a token.\ndo $$ declare r text;"
      " begin\n  foreach r in array array['anon', 'authenticated', 'service_role'] loop\n    if"
      " to_regrole(r) is not null then execute format('grant %I to %I', r, " +
      QuoteLiteral(role) + "); end if;\n  end loop;\nend $$;\n\n-- Where webhooks and polls are "
      "accounted for, if there are any.\ncreate schema if not exists tidewire authorization " + user +
      ";\n"
      "\n-- Tells the stream, at their place in it, of changed policies, grants and tables.\n"
      "create or replace function public.tidewire_ddl() returns event_trigger language plpgsql"
      " as $$\nbegin\n  perform pg_logical_emit_message(true, 'tidewire.ddl', tg_tag);\nend $$;\n"
      "drop event trigger if exists tidewire_ddl_end;\n"
      "create event trigger tidewire_ddl_end on ddl_command_end execute function"
      " public.tidewire_ddl();\n"
      "drop event trigger if exists tidewire_ddl_drop;\n"
      "create event trigger tidewire_ddl_drop on sql_drop execute function public.tidewire_ddl();\n"
      "\ncommit;\n";
  return sql;
}

}  // namespace tw::capture
