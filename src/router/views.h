// The tables that policies look into, before and after a batch.
#pragma once

#include <optional>

#include "model/change.h"
#include "policy/database_tier.h"
#include "policy/inner_tables.h"

namespace tw::router {

// Null where no policy looks into tables.
struct Views {
  const policy::InnerView* before = nullptr;
  const policy::InnerView* after = nullptr;
  // Of rows whose policies only the database decides; null: they are hidden.
  const policy::RowVerdicts* verdicts = nullptr;
};

// Those of a batch that `tables` have taken in.
class BatchViews {
 public:
  BatchViews(const policy::InnerTables* tables, const Batch& batch) {
    if (tables == nullptr) return;
    // Of net changes the first may lie far behind the batch's begin.
    before_.emplace(tables->At(batch.net ? batch.after : batch.changes.front().offset - 1));
    after_.emplace(tables->At(batch.position.offset));
  }
  BatchViews(const BatchViews&) = delete;
  BatchViews& operator=(const BatchViews&) = delete;

  // Valid while this lives.
  Views views() const {
    return before_ ? Views{&*before_, &*after_} : Views{};
  }

 private:
  std::optional<policy::InnerTables::View> before_;
  std::optional<policy::InnerTables::View> after_;
};

}  // namespace tw::router
