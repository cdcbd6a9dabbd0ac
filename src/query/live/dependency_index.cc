#include "query/live/dependency_index.h"

#include <algorithm>

#include "base/check.h"

namespace tw::query {
namespace {

// The predicate that selects least: an equality with the fewest values, else a range.
size_t ChooseAnchor(const BoundConjunction& conjunction) {
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < conjunction.size(); ++i) {
    const BoundPredicate& one = conjunction[i];
    if (best == SIZE_MAX) {
      best = i;
    } else if (!one.is_range && (conjunction[best].is_range ||
                                 one.values.size() < conjunction[best].values.size())) {
      best = i;
    }
  }
  return best;
}

std::string DescribePredicate(const Relation& relation, const BoundPredicate& predicate) {
  const Column& column = relation.columns[predicate.column];
  std::string out = relation.table + "." + column.name;
  const auto append = [&](const Value& value) { AppendJson(out, value, ColumnType::kText); };
  if (!predicate.is_range) {
    out += predicate.values.size() == 1 ? " = " : " in (";
    for (size_t i = 0; i < predicate.values.size(); ++i) {
      if (i > 0) out += ", ";
      append(predicate.values[i]);
    }
    return predicate.values.size() == 1 ? out : out + ")";
  }
  if (predicate.low) {
    out += predicate.low_inclusive ? " >= " : " > ";
    append(*predicate.low);
  }
  if (predicate.high) {
    if (predicate.low) out += " and";
    out += predicate.high_inclusive ? " <= " : " < ";
    append(*predicate.high);
  }
  return out;
}

std::vector<uint16_t> ChangedColumns(const Change& change) {
  std::vector<uint16_t> changed;
  for (size_t i = 0; i < change.new_row.size(); ++i) {
    if (change.old_row[i] != change.new_row[i]) changed.push_back(static_cast<uint16_t>(i));
  }
  return changed;
}

bool Meets(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b) {
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() && right != b.end()) {
    if (*left == *right) return true;
    if (*left < *right) {
      ++left;
    } else {
      ++right;
    }
  }
  return false;
}

}  // namespace

void DependencyIndex::File(uint32_t id, bool add) {
  const Reference& reference = references_[id];
  TableIndex& table = tables_[reference.read->relation->table];
  const auto change = [&](std::vector<uint32_t>& ids) {
    if (add) {
      ids.push_back(id);
    } else {
      std::erase(ids, id);
    }
  };
  if (reference.anchor == SIZE_MAX) return change(table.any);
  const BoundPredicate& anchor = reference.conjunction[reference.anchor];
  if (anchor.is_range) {
    RangeIndex& ranges = table.ranges[anchor.column];
    const RangeIndex::Range range{anchor.low, anchor.high, id};
    add ? ranges.Add(range) : ranges.Remove(range);
    if (ranges.empty()) table.ranges.erase(anchor.column);
    return;
  }
  ValueMap& values = table.equal[anchor.column];
  for (const Value& value : anchor.values) {
    auto& ids = values[value];
    change(ids);
    if (ids.empty()) values.erase(value);
  }
  if (values.empty()) table.equal.erase(anchor.column);
}

void DependencyIndex::Add(EntryId entry, const ReadSet& reads, const std::vector<Value>& bound) {
  Entry& added = entries_[entry];
  TW_CHECK(added.references.empty());
  for (const TableRead& read : reads.tables) {
    for (BoundConjunction& conjunction : Bind(read, bound)) {
      uint32_t id = static_cast<uint32_t>(references_.size());
      if (free_.empty()) {
        references_.emplace_back();
      } else {
        id = free_.back();
        free_.pop_back();
      }
      const size_t anchor = ChooseAnchor(conjunction);
      references_[id] = {entry, &read, std::move(conjunction), anchor, true};
      added.references.push_back(id);
      File(id, true);
    }
  }
}

void DependencyIndex::Remove(EntryId entry) {
  const auto found = entries_.find(entry);
  if (found == entries_.end()) return;
  for (const uint32_t id : found->second.references) {
    File(id, false);
    references_[id] = {};
    free_.push_back(id);
  }
  entries_.erase(found);
}

bool DependencyIndex::ColumnsMatter(const TableRead& read) const {
  return all_changed_ || read.every_column || Meets(read.columns, changed_);
}

bool DependencyIndex::Matches(const Reference& reference, const Row& row) const {
  return std::ranges::all_of(reference.conjunction, [&](const BoundPredicate& predicate) {
    return predicate.column >= row.size() ||
           predicate.Admits(Comparable(row[predicate.column]));
  });
}

void DependencyIndex::Offer(uint32_t id, const Row& row, std::vector<EntryId>& affected) {
  const Reference& reference = references_[id];
  Entry& entry = entries_.find(reference.entry)->second;
  if (entry.round == round_ || !ColumnsMatter(*reference.read) || !Matches(reference, row)) return;
  entry.round = round_;
  affected.push_back(reference.entry);
}

void DependencyIndex::Look(const TableIndex& table, const Row& row,
                           std::vector<EntryId>& affected) {
  if (row.empty()) return;
  for (const auto& [column, values] : table.equal) {
    if (column >= row.size() || row[column].is_null()) continue;
    const auto found = values.find(Comparable(row[column]));
    if (found == values.end()) continue;
    for (const uint32_t id : found->second) Offer(id, row, affected);
  }
  for (const auto& [column, ranges] : table.ranges) {
    if (column >= row.size() || row[column].is_null()) continue;
    ranges.Find(Comparable(row[column]), [&](uint32_t id) { Offer(id, row, affected); });
  }
  for (const uint32_t id : table.any) Offer(id, row, affected);
}

void DependencyIndex::FindAffected(const Change& change, std::vector<EntryId>& affected) {
  const auto found = tables_.find(change.relation->table);
  if (found == tables_.end()) return;
  ++round_;
  all_changed_ = change.op != ChangeOp::kUpdate || change.old_row.size() != change.new_row.size();
  changed_ = all_changed_ ? std::vector<uint16_t>() : ChangedColumns(change);
  Look(found->second, change.old_row, affected);
  Look(found->second, change.new_row, affected);
}

std::string DependencyIndex::Explain(const Change& change, EntryId entry) const {
  const auto found = entries_.find(entry);
  if (found == entries_.end()) return {};
  for (const uint32_t id : found->second.references) {
    const Reference& reference = references_[id];
    if (reference.read->relation->table != change.relation->table) continue;
    const bool old_matches = !change.old_row.empty() && Matches(reference, change.old_row);
    const bool new_matches = !change.new_row.empty() && Matches(reference, change.new_row);
    if (!old_matches && !new_matches) continue;
    if (change.op == ChangeOp::kUpdate && !reference.read->every_column &&
        !Meets(reference.read->columns, ChangedColumns(change))) {
      continue;
    }
    std::string text;
    for (const BoundPredicate& predicate : reference.conjunction) {
      text += (text.empty() ? "" : " and ") +
              DescribePredicate(*reference.read->relation, predicate);
    }
    return text.empty() ? change.relation->table + ": every row" : text;
  }
  return {};
}

}  // namespace tw::query
