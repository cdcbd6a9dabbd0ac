// Names, parameters, read set and modes of each query, checked where they are said.
#include <sqlite3.h>

#include <algorithm>

#include "config/node.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "query/named/catalogue.h"
#include "query/named/guarded_database.h"
#include "query/named/predicates.h"
#include "sqlite/sqlite.h"

namespace tw::query {
namespace {

constexpr size_t kQueriesMax = 10'000;
constexpr size_t kNameBytesMax = 128;

// What SQLite says about base columns: whether they compare by bytes, and how they convert.
class SqliteColumns {
 public:
  explicit SqliteColumns(sqlite::Database& database) : database_(database) {}

  std::optional<Affinity> AffinityOfColumn(const std::string& table, const std::string& column) {
    const char* declared = nullptr;
    const char* collation = nullptr;
    if (sqlite3_table_column_metadata(database_.handle(), "main", table.c_str(), column.c_str(),
                                      &declared, &collation, nullptr, nullptr,
                                      nullptr) != SQLITE_OK) {
      return std::nullopt;
    }
    if (collation != nullptr && std::string_view(collation) != "BINARY") return std::nullopt;
    return AffinityOf(declared == nullptr ? "" : declared);
  }

  // Whether the log's images show every value of the table: no generated columns.
  bool HasGenerated(const std::string& table) {
    auto select = database_.Prepare(
        "select count(*) from pragma_table_xinfo(?) where hidden in (2, 3)");
    if (!select.ok()) return true;
    select->BindText(1, table);
    const auto row = select->Step();
    return !row.ok() || !*row || select->ColumnInt(0) > 0;
  }

 private:
  sqlite::Database& database_;
};

class Compiler {
 public:
  Compiler(const policy::CatalogPtr& policies, const std::string& path, sqlite::Database& database,
           config::Problems& problems)
      : policies_(policies), path_(path), columns_(database), problems_(problems) {}

  NamedQueryPtr Compile(const config::OrderedMap<QueryConfig>::Item& item, size_t index) {
    item_ = &item;
    query_ = std::make_shared<NamedQuery>();
    const QueryConfig& given = item.value;
    query_->name = item.key;
    query_->index = index;
    query_->roles = given.roles;
    query_->access = given.access;
    query_->tags = given.tags;
    query_->cache = given.cache;
    query_->limits = given.limits;
    query_->page = given.page;
    const size_t before = problems_.count();
    Name();
    Parameters();
    if (problems_.count() == before) Text();
    if (problems_.count() == before) Reads();
    if (problems_.count() == before) Modes();
    if (problems_.count() == before) Key();
    if (problems_.count() != before) return nullptr;
    Version();
    return query_;
  }

 private:
  void Problem(const config::Location& where, const std::string& reason) {
    problems_.Add(where, "queries." + item_->key + ": " + reason);
  }

  void Name() {
    const std::string& name = item_->key;
    const bool fits = name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
                      });
    if (!fits) Problem(item_->where, "a name is made of letters, digits, '.', '_' and '-'");
  }

  void Parameters() {
    auto parameters = CompileParameters(item_->value.params);
    if (parameters.ok()) {
      query_->parameters = std::move(*parameters);
      return;
    }
    // The message begins with its own place.
    Problem(item_->where, parameters.error().message);
  }

