#include "query/named/guarded_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "query/stored_tables.h"

namespace tw::query {
namespace {

using sqlite::QuoteIdentifier;

constexpr int kProgressInstructions = 2'000;
constexpr int kValueBytesMax = 64 << 20;
constexpr const char* kAllows = "tidewire_allows";

std::string_view TextOf(const char* text) { return text == nullptr ? std::string_view() : text; }

// Table-valued functions that read only their arguments.
bool IsPureTable(std::string_view table) { return table == "json_each" || table == "json_tree"; }

bool IsForbiddenFunction(std::string_view name) {
  return EqualsIgnoreCase(name, "load_extension") || EqualsIgnoreCase(name, "fts3_tokenizer");
}

Value ValueOf(sqlite3_value* given, ColumnType type) {
  switch (sqlite3_value_type(given)) {
    case SQLITE_INTEGER: {
      const int64_t value = sqlite3_value_int64(given);
      if (type == ColumnType::kBool && (value == 0 || value == 1)) return Value(value == 1);
      return Value(value);
    }
    case SQLITE_FLOAT: return Value(sqlite3_value_double(given));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(given));
      return Value(std::string(text, static_cast<size_t>(sqlite3_value_bytes(given))));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_value_blob(given));
      const auto size = static_cast<size_t>(sqlite3_value_bytes(given));
      return Value(Bytes{bytes == nullptr ? std::string() : std::string(bytes, size)});
    }
    default: return Value();
  }
}

void Harden(sqlite3* handle) {
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kValueBytesMax);
  // "text" in double quotes that names nothing is an error, as in PostgreSQL, and not a text.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
}

// Lower-case names of the main schema's objects of one type.
std::set<std::string> NamesOf(sqlite3* handle, const char* type) {
  sqlite3_stmt* statement = nullptr;
  std::set<std::string> names;
  if (sqlite3_prepare_v2(handle, "select lower(name) from main.sqlite_schema where type = ?", -1,
                         &statement, nullptr) == SQLITE_OK) {
    sqlite3_bind_text(statement, 1, type, -1, SQLITE_STATIC);
    while (sqlite3_step(statement) == SQLITE_ROW) {
      names.insert(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
    }
  }
  sqlite3_finalize(statement);
  return names;
}

struct Inspector {
  Inspection found;
  std::string denied;

  static int Authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char*) {
    auto& inspector = *static_cast<Inspector*>(self);
    const std::string_view table = TextOf(first);
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_RECURSIVE: return SQLITE_OK;
      case SQLITE_FUNCTION:
        if (IsForbiddenFunction(TextOf(second))) return inspector.Deny(TextOf(second));
        inspector.found.functions.insert(ToLower(TextOf(second)));
        return SQLITE_OK;
      case SQLITE_READ:
        if (IsPureTable(table)) return SQLITE_OK;
        if (database == nullptr && TextOf(second).empty()) {
          // No column of it is used: count(*). The name is as written, and may be a WITH's.
          inspector.found.columns.emplace(table, "");
          return SQLITE_OK;
        }
        if (TextOf(database) != "main" || table.starts_with("sqlite_") ||
            table.starts_with("tidewire_")) {
          return inspector.Deny(table);
        }
        inspector.found.columns.emplace(table, TextOf(second));
        return SQLITE_OK;
      default: return inspector.Deny("anything but a SELECT");
    }
  }
  int Deny(std::string_view what) {
    if (denied.empty()) denied = what;
    return SQLITE_DENY;
  }
};

// Names of views and WITHs that were seen are dropped: their base columns are reported as well.
void DropViews(sqlite3* handle, Inspection& found) {
  const std::set<std::string> views = NamesOf(handle, "view");
  const std::set<std::string> tables = NamesOf(handle, "table");
  found.uses_views =
      std::erase_if(found.columns, [&](const auto& read) {
        return views.contains(ToLower(read.first));
      }) > 0;
  std::erase_if(found.columns, [&](const auto& read) {
    return read.second.empty() && !tables.contains(ToLower(read.first));
  });
}

}  // namespace

