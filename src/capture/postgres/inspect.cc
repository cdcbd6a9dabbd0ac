// What a database lacks, told as findings; see source.h.
#include <algorithm>

#include "capture/postgres/source.h"

namespace tw::capture {
namespace {

using postgres::Connection;
using postgres::Parameter;
using postgres::QuoteIdentifier;
using postgres::QuoteLiteral;
using Severity = Finding::Severity;

class Inspector {
 public:
  Inspector(Connection& connection, const SourceOptions& options)
      : connection_(connection), options_(options) {}

  Result<std::vector<Finding>> Run() {
    TW_RETURN_IF_ERROR(CheckServer());
    TW_RETURN_IF_ERROR(CheckRole());
    TW_RETURN_IF_ERROR(CheckSlot());
    TW_RETURN_IF_ERROR(CheckPublication());
    TW_RETURN_IF_ERROR(CheckTables());
    TW_RETURN_IF_ERROR(CheckReaders());
    TW_RETURN_IF_ERROR(CheckSettings());
    return std::move(findings_);
  }

 private:
  void Add(Severity severity, std::string code, std::string message, std::string sql = "",
           std::string table = "") {
    findings_.push_back(
        {severity, std::move(code), std::move(message), std::move(sql), std::move(table)});
  }

  Result<std::string> Setting(const char* name) {
    TW_ASSIGN_OR_RETURN(const auto rows,
                        connection_.Query("select current_setting($1, true)", {Parameter(name)}));
    return std::string(rows.Text(0, 0));
  }