  void Text() {
    const auto& sql = item_->value.sql;
    auto text = ScanSql(*sql);
    if (!text.ok()) return Problem(sql.where, "sql: " + text.error().message);
    query_->sql = std::move(*text);
    std::vector<bool> used(query_->parameters.size());
    for (const std::string& name : query_->sql.names) {
      constexpr std::string_view kClaims = "claims.";
      if (name.starts_with(kClaims)) {
        query_->bindings.push_back({.claim = name.substr(kClaims.size())});
        continue;
      }
      const auto found = std::ranges::find(query_->parameters, name, &Parameter::name);
      if (found == query_->parameters.end()) {
        return Problem(sql.where, "sql: ':" + name + "' is not among its params");
      }
      const auto index = static_cast<size_t>(found - query_->parameters.begin());
      used[index] = true;
      query_->bindings.push_back({.argument = index});
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) {
        Problem(item_->value.params.items[i].where,
                "params." + query_->parameters[i].name + ": the SQL does not use it");
      }
    }
  }

  const policy::Catalog::Table* FindTable(std::string_view name, size_t* index = nullptr) const {
    const auto& tables = policies_->tables();
    for (size_t i = 0; i < tables.size(); ++i) {
      if (!EqualsIgnoreCase(tables[i].relation->table, name)) continue;
      if (index != nullptr) *index = i;
      return &tables[i];
    }
    return nullptr;
  }

  void Reads() {
    const auto& sql = item_->value.sql;
    auto inspected = Inspect(path_, query_->sql.sqlite);
    if (!inspected) {
      const size_t offset = query_->sql.Original(inspected.error().offset);
      return Problem(sql.where,
                     "sql: " + PlaceIn(*sql, offset) + ": " + inspected.error().reason);
    }
    ReadColumns(*inspected);
    AddExplicitReads();
    std::ranges::sort(query_->guarded);
    AddTablesOfPolicies();
    Functions(inspected->functions);
    Predicates(inspected->uses_views);
    for (const auto& output : inspected->outputs) {
      ResultColumn column{.name = output.name, .derived = true};
      if (const auto* table = FindTable(output.table); table != nullptr) {
        if (const auto found = table->relation->Find(output.column)) {
          column = {output.name, table->relation->columns[*found].type, false};
        }
      }
      const bool repeated = std::ranges::find(query_->columns, column.name,
                                              &ResultColumn::name) != query_->columns.end();
      if (repeated) {
        Problem(sql.where, "sql: two columns are named '" + column.name + "'; use AS");
      }
      query_->columns.push_back(std::move(column));
    }
  }

  void ReadColumns(const Inspection& inspected) {
    for (const auto& [name, column] : inspected.columns) {
      size_t index = 0;
      const auto* table = FindTable(name, &index);
      if (table == nullptr) {
        std::vector<std::string_view> names;
        Problem(item_->value.sql.where, "sql: table '" + name +
                                            "' is not in `tables`; only tables that are followed"
                                            " and have policies can be read");
        return;
      }
      TableRead& read = ReadOf(*table, index);
      if (column.empty()) continue;
      if (const auto found = table->relation->Find(column)) {
        read.columns.push_back(static_cast<uint16_t>(*found));
      } else {
        read.every_column = true;
      }
      if (EqualsIgnoreCase(column, "rowid") && !table->relation->Find(column)) {
        Problem(item_->value.sql.where,
                "sql: it reads the hidden rowid of '" + name + "', whose changes nobody sees");
      }
    }
    for (TableRead& read : query_->reads.tables) SortUnique(read.columns);
  }

  TableRead& ReadOf(const policy::Catalog::Table& table, size_t index) {
    for (TableRead& read : query_->reads.tables) {
      if (read.relation == table.relation) return read;
    }
    if (table.relation->columns.size() > kGuardedColumnsMax) {
      Problem(item_->value.sql.where, "sql: table '" + table.relation->table + "' has more than " +
                                          std::to_string(kGuardedColumnsMax) + " columns");
    }
    query_->guarded.push_back(index);
    TableRead read{.relation = table.relation};
    read.every_column = columns_.HasGenerated(table.relation->table);
    // A row comes and goes with what its policies look at.
    read.columns = table.policy->reads().columns;
    return query_->reads.tables.emplace_back(std::move(read));
  }

  void AddExplicitReads() {
    for (const std::string& name : *item_->value.reads) {
      size_t index = 0;
      const auto* table = FindTable(name, &index);
      if (table == nullptr) {
        Problem(item_->value.reads.where, "reads: '" + name + "' is not in `tables`");
        continue;
      }
      ReadOf(*table, index).every_column = true;
      whole_.insert(table->relation->table);
    }
  }

  // What decides who sees a row decides what the result is: any row of such a table may.
  void AddTablesOfPolicies() {
    std::set<uint32_t> numbers;
    for (const size_t index : query_->guarded) {
      const auto reads = policies_->tables()[index].policy->reads();
      numbers.insert(reads.tables.begin(), reads.tables.end());
    }
    for (const uint32_t number : numbers) {
      const policy::InnerTablePlan& inner = policies_->inner()->tables()[number];
      auto read = std::ranges::find(query_->reads.tables, inner.relation, &TableRead::relation);
      if (read == query_->reads.tables.end()) {
        query_->reads.tables.push_back({.relation = inner.relation});
        read = query_->reads.tables.end() - 1;
      }
      read->columns.insert(read->columns.end(), inner.columns.begin(), inner.columns.end());
      SortUnique(read->columns);
      whole_.insert(inner.relation->table);
    }
  }

  static void SortUnique(std::vector<uint16_t>& columns) {
    std::ranges::sort(columns);
    columns.erase(std::ranges::unique(columns).begin(), columns.end());
  }

  void Functions(const std::set<std::string>& functions) {
    static const std::set<std::string_view> kTime = {
        "date", "time", "datetime", "julianday", "unixepoch", "strftime", "current_date",
        "current_time", "current_timestamp"};
    static const std::set<std::string_view> kVolatile = {"random", "randomblob", "changes",
                                                         "total_changes", "last_insert_rowid"};
    for (const std::string& name : functions) {
      if (kTime.contains(name)) query_->reads.time_dependent = true;
      if (kVolatile.contains(name)) query_->reads.is_volatile = true;
    }
  }

  void Predicates(bool uses_views) {
    PredicateSchema schema;
    schema.table = [this](std::string_view name) -> std::optional<std::string> {
      const auto* table = FindTable(name);
      return table == nullptr ? std::nullopt : std::optional(table->relation->table);
    };
    schema.has_column = [this](std::string_view table, std::string_view column) {
      return FindColumn(table, column).has_value();
    };
    schema.column = [this](std::string_view table,
                           std::string_view column) -> std::optional<PredicateColumn> {
      const auto index = FindColumn(table, column);
      if (!index) return std::nullopt;
      const auto affinity = columns_.AffinityOfColumn(
          std::string(table), FindTable(table)->relation->columns[*index].name);
      if (!affinity) return std::nullopt;
      return PredicateColumn{static_cast<uint16_t>(*index), *affinity};
    };
    auto found = uses_views ? std::nullopt : FindPredicates(query_->sql.postgres, schema);
    for (TableRead& read : query_->reads.tables) {
      // The trees agree about a table only if both found it.
      const bool usable = found && found->contains(read.relation->table) &&
                          !whole_.contains(read.relation->table);
      read.references = usable ? std::move((*found)[read.relation->table])
                               : std::vector<Conjunction>{Conjunction{}};
    }
    whole_.clear();
  }

  std::optional<size_t> FindColumn(std::string_view table, std::string_view column) const {
    const auto* found = FindTable(table);
    if (found == nullptr) return std::nullopt;
    const auto& columns = found->relation->columns;
    const auto at = std::ranges::find_if(
        columns, [&](const Column& one) { return EqualsIgnoreCase(one.name, column); });
    return at == columns.end() ? std::nullopt
                               : std::optional(static_cast<size_t>(at - columns.begin()));
  }

  void Modes() {
    const QueryConfig& given = item_->value;
    for (const std::string& name : *given.row_key) {
      const auto found = std::ranges::find(query_->columns, name, &ResultColumn::name);
      if (found == query_->columns.end()) {
        Problem(given.row_key.where, "row_key: '" + name + "' is no column of the result");
        continue;
      }
      query_->row_key.push_back(static_cast<size_t>(found - query_->columns.begin()));
    }
    query_->live = *given.live;
    if (query_->live == LiveMode::kAuto) {
      query_->live = query_->row_key.empty() ? LiveMode::kResult : LiveMode::kRows;
    }
    if (query_->live == LiveMode::kRows && query_->row_key.empty()) {
      Problem(given.live.where, "live: rows needs a row_key");
    }
    if (query_->live != LiveMode::kOff && query_->reads.is_volatile) {
      Problem(given.live.where,
              "live: a query that calls random() or the like cannot be followed; say live: off");
    }
    if (query_->cache.prefetch_before >= query_->cache.ttl) {
      Problem(item_->where, "cache: prefetch_before must be less than ttl");
    }
    if (query_->access != QueryAccess::kPublic) return;
    for (const size_t index : query_->guarded) {
      // Nobody's claims: what even they may see is for everyone.
      const auto access = policies_->tables()[index].policy->AccessFor(Claims{});
      if (!access->allows_everything()) {
        Problem(item_->where, "access: public: table '" +
                                  policies_->tables()[index].relation->table +
                                  "' has row-level security");
      }
    }
    for (const Binding& binding : query_->bindings) {
      if (!binding.claim.empty()) {
        Problem(item_->where, "access: public: the SQL reads a claim of the caller");
      }
    }
  }

  void Key() {
    std::vector<config::Node> parts;
    for (const auto& part : item_->value.key) {
      CheckKey(*part, part.where);
      parts.push_back(*part);
    }
    if (!parts.empty()) query_->key = config::ToYamlLine(config::Node::List(std::move(parts)));
  }

  void CheckKey(const config::Node& node, const config::Location& where) {
    for (const config::Node& item : node.items()) CheckKey(item, where);
    for (const auto& entry : node.entries()) CheckKey(entry.value, where);
    if (node.kind() != config::Node::Kind::kText || !node.text().starts_with(':')) return;
    const auto name = std::string_view(node.text()).substr(1);
    if (std::ranges::find(query_->parameters, name, &Parameter::name) ==
        query_->parameters.end()) {
      Problem(where, "key: '" + node.text() + "' is not among its params");
    }
  }

  // All that can change a result or who may see it.
  void Version() {
    std::string text = query_->name + '\0' + query_->sql.sqlite;
    for (const std::string& name : query_->sql.names) text += '\0' + name;
    for (const auto& parameter : query_->parameters) {
      text += '\0' + parameter.name + std::to_string(static_cast<int>(parameter.type));
    }
    for (const size_t index : query_->row_key) text += "\1" + query_->columns[index].name;
    for (const std::string& role : query_->roles) text += "\2" + role;
    constexpr size_t kBytes = 8;
    query_->version = crypto::EncodeHex(crypto::Sha256(text).view().substr(0, kBytes));
  }

  const policy::CatalogPtr& policies_;
  const std::string& path_;
  SqliteColumns columns_;
  config::Problems& problems_;
  const config::OrderedMap<QueryConfig>::Item* item_ = nullptr;
  std::shared_ptr<NamedQuery> query_;
  std::set<std::string> whole_;  // Tables of which any row matters: `reads`, those of policies.
};

}  // namespace

Result<QueryCataloguePtr> CompileQueries(const config::OrderedMap<QueryConfig>& given,
                                         const policy::CatalogPtr& policies,
                                         const std::string& path) {
  std::vector<NamedQueryPtr> queries;
  if (given.empty()) return std::make_shared<const QueryCatalogue>(policies, std::move(queries));
  if (given.size() > kQueriesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "queries: more than " + std::to_string(kQueriesMax) + " queries");
  }
  TW_ASSIGN_OR_RETURN(auto database,
                      sqlite::Database::Open(path, {.mode = sqlite::OpenMode::kReadOnly}));
  config::Problems problems;
  Compiler compiler(policies, path, database, problems);
  for (const auto& item : given) {
    if (auto query = compiler.Compile(item, queries.size())) queries.push_back(std::move(query));
  }
  TW_RETURN_IF_ERROR(problems.ToStatus());
  return std::make_shared<const QueryCatalogue>(policies, std::move(queries));
}

}  // namespace tw::query