std::expected<Inspection, InspectionError> Inspect(const std::string& path, std::string_view sql) {
  auto database = sqlite::Database::Open(path, {.mode = sqlite::OpenMode::kReadOnly});
  if (!database.ok()) return std::unexpected(InspectionError{0, database.error().message});
  sqlite3* const handle = database->handle();
  Harden(handle);
  Inspector inspector;
  sqlite3_set_authorizer(handle, Inspector::Authorize, &inspector);
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v2(handle, sql.data(), static_cast<int>(sql.size()), &statement,
                                      &tail);
  sqlite3_set_authorizer(handle, nullptr, nullptr);
  const auto fail = [&](size_t offset, std::string reason) {
    sqlite3_finalize(statement);
    return std::unexpected(InspectionError{offset, std::move(reason)});
  };
  if (code != SQLITE_OK) {
    const int offset = sqlite3_error_offset(handle);
    if (!inspector.denied.empty()) {
      return fail(0, "a named query only reads tables; not allowed: " + inspector.denied);
    }
    return fail(static_cast<size_t>(std::max(offset, 0)), sqlite3_errmsg(handle));
  }
  const auto used = static_cast<size_t>(tail - sql.data());
  if (statement == nullptr || sql.find_first_not_of(" \t\r\n;", used) != sql.npos) {
    return fail(used, "exactly one SELECT is expected");
  }
  if (sqlite3_stmt_readonly(statement) == 0 || sqlite3_column_count(statement) == 0) {
    return fail(0, "a named query is a SELECT");
  }
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    inspector.found.outputs.push_back(
        {std::string(TextOf(sqlite3_column_name(statement, i))),
         std::string(TextOf(sqlite3_column_table_name(statement, i))),
         std::string(TextOf(sqlite3_column_origin_name(statement, i)))});
  }
  sqlite3_finalize(statement);
  DropViews(handle, inspector.found);
  return std::move(inspector.found);
}

struct GuardedDatabase::State {
  const policy::Catalog& catalog;
  const Clock& clock;
  std::vector<std::string> guards;   // Parallel to catalog.tables(); empty: the table has none.
  std::set<std::string> temp_views;  // Ours, and copies of the main schema's.
  std::set<std::string> unguarded;   // Tables and views of the main schema that none of these hides.
  bool querying = false;             // The authorizer decides.
  std::span<const policy::AccessPtr> access;
  MonoTime deadline = MonoTime::max();
  bool timed_out = false;
  std::optional<StoredTables> tables;  // What policies look into, as the Scope's transaction sees it.
  Row row;                             // Scratch of Allows.

  static int Authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char* context) {
    const auto& state = *static_cast<State*>(self);
    if (!state.querying) return SQLITE_OK;
    const std::string_view table = TextOf(first);
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_RECURSIVE: return SQLITE_OK;
      case SQLITE_FUNCTION:
        return IsForbiddenFunction(TextOf(second)) ? SQLITE_DENY : SQLITE_OK;
      case SQLITE_READ:
        if (IsPureTable(table)) return SQLITE_OK;
        if (database == nullptr && TextOf(second).empty()) {
          // count(*) of a name as written: a view of ours or a WITH, but no table without a guard.
          return state.unguarded.contains(ToLower(table)) ? SQLITE_DENY : SQLITE_OK;
        }
        if (TextOf(database) == "temp") {
          return state.temp_views.contains(std::string(table)) ? SQLITE_OK : SQLITE_DENY;
        }
        return state.IsGuardOf(TextOf(context), table) ? SQLITE_OK : SQLITE_DENY;
      default: return SQLITE_DENY;
    }
  }

  bool IsGuardOf(std::string_view guard, std::string_view table) const {
    if (guard.empty()) return false;
    const auto found = std::ranges::find(guards, guard);
    if (found == guards.end()) return false;
    const auto index = static_cast<size_t>(found - guards.begin());
    return catalog.tables()[index].relation->table == table;
  }

  static int Progress(void* self) {
    auto& state = *static_cast<State*>(self);
    if (state.clock.Mono() < state.deadline) return 0;
    state.timed_out = true;
    return 1;
  }

  // tidewire_allows(index of the table, column…)
  static void Allows(sqlite3_context* context, int count, sqlite3_value** given) {
    auto& state = *static_cast<State*>(sqlite3_user_data(context));
    const auto index = static_cast<size_t>(count > 0 ? sqlite3_value_int64(given[0]) : -1);
    const policy::Access* const access =
        index < state.access.size() ? state.access[index].get() : nullptr;
    if (access == nullptr || access->error() || access->allows_nothing()) {
      return sqlite3_result_int(context, 0);
    }
    if (access->allows_everything()) return sqlite3_result_int(context, 1);
    const Relation& relation = *state.catalog.tables()[index].relation;
    if (relation.columns.size() + 1 != static_cast<size_t>(count)) {
      return sqlite3_result_int(context, 0);
    }
    state.row.resize(relation.columns.size());
    for (size_t i = 0; i < state.row.size(); ++i) {
      state.row[i] = ValueOf(given[i + 1], relation.columns[i].type);
    }
    state.tables->BeginRow();
    state.querying = false;  // Look-ups of policies are ours, and read the tables themselves.
    const bool allowed = access->Allows(state.row, &*state.tables);
    state.querying = true;
    if (!state.tables->status().ok()) {
      return sqlite3_result_error(context, "a table that policies look into could not be read", -1);
    }
    sqlite3_result_int(context, allowed ? 1 : 0);
  }
};

