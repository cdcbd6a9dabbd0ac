#include "app/prepared_store.h"

#include "app/channels.h"
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

Result<policy::CatalogPtr> BuildCatalog(const Configuration& configuration,
                                        const std::vector<RelationPtr>& relations) {
  auto catalog = std::make_shared<policy::Catalog>();
  size_t index = 0;
  for (const auto& item : configuration.main.tables) {
    const RelationPtr& relation = relations[index++];
    const auto definitions = PolicyDefinitions(item.value);
    policy::CompileOptions options;
    options.row_level_security = item.value.row_level_security
                                     ? policy::RowLevelSecurity::kEnabled
                                     : policy::RowLevelSecurity::kDisabled;
    TW_ASSIGN_OR_RETURN(auto policy,
                        policy::TablePolicy::Compile(relation, definitions, options));
    catalog->Add({relation, std::move(policy)});
  }
  return policy::CatalogPtr(std::move(catalog));
}

// One policy of the table per command and side, from those that concern it.
Result<query::WritePoliciesPtr> BuildWritePolicies(const Configuration& configuration,
                                                   const std::vector<RelationPtr>& relations) {
  auto policies = std::make_shared<query::WritePolicies>();
  size_t index = 0;
  for (const auto& item : configuration.main.tables) {
    const RelationPtr& relation = relations[index++];
    const auto compile = [&](PolicyCommand command, PolicySide side) {
      policy::CompileOptions options;
      // Without row-level security everybody reads; writing is never given by saying nothing.
      if (!item.value.row_level_security && command == PolicyCommand::kSelect) {
        options.row_level_security = policy::RowLevelSecurity::kDisabled;
      }
      return policy::TablePolicy::Compile(relation, PolicyDefinitions(item.value, command, side),
                                          options);
    };
    query::TableWritePolicies table;
    TW_ASSIGN_OR_RETURN(table.select, compile(PolicyCommand::kSelect, PolicySide::kUsing));
    TW_ASSIGN_OR_RETURN(table.insert_check, compile(PolicyCommand::kInsert, PolicySide::kCheck));
    TW_ASSIGN_OR_RETURN(table.update_using, compile(PolicyCommand::kUpdate, PolicySide::kUsing));
    TW_ASSIGN_OR_RETURN(table.update_check, compile(PolicyCommand::kUpdate, PolicySide::kCheck));
    TW_ASSIGN_OR_RETURN(table.delete_using, compile(PolicyCommand::kDelete, PolicySide::kUsing));
    policies->Add(relation->table, std::move(table));
  }
  return query::WritePoliciesPtr(std::move(policies));
}

}  // namespace

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
  for (const auto& item : configuration.main.tables) {
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
  for (const SourceFile& file : configuration.sources) {
    TW_ASSIGN_OR_RETURN(auto source, ingest::CompileSource(file.config, file.text,
                                                           prepared.store->database()));
    if (source->name != file.name) {
      return Fail(ErrorCode::kInvalidArgument, file.file + ": source: '" + source->name +
                                                   "' is named '" + file.name +
                                                   "' in the main file");
    }
    prepared.sources.push_back(std::move(source));
  }
  TW_ASSIGN_OR_RETURN(prepared.catalog,
                      BuildCatalog(configuration, prepared.capture->relations()));
  TW_ASSIGN_OR_RETURN(prepared.writes,
                      BuildWritePolicies(configuration, prepared.capture->relations()));
  TW_ASSIGN_OR_RETURN(prepared.invalidation,
                      query::InvalidationMap::Compile(configuration.main.invalidation,
                                                      *prepared.catalog));
  TW_ASSIGN_OR_RETURN(prepared.queries,
                      query::CompileQueries(configuration.main.queries, prepared.catalog, path));
  TW_ASSIGN_OR_RETURN(prepared.channel_policy, CompileChannelPolicy(configuration.main.channels));
  return prepared;
}

}  // namespace tw::app
