// The tables that policies look into, asked of SQLite within a read transaction: exactly what the
// transaction sees. One thread, one transaction.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/inner_tables.h"
#include "sqlite/sqlite.h"

namespace tw::query {

class StoredTables final : public policy::InnerView {
 public:
  StoredTables(sqlite::Database& database, std::shared_ptr<const policy::InnerPlan> plan);
  ~StoredTables() override;
  StoredTables(const StoredTables&) = delete;
  StoredTables& operator=(const StoredTables&) = delete;

  // Before each row that is judged: what was read for the last ones may be forgotten.
  void BeginRow();
  // The first failure of a look-up, which denied the row that needed it.
  const Status& status() const { return status_; }

  Outcome Find(uint32_t table, uint32_t index, std::span<const policy::Datum> key,
               Visit visit) const override;
  Outcome Scan(uint32_t table, Visit visit) const override;
  const policy::InnerLayout& layout(uint32_t table) const override;
  uint64_t plan_id() const override { return plan_ == nullptr ? 0 : plan_->id(); }

 private:
  using Rows = std::vector<policy::InnerRowPtr>;
  struct Table;
  // The rows whose columns of `index` may equal `key`; all of the table under kWholeTable.
  Result<const Rows*> Read(uint32_t table, uint32_t index,
                           std::span<const policy::Datum> key) const;
  Outcome Visited(const Result<const Rows*>& rows, Visit visit) const;

  sqlite::Database& database_;
  std::shared_ptr<const policy::InnerPlan> plan_;
  mutable std::vector<std::unique_ptr<Table>> tables_;
  mutable std::map<std::string, Rows> kept_;  // By table, index and key.
  mutable size_t rows_ = 0;
  mutable Status status_;
};

}  // namespace tw::query
