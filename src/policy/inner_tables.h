// The tables that policies look into, in memory, as they were at each of the last versions.
//
//   rows at start ──Load──▶ [ rows · hash indexes · what died lately ] ──At(version)──▶ InnerView
//   batches ──────Apply──▶        one version per change offset              └─▶ evaluate, probe
//
// Promises     A view of version v shows each row that was committed at v and no other, for every v
//              from exact_since() to the last batch applied. Whatever cannot be shown exactly is
//              kUnavailable, which denies.
// Thread       One InnerTables per loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "model/change.h"
#include "policy/inner_plan.h"
#include "policy/inner_row.h"

namespace tw::policy {

// Memory that rows may keep after their death, for readers of earlier versions. Beyond it the
// oldest go, and exact_since() rises.
inline constexpr size_t kInnerHistoryBytesMax = 8u << 20;

class InnerView {
 public:
  enum class Outcome : uint8_t { kDone, kStopped, kUnavailable };
  // Returns false to stop.
  using Visit = FunctionRef<bool(const InnerRow&)>;

  virtual ~InnerView() = default;
  // Calls `visit` for each row whose columns of `index` equal `key` (no NULLs) in the index's types.
  virtual Outcome Find(uint32_t table, uint32_t index, std::span<const Datum> key,
                       Visit visit) const = 0;
  virtual Outcome Scan(uint32_t table, Visit visit) const = 0;
  virtual const InnerLayout& layout(uint32_t table) const = 0;
  // InnerPlan::id: programs of another catalogue number their tables otherwise.
  virtual uint64_t plan_id() const = 0;
};

// Distinct hashes → chain of rows, linked through the rows.
class InnerIndex {
 public:
  InnerIndex(const InnerLayout& layout, size_t number) : layout_(&layout), number_(number) {}

  InnerRow* Find(uint64_t hash) const;
  void Add(uint64_t hash, InnerRow& row);
  void Remove(uint64_t hash, InnerRow& row);
  InnerRow* Next(InnerRow& row) const { return layout_->LinkOf(row, number_).next; }

 private:
  struct Slot {
    uint64_t hash = 0;  // 0: never used.
    InnerRow* head = nullptr;
  };
  Slot* SlotOf(uint64_t hash);
  void Grow();

  const InnerLayout* layout_;
  size_t number_;
  std::vector<Slot> slots_;
  size_t used_ = 0;  // Slots that have been used, emptied ones included.
};

class InnerTables {
 public:
  explicit InnerTables(std::shared_ptr<const InnerPlan> plan);
  ~InnerTables();
  InnerTables(const InnerTables&) = delete;
  InnerTables& operator=(const InnerTables&) = delete;

  // Before the first Apply: a row that is there at the version given to Loaded.
  void Load(uint32_t table, const Row& row);
  void Loaded(uint64_t version) { exact_since_ = version; }
  // After Loaded, newest change first: what was committed up to it is taken back, so that earlier
  // versions are exact as well, down to the one given to RewoundTo.
  void Rewind(const Change& change);
  void RewoundTo(uint64_t version);

  // What a change did to a table; rows equal in all kept columns are no change.
  struct Delta {
    uint32_t table = 0;
    const InnerRow* before = nullptr;
    const InnerRow* after = nullptr;
  };
  // Applies the batch's changes to these tables, each at its own offset as version. The deltas are
  // valid until the next call.
  std::span<const Delta> Apply(const Batch& batch);
  // All rows of the table are gone from `version` on (TRUNCATE).
  void Clear(uint32_t table, uint64_t version);

  class View final : public InnerView {
   public:
    View(const InnerTables& tables, uint64_t version) : tables_(tables), version_(version) {}
    Outcome Find(uint32_t table, uint32_t index, std::span<const Datum> key,
                 Visit visit) const override;
    Outcome Scan(uint32_t table, Visit visit) const override;
    const InnerLayout& layout(uint32_t table) const override;
    uint64_t plan_id() const override { return tables_.plan_->id(); }

   private:
    const InnerTables& tables_;
    const uint64_t version_;
  };
  View At(uint64_t version) const { return View(*this, version); }

  // Views of this version and later ones are exact.
  uint64_t exact_since() const { return exact_since_; }
  const InnerPlan& plan() const { return *plan_; }
  size_t bytes() const { return bytes_; }
  size_t rows() const { return rows_; }

 private:
  struct Table {
    Table(const InnerTablePlan& table_plan);
    const InnerTablePlan& plan;
    InnerLayout layout;
    std::vector<InnerIndex> indexes;
    InnerRow* first = nullptr;  // Of all rows, dead ones included.
    bool broken = false;        // Its shape changed: nothing can be said.
  };

  InnerRow& Add(Table& table, InnerRowPtr row, uint64_t born);
  InnerRow* FindAlive(Table& table, const InnerRow& like) const;
  void Kill(uint32_t number, InnerRow& row, uint64_t died);
  void Free(Table& table, InnerRow& row);
  void ForgetOld();
  // The hash for an index; nullopt when a column is NULL or does not fit.
  static std::optional<uint64_t> HashOf(const Table& table, const InnerRow& row, size_t index);
  void ApplyChange(uint32_t number, const Change& change);

  std::shared_ptr<const InnerPlan> plan_;
  std::vector<Table> tables_;
  struct Dead {
    uint32_t table;
    InnerRow* row;
  };
  std::deque<Dead> dead_;  // In the order of death.
  size_t dead_bytes_ = 0;
  std::vector<Delta> deltas_;
  uint64_t exact_since_ = 0;
  bool rewind_blocked_ = false;
  size_t bytes_ = 0;
  size_t rows_ = 0;
};

}  // namespace tw::policy
