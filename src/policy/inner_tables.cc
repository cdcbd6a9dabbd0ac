#include "policy/inner_tables.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tw::policy {
namespace {

constexpr size_t kSlotsMin = 16;

uint64_t Usable(uint64_t hash) { return hash == 0 ? 1 : hash; }

}  // namespace

InnerRow* InnerIndex::Find(uint64_t hash) const {
  if (slots_.empty()) return nullptr;
  hash = Usable(hash);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash) return slots_[at].head;
    if (slots_[at].hash == 0) return nullptr;
  }
}

InnerIndex::Slot* InnerIndex::SlotOf(uint64_t hash) {
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash || slots_[at].hash == 0) return &slots_[at];
  }
}

// Emptied slots are left behind here, so that they never fill the table.
void InnerIndex::Grow() {
  size_t alive = 0;
  for (const Slot& slot : slots_) alive += slot.head != nullptr;
  size_t size = kSlotsMin;
  while (size < alive * 4) size *= 2;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(size));
  used_ = alive;
  for (const Slot& slot : old) {
    if (slot.head != nullptr) *SlotOf(slot.hash) = slot;
  }
}

void InnerIndex::Add(uint64_t hash, InnerRow& row) {
  if ((used_ + 1) * 4 > slots_.size() * 3) Grow();
  hash = Usable(hash);
  Slot& slot = *SlotOf(hash);
  if (slot.hash == 0) ++used_;
  slot.hash = hash;
  auto& link = layout_->LinkOf(row, number_);
  link = {nullptr, slot.head};
  if (slot.head != nullptr) layout_->LinkOf(*slot.head, number_).previous = &row;
  slot.head = &row;
}

void InnerIndex::Remove(uint64_t hash, InnerRow& row) {
  auto& link = layout_->LinkOf(row, number_);
  if (link.next != nullptr) layout_->LinkOf(*link.next, number_).previous = link.previous;
  if (link.previous != nullptr) {
    layout_->LinkOf(*link.previous, number_).next = link.next;
  } else {
    SlotOf(Usable(hash))->head = link.next;
  }
}

InnerTables::Table::Table(const InnerTablePlan& table_plan) : plan(table_plan), layout(table_plan) {
  for (size_t i = 0; i < plan.indexes.size(); ++i) indexes.emplace_back(layout, i);
}

InnerTables::InnerTables(std::shared_ptr<const InnerPlan> plan) : plan_(std::move(plan)) {
  tables_.reserve(plan_->tables().size());  // The indexes point to their table's layout.
  for (const InnerTablePlan& table : plan_->tables()) tables_.emplace_back(table);
}

InnerTables::~InnerTables() {
  for (Table& table : tables_) {
    while (table.first != nullptr) Free(table, *table.first);
  }
}

std::optional<uint64_t> InnerTables::HashOf(const Table& table, const InnerRow& row,
                                            size_t index) {
  const InnerIndexPlan& plan = table.plan.indexes[index];
  uint64_t hash = 0;
  Scratch scratch;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    const Datum value = table.layout.Read(row, plan.columns[i], scratch);
    const bool usable = !value.is_null() && !value.is_error();
    // The first index tells rows apart by what is stored, whatever it is.
    if (!usable && index != 0) return std::nullopt;
    const ColumnType type = table.plan.relation->columns[table.plan.columns[plan.columns[i]]].type;
    const Base base = plan.bases[i] == Base::kUnknown ? BaseOf(type) : plan.bases[i];
    hash = CombineHash(hash, usable ? HashDatum(base, value) : 0);
  }
  return hash;
}

InnerRow& InnerTables::Add(Table& table, InnerRowPtr made, uint64_t born) {
  InnerRow& row = *made.release();
  row.born = born;
  for (size_t i = 0; i < table.indexes.size(); ++i) {
    if (const auto hash = HashOf(table, row, i)) table.indexes[i].Add(*hash, row);
  }
  auto& link = table.layout.LinkOf(row, table.indexes.size());
  link = {nullptr, table.first};
  if (table.first != nullptr) {
    table.layout.LinkOf(*table.first, table.indexes.size()).previous = &row;
  }
  table.first = &row;
  bytes_ += row.block_bytes;
  ++rows_;
  return row;
}

void InnerTables::Free(Table& table, InnerRow& row) {
  for (size_t i = 0; i < table.indexes.size(); ++i) {
    if (const auto hash = HashOf(table, row, i)) table.indexes[i].Remove(*hash, row);
  }
  const auto& link = table.layout.LinkOf(row, table.indexes.size());
  if (link.next != nullptr) {
    table.layout.LinkOf(*link.next, table.indexes.size()).previous = link.previous;
  }
  if (link.previous != nullptr) {
    table.layout.LinkOf(*link.previous, table.indexes.size()).next = link.next;
  } else {
    table.first = link.next;
  }
  bytes_ -= row.block_bytes;
  --rows_;
  InnerRowPtr(&row).reset();
}

void InnerTables::Load(uint32_t table, const Row& row) {
  Add(tables_[table], tables_[table].layout.Make(row), 0);
}

InnerRow* InnerTables::FindAlive(Table& table, const InnerRow& like) const {
  const auto hash = HashOf(table, like, 0);
  InnerRow* row = table.indexes[0].Find(*hash);
  while (row != nullptr && (row->died != kAlive || !table.layout.SameIdentity(*row, like))) {
    row = table.indexes[0].Next(*row);
  }
  return row;
}