  Status CheckServer() {
    constexpr int kVersionMin = 140'000;
    const int version = connection_.server_version();
    if (version < kVersionMin) {
      Add(Severity::kError, "ServerTooOld",
          "PostgreSQL " + std::to_string(version / 10'000) + " is too old; 14 is needed");
    } else {
      Add(Severity::kOk, "ServerVersion", "PostgreSQL " + std::to_string(version / 10'000));
    }
    TW_ASSIGN_OR_RETURN(const std::string wal_level, Setting("wal_level"));
    if (wal_level != "logical") {
      Add(Severity::kError, "WalLevelNotLogical",
          "wal_level is " + wal_level + ": changes cannot be decoded; set it and restart the server"
          " (managed: rds.logical_replication, cloudsql.logical_decoding, or the provider's switch)",
          "alter system set wal_level = logical");
    } else {
      Add(Severity::kOk, "WalLevel", "wal_level is logical");
    }
    TW_ASSIGN_OR_RETURN(const auto standby, connection_.Query("select pg_is_in_recovery()"));
    if (standby.Bool(0, 0)) {
      Add(Severity::kError, "ServerIsStandby", "this server is a standby; connect to the primary");
    }
    return {};
  }

  Status CheckRole() {
    TW_ASSIGN_OR_RETURN(
        const auto rows,
        connection_.Query("select rolreplication or rolsuper or exists (select from"
                          " pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid ="
                          " m.roleid where m.member = r.oid and g.rolname = 'rds_replication'),"
                          " rolname from pg_catalog.pg_roles r where rolname = current_user"));
    const std::string role(rows.Text(0, 1));
    if (!rows.Bool(0, 0)) {
      Add(Severity::kError, "RoleLacksReplication",
          "role '" + role + "' may not replicate; the stream cannot be opened",
          "alter role " + QuoteIdentifier(role) + " replication");
    } else {
      Add(Severity::kOk, "RoleReplicates", "role '" + role + "' may replicate");
    }
    return {};
  }

  Status CheckSlot() {
    TW_ASSIGN_OR_RETURN(
        const auto slot,
        connection_.Query("select plugin, database = current_database(), coalesce(wal_status, ''),"
                          " active_pid from pg_catalog.pg_replication_slots where slot_name = $1",
                          {Parameter(options_.slot)}));
    const std::string drop = "select pg_drop_replication_slot(" + QuoteLiteral(options_.slot) + ")";
    if (!slot.empty() && options_.slot_kind == postgres::SlotKind::kDurable) {
      if (slot.Text(0, 0) != "pgoutput" || !slot.Bool(0, 1)) {
        Add(Severity::kError, "SlotIsAnothers",
            "slot '" + options_.slot + "' is of another plugin or database; choose store.slot", drop);
      } else if (slot.Text(0, 2) == "lost") {
        Add(Severity::kWarning, "SlotLost",
            "slot '" + options_.slot + "' was invalidated: changes are lost, and clients will read"
            " anew; it is made again at the next start", drop);
      } else if (!slot.IsNull(0, 3)) {
        Add(Severity::kOk, "SlotInUse", "slot '" + options_.slot + "' is in use by process " +
                                            std::string(slot.Text(0, 3)));
      } else {
        Add(Severity::kOk, "SlotReady", "slot '" + options_.slot + "' is there");
      }
      return {};
    }
    return CheckFree("max_replication_slots", "pg_catalog.pg_replication_slots", "NoSlotsLeft",
                     "replication slots");
  }

  Status CheckFree(const char* setting, const char* relation, const char* code, const char* what) {
    TW_ASSIGN_OR_RETURN(
        const auto rows,
        connection_.Query(std::string("select current_setting('") + setting +
                          "')::int, (select count(*) from " + relation + "), (select slot_name from"
                          " pg_catalog.pg_replication_slots where not active limit 1)"));
    if (rows.Int(0, 1) < rows.Int(0, 0)) {
      Add(Severity::kOk, setting, std::to_string(rows.Int(0, 0) - rows.Int(0, 1)) + " of " +
                                      std::to_string(rows.Int(0, 0)) + " " + what + " are free");
      return {};
    }
    const std::string unused(rows.Text(0, 2));
    Add(Severity::kError, code,
        std::string("all ") + std::to_string(rows.Int(0, 0)) + " " + what + " are in use" +
            (unused.empty() ? "" : "; slot '" + unused + "' has no reader") +
            "; drop one that nobody needs, or allow more and restart the server",
        unused.empty() ? std::string("alter system set ") + setting + " = " +
                             std::to_string(rows.Int(0, 0) + 10)
                       : "select pg_drop_replication_slot(" + QuoteLiteral(unused) + ")");
    return {};
  }

  Status CheckPublication() {
    TW_ASSIGN_OR_RETURN(
        const auto rows,
        connection_.Query("select pubinsert and pubupdate and pubdelete and pubtruncate, pubviaroot"
                          " from pg_catalog.pg_publication where pubname = $1",
                          {Parameter(options_.publication)}));
    const std::string name = QuoteIdentifier(options_.publication);
    if (rows.empty()) {
      const bool manual = options_.set_up == SourceOptions::SetUp::kManual;
      Add(manual ? Severity::kError : Severity::kWarning, "PublicationMissing",
          "there is no publication '" + options_.publication + "'" +
              (manual ? "" : "; it is made at the next start"),
          "create publication " + name + " for table … with (publish_via_partition_root = true)");
      return {};
    }
    if (!rows.Bool(0, 0)) {
      Add(Severity::kWarning, "PublicationIncomplete",
          "publication '" + options_.publication + "' leaves out kinds of changes",
          "alter publication " + name + " set (publish = 'insert, update, delete, truncate')");
    }
    if (!rows.Bool(0, 1)) {
      Add(Severity::kWarning, "PublicationWithoutRoot",
          "publication '" + options_.publication + "' sends partitions under their own names",
          "alter publication " + name + " set (publish_via_partition_root = true)");
    }
    Add(Severity::kOk, "Publication", "publication '" + options_.publication + "' is there");
    if (connection_.server_version() < 150'000) return {};
    TW_ASSIGN_OR_RETURN(const auto filtered,
                        connection_.Query("select schemaname || '.' || tablename from"
                                          " pg_catalog.pg_publication_tables where pubname = $1 and"
                                          " rowfilter is not null",
                                          {Parameter(options_.publication)}));
    for (size_t row = 0; row < filtered.size(); ++row) {
      Add(Severity::kWarning, "PublicationFiltersRows",
          "publication '" + options_.publication + "' filters rows of " +
              std::string(filtered.Text(row, 0)) + ": updates become inserts and deletes",
          "", std::string(filtered.Text(row, 0)));
    }
    return {};
  }

  Status CheckTables() {
    TW_ASSIGN_OR_RETURN(const auto tables, ReadPublishedTables(connection_, options_.publication));
    for (const std::string& wanted : options_.tables) {
      const TableName name = ParseTableName(wanted);
      const auto same = [&](const PublishedTable& table) {
        return table.schema == name.schema && table.table == name.table;
      };
      if (std::ranges::any_of(tables, same)) continue;
      TW_ASSIGN_OR_RETURN(const auto exists,
                          connection_.Query("select to_regclass($1) is not null",
                                            {Parameter(QuoteIdentifier(name.schema) + "." +
                                                       QuoteIdentifier(name.table))}));
      const bool there = exists.Bool(0, 0);
      Add(there && options_.set_up == SourceOptions::SetUp::kAutomatic ? Severity::kWarning
                                                                       : Severity::kError,
          there ? "TableNotPublished" : "TableMissing",
          "table " + name.schema + "." + name.table +
              (there ? " is not in publication '" + options_.publication + "'"
                     : " does not exist in this database"),
          there ? "alter publication " + QuoteIdentifier(options_.publication) + " add table " +
                      QuoteIdentifier(name.schema) + "." + QuoteIdentifier(name.table)
                : "",
          name.schema + "." + name.table);
    }
    for (const PublishedTable& table : tables) TW_RETURN_IF_ERROR(CheckTable(table));
    return {};
  }

  Status CheckTable(const PublishedTable& table) {
    const std::string name = table.schema + "." + table.table;
    const std::string quoted = QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.table);
    if (table.key.empty()) {
      Add(Severity::kError, "TableWithoutPrimaryKey",
          "table " + name + " has no primary key: its rows cannot be told apart and it is not"
          " followed; without a replica identity its updates and deletes fail as well",
          "alter table " + quoted + " add primary key (…)", name);
      return {};
    }
    if (table.identity != postgres::ReplicaIdentity::kFull) {
      const bool none = table.identity == postgres::ReplicaIdentity::kNothing;
      Add(none ? Severity::kError : Severity::kWarning, "ReplicaIdentityNotFull",
          "table " + name + (none ? " has no replica identity: its updates and deletes fail"
                                  : " sends no old rows: nobody is told that a row left their view,"
                                    " and deletes reach only those whose rights need no more than"
                                    " the key"),
          "alter table " + quoted + " replica identity full", name);
    }
    TW_ASSIGN_OR_RETURN(
        const auto rights,
        connection_.Query("select has_table_privilege(c.oid, 'select'), not c.relrowsecurity or"
                          " not row_security_active(c.oid), current_user from pg_catalog.pg_class"
                          " c where c.oid = $1::oid",
                          {Parameter(std::to_string(table.oid))}));
    const std::string role = QuoteIdentifier(rights.Text(0, 2));
    if (!rights.Bool(0, 0)) {
      Add(Severity::kError, "NoSelect", "table " + name + " cannot be read by role " + role,
          "grant select on " + quoted + " to " + role, name);
    } else if (!rights.Bool(0, 1)) {
      Add(Severity::kWarning, "RowSecurityHidesRows",
          "row-level security of " + name + " applies to role " + role +
              ": reads over HTTP would miss rows and are refused",
          "alter role " + role + " bypassrls", name);
    }
    return {};
  }

  // Reads, claims and policies that only the database can decide are asked as the token's role.
  Status CheckReaders() {
    constexpr int kVersionWithSet = 160'000;
    const std::string how = connection_.server_version() >= kVersionWithSet ? "set" : "member";
    TW_ASSIGN_OR_RETURN(
        const auto roles,
        connection_.Query(
            "select r.rolname, current_user from pg_catalog.pg_roles r where not r.rolsuper and"
            " r.rolname !~ '^pg_' and r.rolname <> current_user and not pg_has_role(current_user,"
            " r.oid, $2) and exists (select from pg_catalog.pg_publication_tables p join"
            " pg_catalog.pg_namespace n on n.nspname = p.schemaname join pg_catalog.pg_class c on"
            " c.relnamespace = n.oid and c.relname = p.tablename where p.pubname = $1 and"
            " has_schema_privilege(r.oid, n.oid, 'usage') and has_any_column_privilege(r.oid, c.oid,"
            " 'select') and (not r.rolcanlogin or exists (select from pg_catalog.pg_policy y where"
            " y.polrelid = c.oid and r.oid = any(y.polroles)))) order by 1",
            {Parameter(options_.publication), Parameter(how)}));
    for (size_t i = 0; i < roles.size(); ++i) {
      const std::string role(roles.Text(i, 0));
      Add(Severity::kWarning, "RoleNotAssumable",
          "role " + QuoteIdentifier(roles.Text(i, 1)) + " may not SET ROLE to '" + role +
              "': tokens of this role are refused rows, because what they may see is asked as"
              " that role",
          "grant " + QuoteIdentifier(role) + " to " + QuoteIdentifier(roles.Text(i, 1)));
    }
    // Tables that are not followed, and that policies look into.
    TW_ASSIGN_OR_RETURN(
        const auto hidden,
        connection_.Query(
            "select n.nspname || '.' || c.relname, current_user from pg_catalog.pg_class c join"
            " pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and"
            " row_security_active(c.oid) and not exists (select from"
            " pg_catalog.pg_publication_tables p where p.pubname = $1 and p.schemaname = n.nspname"
            " and p.tablename = c.relname) order by 1",
            {Parameter(options_.publication)}));
    for (size_t i = 0; i < hidden.size(); ++i) {
      const std::string table(hidden.Text(i, 0));
      Add(Severity::kWarning, "RowSecurityHidesInnerRows",
          "row-level security of " + table + " applies to role " +
              QuoteIdentifier(hidden.Text(i, 1)) +
              ": policies that look into it can show nothing",
          "alter role " + QuoteIdentifier(hidden.Text(i, 1)) + " bypassrls", table);
    }
    return {};
  }

  Status CheckSettings() {
    TW_ASSIGN_OR_RETURN(const std::string keep, Setting("max_slot_wal_keep_size"));
    if (keep == "-1") {
      Add(Severity::kWarning, "WalUnbounded",
          "a slot whose reader is away keeps WAL without a limit, until the disk is full",
          "alter system set max_slot_wal_keep_size = '20GB'");
    }
    TW_ASSIGN_OR_RETURN(const std::string commit, Setting("synchronous_commit"));
    if (commit == "off") {
      Add(Severity::kWarning, "AsynchronousCommit",
          "synchronous_commit is off: changes are sent when the WAL writer has flushed them, up to"
          " 200 ms late", "alter database " + QuoteIdentifier(connection_.database()) +
                              " set synchronous_commit = on");
    }
    TW_ASSIGN_OR_RETURN(const auto temporary,
                        connection_.Query("select has_database_privilege(current_database(),"
                                          " 'temporary'), current_user"));
    if (!temporary.Bool(0, 0)) {
      const std::string role = QuoteIdentifier(temporary.Text(0, 1));
      Add(Severity::kWarning, "NoTemporary",
          "role " + role + " may make no temporary functions: tables whose policies only the"
              " database can decide show nothing",
          "grant temporary on database " + QuoteIdentifier(connection_.database()) + " to " + role);
    }
    TW_ASSIGN_OR_RETURN(const auto trigger,
                        connection_.Query("select from pg_catalog.pg_event_trigger where evtname ="
                                          " 'tidewire_ddl_end' and evtenabled <> 'D'"));
    if (trigger.empty()) {
      Add(Severity::kWarning, "NoEventTrigger",
          "changed policies and grants are noticed within a second, not at their place in the"
          " stream; `tidewire init postgres` prints the event trigger");
    }
    return {};
  }

  Connection& connection_;
  const SourceOptions& options_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> Inspect(Connection& connection, const SourceOptions& options) {
  return Inspector(connection, options).Run();
}

}  // namespace tw::capture
