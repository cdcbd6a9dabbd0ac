#include "app/prepared_store.h"

#include "app/channels.h"
#include "app/source_schema.h"
#include "ingest/source_compiler.h"
#include "policy/schema.h"
#include "query/log_tables.h"

namespace tw::app {
namespace {

// Seed files run once, in one transaction with the mark that says so.
Status RunSeeds(const Configuration& configuration, store::Store& store) {
  sqlite::Database& database = store.database();
  TW_ASSIGN_OR_RETURN(const int64_t seeded,
                      database.QueryInt("select count(*) from tidewire_meta where name = 'seeded'"));
  if (seeded > 0) return {};
  TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database));
  for (const SqlFile& file : configuration.seed) {
    TW_RETURN_IF_ERROR(store.ApplySchema(file.text, file.name));
  }
  TW_RETURN_IF_ERROR(
      database.Execute("insert into tidewire_meta(name, value) values('seeded', '1')"));
  return transaction.Commit();
}

// What reading policies see.
policy::Schema SchemaOf(const Configuration& configuration,
                        const std::vector<RelationPtr>& relations) {
  policy::Schema schema;
  size_t index = 0;
  for (const auto& item : configuration.main.tables) {
    policy::SchemaTable table;
    table.relation = relations[index++];
    table.security = item.value.row_level_security ? policy::RowLevelSecurity::kEnabled
                                                   : policy::RowLevelSecurity::kDisabled;
    table.policies = PolicyDefinitions(item.value, PolicyCommand::kSelect, PolicySide::kUsing);
    schema.tables.push_back(std::move(table));
  }
  for (const std::string& role : policy::CompileOptions().bypass_roles) {
    schema.roles.push_back({.name = role, .bypasses = true, .uses = {}});
  }
  return schema;
}

// The policies of each table per command and side, from those that concern it.
Result<query::WritePoliciesPtr> BuildWritePolicies(const Configuration& configuration,
                                                   const policy::Schema& schema) {
  constexpr std::pair<PolicyCommand, PolicySide> kVariants[] = {
      {PolicyCommand::kSelect, PolicySide::kUsing}, {PolicyCommand::kInsert, PolicySide::kCheck},
      {PolicyCommand::kUpdate, PolicySide::kUsing}, {PolicyCommand::kUpdate, PolicySide::kCheck},
      {PolicyCommand::kDelete, PolicySide::kUsing}};
  std::vector<policy::SchemaTable> variants;
  size_t index = 0;
  for (const auto& item : configuration.main.tables) {
    const policy::SchemaTable& readable = schema.tables[index++];
    for (const auto& [command, side] : kVariants) {
      policy::SchemaTable& variant = variants.emplace_back(readable);
      if (command == PolicyCommand::kSelect) continue;
      // Without row-level security everybody reads; writing is never given by saying nothing.
      variant.security = policy::RowLevelSecurity::kEnabled;
      variant.policies = PolicyDefinitions(item.value, command, side);
    }
  }
  TW_ASSIGN_OR_RETURN(const auto compiled, policy::CompileCommands(schema, variants));
  auto policies = std::make_shared<query::WritePolicies>(compiled.inner);
  auto next = compiled.policies.begin();
  for (const policy::SchemaTable& table : schema.tables) {
    query::TableWritePolicies of_table;
    for (auto* const member :
         {&of_table.select, &of_table.insert_check, &of_table.update_using, &of_table.update_check,
          &of_table.delete_using}) {
      *member = *next++;
    }
    policies->Add(table.relation->table, std::move(of_table));
  }
  return query::WritePoliciesPtr(std::move(policies));
}

}  // namespace

Result<std::vector<std::shared_ptr<const ingest::Source>>> CompileSources(
    const Configuration& configuration, sqlite::Database& own) {
  std::vector<std::shared_ptr<const ingest::Source>> sources;
  if (configuration.sources.empty()) return sources;
  const StoreConfig& store = configuration.main.store;
  TW_ASSIGN_OR_RETURN(const ingest::SchemaView tables, store.kind == StoreKind::kSqlite
                                                           ? ingest::ReadSchema(own)
                                                           : ReadSourceSchema(store, own));
  for (const SourceFile& file : configuration.sources) {
    TW_ASSIGN_OR_RETURN(auto source, ingest::CompileSource(file.config, file.text, tables));
    if (source->name != file.name) {
      return Fail(ErrorCode::kInvalidArgument, file.file + ": source: '" + source->name +
                                                   "' is named '" + file.name +
                                                   "' in the main file");
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<PreparedStore> PrepareStore(const Configuration& configuration, const std::string& path,
                                   const sqlite::OpenOptions& options, Random& random,
                                   telemetry::Registry& metrics) {
  PreparedStore prepared;
  TW_ASSIGN_OR_RETURN(prepared.store, store::Store::Open(path, options, random));
  for (const SqlFile& file : configuration.schema) {
    TW_RETURN_IF_ERROR(prepared.store->ApplySchema(file.text, file.name));
  }
  TW_RETURN_IF_ERROR(query::CreateLogTables(prepared.store->database()));
  std::vector<std::string> tables;
  // With PostgreSQL the file holds only what is ours.
  const bool embedded = configuration.main.store.kind == StoreKind::kSqlite;
  for (const auto& item : configuration.main.tables) {
    if (!embedded) break;
    if (const auto shape = store::DescribeTable(prepared.store->database(), item.key);
        !shape.ok()) {
      return Fail(ErrorCode::kInvalidArgument,
                  ToString(item.where) + ": tables: " + shape.error().message);
    }
    tables.push_back(item.key);
  }
  // Followed by nobody, read by the loops: which mutation was committed where.
  tables.emplace_back(query::kMutationTable);
  // Captured before the seeds run, so that seeded rows have a place in the log as well.
  TW_ASSIGN_OR_RETURN(prepared.capture,
                      capture::Capture::Install(*prepared.store, tables, metrics));
  TW_RETURN_IF_ERROR(RunSeeds(configuration, *prepared.store));
  for (;;) {
    TW_ASSIGN_OR_RETURN(const BatchPtr seeded, prepared.capture->Poll());
    if (seeded == nullptr) break;
  }
  TW_ASSIGN_OR_RETURN(prepared.sources, CompileSources(configuration, prepared.store->database()));
  TW_ASSIGN_OR_RETURN(prepared.channel_policy, CompileChannelPolicy(configuration.main.channels));
  if (!embedded) {
    prepared.catalog = std::make_shared<policy::Catalog>();
    return prepared;
  }
  const policy::Schema readable = SchemaOf(configuration, prepared.capture->relations());
  TW_ASSIGN_OR_RETURN(prepared.catalog, policy::CompileEmbedded(readable));
  TW_ASSIGN_OR_RETURN(prepared.writes, BuildWritePolicies(configuration, readable));
  TW_ASSIGN_OR_RETURN(prepared.invalidation,
                      query::InvalidationMap::Compile(configuration.main.invalidation,
                                                      *prepared.catalog));
  TW_ASSIGN_OR_RETURN(prepared.queries,
                      query::CompileQueries(configuration.main.queries, prepared.catalog, path));
  return prepared;
}

}  // namespace tw::app
