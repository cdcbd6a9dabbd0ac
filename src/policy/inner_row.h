// One row of a table that policies look into: the kept columns, packed into one block.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "model/value.h"
#include "policy/datum.h"
#include "policy/inner_plan.h"

namespace tw::policy {

inline constexpr uint64_t kAlive = std::numeric_limits<uint64_t>::max();

// A version of a row: it is seen at versions `born` ≤ v < `died`. What follows the header in the
// same block: links (one per index, and one for the list of all rows), cells, texts.
struct InnerRow {
  uint64_t born = 0;
  uint64_t died = kAlive;
  uint32_t block_bytes = 0;

  bool SeenAt(uint64_t version) const { return born <= version && version < died; }
};

struct InnerRowDelete {
  void operator()(InnerRow* row) const;
};
using InnerRowPtr = std::unique_ptr<InnerRow, InnerRowDelete>;

// Where things are in the blocks of one table.
class InnerLayout {
 public:
  struct Link {
    InnerRow* previous = nullptr;
    InnerRow* next = nullptr;
  };

  explicit InnerLayout(const InnerTablePlan& plan);

  // `row` has a value for every column of the relation. Values that do not fit their column's type
  // are kept as such and give an error when they are read.
  InnerRowPtr Make(const Row& row) const;
  // The kept column number `column`. Texts are views into the row.
  Datum Read(const InnerRow& row, size_t column, Scratch& scratch) const;
  // Link number `index`; the last one, number of indexes, is that of the list of all rows.
  Link& LinkOf(InnerRow& row, size_t index) const;

  size_t columns() const { return types_.size(); }
  // Equal stored forms in all columns of the first index.
  bool SameIdentity(const InnerRow& a, const InnerRow& b) const;
  // Equal in every kept column.
  bool SameContent(const InnerRow& a, const InnerRow& b) const;

 private:
  bool SameCell(const InnerRow& a, const InnerRow& b, size_t column) const;

  std::vector<ColumnType> types_;
  std::vector<uint16_t> source_;  // Columns of the relation.
  size_t identity_columns_;
  size_t links_;
  size_t cells_offset_;
  size_t states_offset_;
  size_t texts_offset_;
};

// The hash of a value compared in type `base`; equal values hash equally. The value is not NULL.
uint64_t HashDatum(Base base, const Datum& value);
uint64_t CombineHash(uint64_t a, uint64_t b);

}  // namespace tw::policy