void InnerTables::Kill(uint32_t number, InnerRow& row, uint64_t died) {
  row.died = died;
  dead_.push_back({number, &row});
  dead_bytes_ += row.block_bytes;
}

void InnerTables::ForgetOld() {
  while (dead_bytes_ > kInnerHistoryBytesMax) {
    const Dead oldest = dead_.front();
    dead_.pop_front();
    dead_bytes_ -= oldest.row->block_bytes;
    exact_since_ = std::max(exact_since_, oldest.row->died);
    Free(tables_[oldest.table], *oldest.row);
  }
}

void InnerTables::ApplyChange(uint32_t number, const Change& change) {
  Table& table = tables_[number];
  if (change.relation->id != table.plan.relation->id) {
    table.broken = true;
    return;
  }
  InnerRow* before = nullptr;
  InnerRowPtr made;
  if (!change.old_row.empty()) before = FindAlive(table, *table.layout.Make(change.old_row));
  if (!change.new_row.empty()) made = table.layout.Make(change.new_row);
  // An update without its old image kept the key.
  if (before == nullptr && made != nullptr) before = FindAlive(table, *made);
  if (before != nullptr && made != nullptr && table.layout.SameContent(*before, *made)) return;
  Delta delta{.table = number, .before = before};
  if (before != nullptr) Kill(number, *before, change.offset);
  if (made != nullptr) delta.after = &Add(table, std::move(made), change.offset);
  deltas_.push_back(delta);
}

std::span<const InnerTables::Delta> InnerTables::Apply(const Batch& batch) {
  ForgetOld();  // Before: the deltas must stay valid afterwards.
  deltas_.clear();
  for (const Change& change : batch.changes) {
    for (uint32_t i = 0; i < tables_.size(); ++i) {
      const Relation& relation = *tables_[i].plan.relation;
      if (relation.table == change.relation->table && relation.schema == change.relation->schema) {
        ApplyChange(i, change);
      }
    }
  }
  return deltas_;
}

void InnerTables::Clear(uint32_t number, uint64_t version) {
  Table& table = tables_[number];
  for (InnerRow* row = table.first; row != nullptr;
       row = table.layout.LinkOf(*row, table.indexes.size()).next) {
    if (row->died == kAlive) Kill(number, *row, version);
  }
}

void InnerTables::Rewind(const Change& change) {
  if (rewind_blocked_) return;
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    Table& table = tables_[i];
    const Relation& relation = *table.plan.relation;
    if (relation.table != change.relation->table || relation.schema != change.relation->schema) {
      continue;
    }
    if (change.relation->id != relation.id) {
      // Rows of another shape: no further back.
      rewind_blocked_ = true;
      exact_since_ = change.offset;
      return;
    }
    if (!change.new_row.empty()) {
      // The version that this change made is the youngest not yet taken back.
      const InnerRowPtr like = table.layout.Make(change.new_row);
      InnerRow* row = table.indexes[0].Find(*HashOf(table, *like, 0));
      while (row != nullptr && (row->born != 0 || !table.layout.SameContent(*row, *like))) {
        row = table.indexes[0].Next(*row);
      }
      if (row != nullptr) row->born = change.offset;
    }
    if (change.old_row.empty()) continue;
    InnerRow& dead = Add(table, table.layout.Make(change.old_row), 0);
    dead.died = change.offset;
    dead_.push_front({i, &dead});
    dead_bytes_ += dead.block_bytes;
  }
}

void InnerTables::RewoundTo(uint64_t version) {
  if (!rewind_blocked_) exact_since_ = std::min(exact_since_, version);
}

const InnerLayout& InnerTables::View::layout(uint32_t table) const {
  return tables_.tables_[table].layout;
}

InnerView::Outcome InnerTables::View::Find(uint32_t number, uint32_t index,
                                           std::span<const Datum> key, Visit visit) const {
  const Table& table = tables_.tables_[number];
  if (table.broken || version_ < tables_.exact_since_) return Outcome::kUnavailable;
  const InnerIndexPlan& plan = table.plan.indexes[index];
  uint64_t hash = 0;
  for (size_t i = 0; i < key.size(); ++i) {
    hash = CombineHash(hash, HashDatum(plan.bases[i], key[i]));
  }
  Scratch scratch;
  for (InnerRow* row = table.indexes[index].Find(hash); row != nullptr;
       row = table.indexes[index].Next(*row)) {
    if (!row->SeenAt(version_)) continue;
    bool equal = true;
    for (size_t i = 0; i < key.size() && equal; ++i) {
      equal = Compare(plan.bases[i], table.layout.Read(*row, plan.columns[i], scratch), key[i]) == 0;
    }
    if (equal && !visit(*row)) return Outcome::kStopped;
  }
  return Outcome::kDone;
}

InnerView::Outcome InnerTables::View::Scan(uint32_t number, Visit visit) const {
  const Table& table = tables_.tables_[number];
  if (table.broken || version_ < tables_.exact_since_) return Outcome::kUnavailable;
  for (InnerRow* row = table.first; row != nullptr;
       row = table.layout.LinkOf(*row, table.indexes.size()).next) {
    if (row->SeenAt(version_) && !visit(*row)) return Outcome::kStopped;
  }
  return Outcome::kDone;
}

}  // namespace tw::policy
