// From a change to the results that it concerns, by look-ups and never by scanning.
//
// Each table reference of each result is filed under its narrowest equality, else under a range,
// else under its table. A look-up finds those that could match, and then tests all predicates.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "model/change.h"
#include "query/live/range_index.h"
#include "query/named/read_set.h"

namespace tw::query {

class DependencyIndex {
 public:
  using EntryId = uint64_t;

  // `reads` outlives the entry; `bound` has its parameters.
  void Add(EntryId entry, const ReadSet& reads, const std::vector<Value>& bound);
  void Remove(EntryId entry);

  // Appends each entry that the change concerns, once.
  void FindAffected(const Change& change, std::vector<EntryId>& affected);

  // Why a change concerns an entry: "client_leads.workspace_name = \"Northwind\"", "client_leads:
  // every row"; empty when it does not.
  std::string Explain(const Change& change, EntryId entry) const;

  size_t entries() const { return entries_.size(); }

 private:
  struct Reference {
    EntryId entry = 0;
    const TableRead* read = nullptr;
    BoundConjunction conjunction;
    size_t anchor = SIZE_MAX;  // Index into `conjunction`; none: in `any`.
    bool used = false;
  };
  using ValueMap = std::unordered_map<Value, std::vector<uint32_t>, ValueHash>;
  struct TableIndex {
    std::unordered_map<uint16_t, ValueMap> equal;
    std::unordered_map<uint16_t, RangeIndex> ranges;
    std::vector<uint32_t> any;
  };

  void File(uint32_t id, bool add);
  bool Matches(const Reference& reference, const Row& row) const;
  void Offer(uint32_t id, const Row& row, std::vector<EntryId>& affected);
  void Look(const TableIndex& table, const Row& row, std::vector<EntryId>& affected);
  bool ColumnsMatter(const TableRead& read) const;

  StringMap<TableIndex> tables_;
  std::vector<Reference> references_;
  std::vector<uint32_t> free_;
  struct Entry {
    std::vector<uint32_t> references;
    uint64_t round = 0;
  };
  std::unordered_map<EntryId, Entry> entries_;
  uint64_t round_ = 0;
  // Of the change being looked at: columns whose values differ; empty: all count.
  std::vector<uint16_t> changed_;
  bool all_changed_ = true;
};

}  // namespace tw::query
