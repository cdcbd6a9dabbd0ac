#include "query/stored_tables.h"

#include "policy/program.h"
#include "store/store.h"

namespace tw::query {
namespace {

using sqlite::QuoteIdentifier;

constexpr uint32_t kWholeTable = UINT32_MAX;
// Rows kept for look-ups that come again.
constexpr size_t kRowsKeptMax = 50'000;

}  // namespace

struct StoredTables::Table {
  explicit Table(const policy::InnerTablePlan& table_plan) : plan(table_plan), layout(table_plan) {}
  const policy::InnerTablePlan& plan;
  policy::InnerLayout layout;
};

StoredTables::StoredTables(sqlite::Database& database,
                           std::shared_ptr<const policy::InnerPlan> plan)
    : database_(database), plan_(std::move(plan)) {
  if (plan_ == nullptr) return;
  for (const auto& table : plan_->tables()) tables_.push_back(std::make_unique<Table>(table));
}

StoredTables::~StoredTables() = default;

void StoredTables::BeginRow() {
  if (rows_ <= kRowsKeptMax) return;
  kept_.clear();
  rows_ = 0;
}

const policy::InnerLayout& StoredTables::layout(uint32_t table) const {
  return tables_[table]->layout;
}

Result<const StoredTables::Rows*> StoredTables::Read(uint32_t number, uint32_t index,
                                                     std::span<const policy::Datum> key) const {
  std::string name = std::to_string(number) + "." + std::to_string(index);
  for (const policy::Datum& part : key) policy::AppendIdentity(name, part);
  if (const auto found = kept_.find(name); found != kept_.end()) return &found->second;
  const Table& table = *tables_[number];
  const Relation& relation = *table.plan.relation;
  std::string sql = "select ";
  for (size_t i = 0; i < table.plan.columns.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(relation.columns[table.plan.columns[i]].name);
  }
  sql += " from main." + QuoteIdentifier(relation.table);  // Not what shadows it.
  // Where a value has few stored forms SQLite's own indexes can find them.
  std::vector<Value> bound;
  std::string where;
  for (size_t i = 0; i < key.size(); ++i) {
    const size_t column = table.plan.columns[table.plan.indexes[index].columns[i]];
    const auto forms = policy::AnchorsFor(column, relation.columns[column].type, key[i]);
    if (!forms) continue;
    std::string any;
    for (const policy::Anchor& form : *forms) {
      any += (any.empty() ? "" : " or ") + QuoteIdentifier(relation.columns[column].name) + " is ?";
      bound.push_back(form.value);
    }
    where += (where.empty() ? " where (" : " and (") + any + ")";
  }
  TW_ASSIGN_OR_RETURN(auto select, database_.Prepare(sql + where));
  for (size_t i = 0; i < bound.size(); ++i) {
    store::BindValue(select, static_cast<int>(i + 1), bound[i]);
  }
  Rows rows;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    Row row(relation.columns.size());
    for (size_t i = 0; i < table.plan.columns.size(); ++i) {
      const size_t column = table.plan.columns[i];
      row[column] = store::ColumnValue(select, static_cast<int>(i), relation.columns[column].type);
    }
    rows.push_back(table.layout.Make(row));
  }
  rows_ += rows.size() + 1;
  return &kept_.emplace(std::move(name), std::move(rows)).first->second;
}

policy::InnerView::Outcome StoredTables::Visited(const Result<const Rows*>& rows,
                                                 Visit visit) const {
  if (!rows.ok()) {
    if (status_.ok()) status_ = std::unexpected(rows.error());
    return Outcome::kUnavailable;
  }
  for (const policy::InnerRowPtr& row : **rows) {
    if (!visit(*row)) return Outcome::kStopped;
  }
  return Outcome::kDone;
}

policy::InnerView::Outcome StoredTables::Find(uint32_t number, uint32_t index,
                                              std::span<const policy::Datum> key,
                                              Visit visit) const {
  const Table& table = *tables_[number];
  const policy::InnerIndexPlan& plan = table.plan.indexes[index];
  policy::Scratch scratch;
  return Visited(Read(number, index, key), [&](const policy::InnerRow& row) {
    for (size_t i = 0; i < key.size(); ++i) {
      const policy::Datum value = table.layout.Read(row, plan.columns[i], scratch);
      if (value.is_null() || value.is_error() ||
          policy::Compare(plan.bases[i], value, key[i]) != 0) {
        return true;
      }
    }
    return visit(row);
  });
}

policy::InnerView::Outcome StoredTables::Scan(uint32_t table, Visit visit) const {
  return Visited(Read(table, kWholeTable, {}), visit);
}

}  // namespace tw::query
