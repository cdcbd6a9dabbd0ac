// PostgresEffects: what a batch will read, in one statement per kind.
#include "ingest/apply/postgres_effects.h"
#include "ingest/apply/row_writer.h"

namespace tw::ingest {

using postgres::ArrayLiteral;
using postgres::QuoteIdentifier;

namespace {

int64_t Micros(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

Status PostgresEffects::Prefetch(const Wanted& wanted) {
  TW_RETURN_IF_ERROR(PrefetchAliases(wanted.aliases));
  TW_RETURN_IF_ERROR(PrefetchMatches(wanted.matches));
  TW_RETURN_IF_ERROR(PrefetchStates(wanted.rows));
  TW_ASSIGN_OR_RETURN(const bool triggers, TablesHaveTriggers());
  // A trigger of one table may change a row of another behind our back.
  if (triggers) return {};
  std::map<std::pair<uint16_t, uint16_t>, std::vector<const Wanted::StoredRow*>> by_table;
  for (const Wanted::StoredRow& row : wanted.rows) {
    by_table[{row.table.source, row.table.table}].push_back(&row);
  }
  for (const auto& [table, rows] : by_table) {
    TW_RETURN_IF_ERROR(PrefetchRows({table.first, table.second}, rows));
  }
  return {};
}

Status PostgresEffects::PrefetchAliases(std::span<const Wanted::Alias> wanted) {
  if (wanted.empty()) return {};
  ArrayLiteral columns[5];
  for (const Wanted::Alias& alias : wanted) {
    aliases_.emplace(AliasKey(alias.source, alias.tenant, alias.kind, alias.alias), 0);
    columns[0].Add(sources_[alias.source]->name);
    columns[1].Add(alias.tenant);
    columns[2].Add(alias.kind);
    columns[3].Add(alias.alias.name_space);
    columns[4].AddBytes(alias.alias.value);
  }
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select " + std::string(kFactColumns) +
                         ", w.n from unnest($1::text[], $2::text[], $3::text[], $4::text[], "
                         "$5::bytea[]) with ordinality w(source, tenant, kind, namespace, value, n) "
                         "join tidewire.fact_alias a using (source, tenant, kind, namespace, value) "
                         "join tidewire.fact f on f.id = a.fact_id",
                     parameters.views()));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Wanted::Alias& alias = wanted[static_cast<size_t>(rows.Int(i, kFactColumnCount)) - 1];
    aliases_[AliasKey(alias.source, alias.tenant, alias.kind, alias.alias)] =
        Keep(ReadFact(rows, i)).fact.id;
  }
  return {};
}

Status PostgresEffects::PrefetchMatches(std::span<const Wanted::Match> wanted) {
  if (wanted.empty()) return {};
  for (const Wanted::Match& match : wanted) {
    const auto [entry, added] =
        matches_.try_emplace(match.hash, Matches{match.from, match.to, {}});
    entry->second.from = std::min(entry->second.from, match.from);
    entry->second.to = std::max(entry->second.to, match.to);
  }
  ArrayLiteral columns[3];
  for (const auto& [hash, match] : matches_) {
    columns[0].AddBytes(hash);
    columns[1].Add(Micros(match.from));
    columns[2].Add(Micros(match.to));
  }
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select " + std::string(kFactColumns) +
                         " from unnest($1::bytea[], $2::bigint[], $3::bigint[]) w(hash, a, b) "
                         "join tidewire.fact f on f.match_hash = w.hash and "
                         "f.occurred_at between w.a and w.b",
                     parameters.views()));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Fact& fact = Keep(ReadFact(rows, i)).fact;
    matches_.at(fact.match_hash).ids.insert(fact.id);
  }
  return {};
}