GuardedDatabase::GuardedDatabase(sqlite::Database database, std::unique_ptr<State> state)
    : database_(std::move(database)), state_(std::move(state)) {}

GuardedDatabase::~GuardedDatabase() = default;

Result<std::unique_ptr<GuardedDatabase>> GuardedDatabase::Open(const std::string& path,
                                                               const policy::Catalog& catalog,
                                                               const Clock& clock,
                                                               Random& random) {
  TW_ASSIGN_OR_RETURN(auto database,
                      sqlite::Database::Open(path, {.mode = sqlite::OpenMode::kReadOnly}));
  auto state = std::make_unique<State>(catalog, clock);
  sqlite3* const handle = database.handle();
  Harden(handle);
  if (sqlite3_create_function_v2(handle, kAllows, -1, SQLITE_UTF8, state.get(), State::Allows,
                                 nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Fail(ErrorCode::kInternal, "SQLite takes no function");
  }
  std::unique_ptr<GuardedDatabase> guarded(
      new GuardedDatabase(std::move(database), std::move(state)));
  TW_RETURN_IF_ERROR(guarded->MakeViews(random));
  TW_RETURN_IF_ERROR(guarded->database_.Execute("pragma query_only = on"));
  sqlite3_set_authorizer(handle, State::Authorize, guarded->state_.get());
  sqlite3_progress_handler(handle, kProgressInstructions, State::Progress, guarded->state_.get());
  return guarded;
}

Status GuardedDatabase::MakeViews(Random& random) {
  const std::string secret = std::to_string(random.Next());
  size_t index = 0;
  for (const auto& table : state_->catalog.tables()) {
    const Relation& relation = *table.relation;
    std::string& guard = state_->guards.emplace_back();
    const std::string number = std::to_string(index++);
    if (relation.columns.size() > kGuardedColumnsMax) continue;
    guard = "tidewire_guard_" + secret + "_" + number;
    std::string columns;
    for (const Column& column : relation.columns) columns += "," + QuoteIdentifier(column.name);
    const std::string list = columns.substr(1);
    TW_RETURN_IF_ERROR(database_.Execute(
        "create temp view " + guard + " as select " + list + " from main." +
        QuoteIdentifier(relation.table) + " where " + kAllows + "(" + number + columns + ");" +
        "create temp view " + QuoteIdentifier(relation.table) + " as select " + list + " from " +
        guard));
    state_->temp_views.insert(guard);
    state_->temp_views.insert(relation.table);
  }
  // A view of the main schema names tables of the main schema for good; its copy finds the guards.
  std::vector<std::pair<std::string, std::string>> views;
  {
    TW_ASSIGN_OR_RETURN(auto select, database_.Prepare("select name, sql from main.sqlite_schema"
                                                       " where type = 'view' order by rowid"));
    for (;;) {
      TW_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      views.emplace_back(select.ColumnText(0), select.ColumnText(1));
    }
  }
  for (const auto& [name, sql] : views) {
    // SQLite keeps the text as "CREATE VIEW …".
    constexpr std::string_view kCreate = "CREATE VIEW ";
    if (!sql.starts_with(kCreate)) continue;
    const Status made =
        database_.Execute("create temp view " + sql.substr(kCreate.size()));
    if (made.ok()) state_->temp_views.insert(name);
  }
  for (const char* type : {"table", "view"}) {
    state_->unguarded.merge(NamesOf(database_.handle(), type));
  }
  state_->unguarded.insert({"sqlite_schema", "sqlite_master"});
  for (const std::string& name : state_->temp_views) state_->unguarded.erase(ToLower(name));
  return {};
}

Result<sqlite::Statement> GuardedDatabase::Prepare(std::string_view sql) {
  state_->querying = true;
  auto statement = database_.Prepare(sql);
  state_->querying = false;
  if (statement.ok()) return statement;
  const int code = sqlite3_errcode(database_.handle());
  if (code == SQLITE_AUTH) {
    return Fail(ErrorCode::kPermissionDenied,
                "the statement reads a table around its row policies; name tables of `tables:`"
                " without \"main.\"");
  }
  return statement;
}

GuardedDatabase::Scope::Scope(GuardedDatabase& database,
                              std::span<const policy::AccessPtr> access, MonoTime deadline)
    : database_(database) {
  State& state = *database_.state_;
  state.querying = true;  // SQLite may prepare again when the schema has changed.
  state.access = access;
  state.deadline = deadline;
  state.timed_out = false;
  state.tables.emplace(database_.database_, state.catalog.inner());
}

GuardedDatabase::Scope::~Scope() {
  State& state = *database_.state_;
  state.querying = false;
  state.access = {};
  state.tables.reset();
  state.deadline = MonoTime::max();
}

bool GuardedDatabase::Scope::timed_out() const { return database_.state_->timed_out; }

}  // namespace tw::query
