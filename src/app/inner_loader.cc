#include "app/inner_loader.h"

#include <algorithm>
#include <iterator>

#include "sqlite/sqlite.h"

namespace tw::app {
namespace {

using sqlite::QuoteIdentifier;

Status ReadRows(sqlite::Database& database, const policy::InnerTablePlan& table, uint32_t number,
                InnerSnapshot& snapshot) {
  const Relation& relation = *table.relation;
  std::string sql = "select ";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(relation.columns[table.columns[i]].name);
  }
  TW_ASSIGN_OR_RETURN(auto select,
                      database.Prepare(sql + " from " + QuoteIdentifier(relation.table)));
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return {};
    Row row(relation.columns.size());
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const size_t column = table.columns[i];
      row[column] =
          store::ColumnValue(select, static_cast<int>(i), relation.columns[column].type);
    }
    snapshot.rows.emplace_back(number, std::move(row));
  }
}

bool IsKept(const policy::InnerPlan& plan, const Relation& relation) {
  return std::ranges::any_of(plan.tables(), [&](const policy::InnerTablePlan& table) {
    return table.relation->table == relation.table;
  });
}

// The kept tables' changes up to the snapshot's position, as far back as the log goes.
Status ReadChanges(sqlite::Database& database, uint64_t epoch, InnerSnapshot& snapshot) {
  TW_ASSIGN_OR_RETURN(const int64_t first,
                      database.QueryInt("select coalesce(min(offset), 0) from tidewire_log"));
  if (first == 0) {
    snapshot.rewound_to = snapshot.position;
    return {};
  }
  const uint64_t limit =
      snapshot.position > kRewindChangesMax ? snapshot.position - kRewindChangesMax : 0;
  uint64_t after = std::max(limit, static_cast<uint64_t>(first) - 1);
  snapshot.rewound_to = after;
  TW_ASSIGN_OR_RETURN(auto reader, capture::LogReader::Create(database, epoch));
  while (after < snapshot.position) {
    TW_ASSIGN_OR_RETURN(const BatchPtr batch, reader.Read(after, snapshot.position - after));
    if (batch == nullptr) break;
    std::ranges::copy_if(batch->changes, std::back_inserter(snapshot.changes),
                         [&](const Change& c) { return IsKept(*snapshot.plan, *c.relation); });
    after = batch->position.offset;
  }
  std::ranges::reverse(snapshot.changes);
  return {};
}

}  // namespace

Result<InnerSnapshot> ReadInnerTables(std::shared_ptr<const policy::InnerPlan> plan,
                                      store::Store& store, capture::Capture& capture) {
  InnerSnapshot snapshot;
  snapshot.plan = std::move(plan);
  sqlite::Database& database = store.database();
  constexpr int kAttemptsMax = 100;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    for (;;) {
      TW_ASSIGN_OR_RETURN(const BatchPtr batch, capture.Poll());
      if (batch == nullptr) break;
    }
    snapshot.position = capture.head().offset;
    if (snapshot.plan->empty()) return snapshot;
    TW_RETURN_IF_ERROR(database.Execute("begin"));
    bool current = false;
    const auto read = [&]() -> Status {
      TW_ASSIGN_OR_RETURN(const int64_t last,
                          database.QueryInt("select coalesce(max(offset), 0) from tidewire_log"));
      // Beyond the head another program has just committed; an emptied log has no end at all.
      current = static_cast<uint64_t>(last) <= snapshot.position;
      if (!current) return {};
      for (uint32_t i = 0; i < snapshot.plan->tables().size(); ++i) {
        TW_RETURN_IF_ERROR(ReadRows(database, snapshot.plan->tables()[i], i, snapshot));
      }
      return ReadChanges(database, store.epoch(), snapshot);
    };
    const Status done = read();
    TW_RETURN_IF_ERROR(database.Execute("rollback"));
    TW_RETURN_IF_ERROR(done);
    if (current) return snapshot;
  }
  return Fail(ErrorCode::kUnavailable,
              "the tables that policies look into change too fast to be read at the start");
}

std::unique_ptr<policy::InnerTables> MakeInnerTables(const InnerSnapshot& snapshot) {
  auto tables = std::make_unique<policy::InnerTables>(snapshot.plan);
  for (const auto& [table, row] : snapshot.rows) tables->Load(table, row);
  tables->Loaded(snapshot.position);
  for (const Change& change : snapshot.changes) tables->Rewind(change);
  tables->RewoundTo(snapshot.rewound_to);
  return tables;
}

}  // namespace tw::app