Status PostgresEffects::PrefetchStates(std::span<const Wanted::StoredRow> wanted) {
  if (wanted.empty()) return {};
  ArrayLiteral columns[2];
  for (const Wanted::StoredRow& row : wanted) {
    const std::string& table = Plan(row.table).name;
    const std::string key = RowKeyText(row.key);
    if (!states_.try_emplace(StateKey(table, key)).second) continue;
    columns[0].Add(table);
    columns[1].Add(key);
  }
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select " + std::string(kStateColumns) +
                         ", s.table_name, s.row_key from unnest($1::text[], $2::text[]) "
                         "w(table_name, row_key) join tidewire.row_state s "
                         "using (table_name, row_key)",
                     parameters.views()));
  for (size_t i = 0; i < rows.size(); ++i) {
    states_[StateKey(rows.Text(i, kStateColumnCount), rows.Text(i, kStateColumnCount + 1))].state =
        ReadState(rows, i);
  }
  return {};
}

Status PostgresEffects::PrefetchRows(TableRef ref,
                                     std::span<const Wanted::StoredRow* const> wanted) {
  const TablePlan& plan = Plan(ref);
  std::string arrays;
  std::string names;
  std::string joined;
  std::string order;
  Parameters parameters;
  std::vector<std::string> keys;
  std::vector<ArrayLiteral> columns(plan.key.size());
  for (const Wanted::StoredRow* row : wanted) {
    std::string key = StateKey(plan.name, RowKeyText(row->key));
    if (!rows_.try_emplace(key).second) continue;
    keys.push_back(std::move(key));
    for (size_t i = 0; i < columns.size(); ++i) {
      const StoredText text = TextOfValue(row->key[i]);
      columns[i].AddOptional(text ? std::optional<std::string_view>(*text) : std::nullopt);
    }
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    TW_ASSIGN_OR_RETURN(const std::string type, session_.TypeOf(plan.name, plan.key[i].column));
    const std::string number = std::to_string(i + 1);
    const std::string column = "t." + QuoteIdentifier(plan.key[i].column);
    arrays += (i > 0 ? ", $" : "$") + number + "::" + type + "[]";
    names += "k" + number + ", ";
    joined += (i > 0 ? " and " : "") + column + " = w.k" + number;
    order += (i > 0 ? ", " : "") + column;
    parameters.Add(columns[i].Take());
  }
  const ReadColumns read = ColumnsRead(plan, "t.");
  // In the order of the key, so that two who lock the same rows do not wait for each other.
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select " + read.sql + ", w.n, t.tableoid || ' ' || t.ctid from unnest(" + arrays + ") with ordinality w(" +
                         names + "n) join " + QualifiedName(plan.name) + " t on " + joined +
                         " order by " + order + " for no key update of t",
                     parameters.views()));
  StringMap<std::string> found;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string& key = keys[static_cast<size_t>(rows.Int(i, rows.columns() - 2)) - 1];
    // Two names for one row (a type that ignores case): what is written under one would be old under
    // the other, so neither is remembered.
    const auto [other, first] = found.emplace(rows.Text(i, rows.columns() - 1), key);
    if (!first) {
      rows_.erase(key);
      rows_.erase(other->second);
      continue;
    }
    Row& row = rows_[key].emplace();
    for (size_t k = 0; k < read.types.size(); ++k) {
      row.push_back(ValueOfText(rows.OptionalText(i, k), read.types[k]));
    }
  }
  return {};
}

Result<bool> PostgresEffects::TablesHaveTriggers() {
  if (triggers_known_for_ == session_.connections()) return triggers_;
  ArrayLiteral tables;
  for (const auto& source : sources_) {
    for (const TablePlan& table : source->tables) tables.Add(QualifiedName(table.name));
    if (source->counters) {
      tables.Add(QualifiedName(source->counters->table));
      tables.Add(QualifiedName(source->counters->day_table));
    }
    if (source->freshness) tables.Add(QualifiedName(source->freshness->table));
    if (!source->log.table.empty()) tables.Add(QualifiedName(source->log.table));
  }
  Parameters parameters;
  parameters.Add(tables.Take());
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select exists(select from pg_catalog.pg_trigger g join unnest($1::text[]) "
                     "w(name) on g.tgrelid = pg_catalog.to_regclass(w.name) "
                     "where not g.tgisinternal)",
                     parameters.views()));
  triggers_ = rows.Bool(0, 0);
  triggers_known_for_ = session_.connections();
  return triggers_;
}

}  // namespace tw::ingest
