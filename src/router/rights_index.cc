#include "router/rights_index.h"

#include <algorithm>

#include "policy/program.h"

namespace tw::router {
namespace {

void AddOnce(std::vector<Audience*>& list, Audience& audience) {
  if (std::ranges::find(list, &audience) == list.end()) list.push_back(&audience);
}

// From the back: those that join last leave first most often, and all at once from behind.
template <typename T>
void TakeOut(std::vector<T*>& list, const T* item) {
  const auto found = std::find(list.rbegin(), list.rend(), item);
  if (found == list.rend()) return;
  *found = list.back();
  list.pop_back();
}

auto FindColumn(auto& filters, size_t column) {
  return std::ranges::find(filters, column, [](const auto& entry) { return entry.first; });
}

}  // namespace

RightsIndex::ProgramIndex& RightsIndex::IndexOf(const policy::Access& access) {
  ProgramIndex& index = programs_[access.program().identity()];
  if (index.program == nullptr) index.program = &access.program();
  return index;
}

void RightsIndex::List(RightsGroup& group) {
  if (group.access->allows_nothing()) return;
  ProgramIndex& index = IndexOf(*group.access);
  index.everyone.push_back(&group);
  // Whoever may see everything is found by no value.
  if (group.access->allows_everything()) {
    index.listed[{kAlways, 0}].push_back(&group);
    return;
  }
  for (const auto& listing : group.access->listings()) index.listed[listing].push_back(&group);
}

void RightsIndex::Unlist(RightsGroup& group) {
  if (group.access->allows_nothing()) return;
  const auto found = programs_.find(group.access->program().identity());
  ProgramIndex& index = found->second;
  TakeOut(index.everyone, &group);
  const auto take = [&](const std::pair<uint32_t, uint64_t>& listing) {
    const auto list = index.listed.find(listing);
    if (list == index.listed.end()) return;
    TakeOut(list->second, &group);
    if (list->second.empty()) index.listed.erase(list);
  };
  if (group.access->allows_everything()) {
    take({kAlways, 0});
  } else {
    for (const auto& listing : group.access->listings()) take(listing);
  }
  if (index.everyone.empty()) {
    programs_.erase(found);
  } else if (index.program == &group.access->program()) {
    index.program = &index.everyone.front()->access->program();
  }
}

policy::AccessPtr RightsIndex::Add(Audience& audience, const TableBinding& binding) {
  auto found = groups_.find(binding.access->key());
  if (found == groups_.end()) {
    auto made = std::make_unique<RightsGroup>();
    made->access = binding.access;
    List(*made);
    found = groups_.emplace(std::string_view(made->access->key()), std::move(made)).first;
  }
  RightsGroup* const group = found->second.get();
  const auto equalities = binding.filter.equalities();
  AddOnce(equalities.empty() ? group->plain : group->filtered, audience);
  for (const policy::Anchor& anchor : equalities) {
    auto column = FindColumn(filters_, anchor.column);
    if (column == filters_.end()) {
      filters_.emplace_back(anchor.column, AnchorMap());
      column = std::prev(filters_.end());
    }
    AddOnce(column->second[anchor.value], audience);
  }
  return group->access;
}

void RightsIndex::Remove(Audience& audience, const TableBinding& binding) {
  for (const policy::Anchor& anchor : binding.filter.equalities()) {
    const auto column = FindColumn(filters_, anchor.column);
    if (column == filters_.end()) continue;
    const auto entry = column->second.find(anchor.value);
    if (entry == column->second.end()) continue;
    TakeOut(entry->second, &audience);
    if (entry->second.empty()) column->second.erase(entry);
  }
  const auto found = groups_.find(binding.access->key());
  if (found == groups_.end()) return;
  RightsGroup& group = *found->second;
  TakeOut(binding.filter.equalities().empty() ? group.plain : group.filtered, &audience);
  if (!group.plain.empty() || !group.filtered.empty()) return;
  Unlist(group);
  const std::unique_ptr<RightsGroup> last = std::move(found->second);  // Owns the key's text.
  groups_.erase(found);
}

void RightsIndex::Take(const std::vector<RightsGroup*>& groups) {
  for (RightsGroup* const group : groups) {
    if (group->round == round_) continue;
    group->round = round_;
    found_.push_back(group);
  }
}

void RightsIndex::Collect(const Row& row, const policy::InnerView* tables) {
  for (auto& [identity, index] : programs_) {
    const policy::Program& program = *index.program;
    if (const auto always = index.listed.find({kAlways, 0}); always != index.listed.end()) {
      Take(always->second);
    }
    if (index.listed.size() == 1 && index.listed.begin()->first.first == kAlways) continue;
    if (row.size() != program.relation()->columns.size()) continue;
    const auto sink = [&](uint32_t leaf, uint64_t hash) {
      const auto list = index.listed.find({leaf, hash});
      if (list != index.listed.end()) Take(list->second);
    };
    const auto& plan = program.probes();
    if (RunProbes(plan.probes, plan, row, tables, sink) == policy::Found::kEveryone) {
      Take(index.everyone);
    }
  }
}

void RightsIndex::ForEachCandidate(const NetChange& change, const Views& views, Scope scope,
                                   FunctionRef<void(Audience&)> offer) {
  ++round_;
  found_.clear();
  if (scope == Scope::kEveryone) {
    // Also those who may see nothing, whom no value finds.
    for (const auto& [key, group] : groups_) found_.push_back(group.get());
  } else {
    if (!change.new_row->empty()) Collect(*change.new_row, views.after);
    if (!change.old_row->empty()) Collect(*change.old_row, views.before);
  }
  size_t filtered = 0;
  for (RightsGroup* const group : found_) {
    filtered += group->filtered.size();
    for (Audience* const audience : group->plain) offer(*audience);
  }
  if (filtered == 0) return;
  // Rights and filter are both necessary: the shorter list will do.
  std::vector<const std::vector<Audience*>*> matching;
  size_t by_filter = 0;
  for (const auto& [column, values] : filters_) {
    for (const Row* row : {change.new_row, change.old_row}) {
      if (row->size() <= column) continue;
      const auto list = values.find((*row)[column]);
      if (list == values.end()) continue;
      by_filter += list->second.size();
      matching.push_back(&list->second);
    }
  }
  if (by_filter <= filtered) {
    for (const auto* list : matching) {
      for (Audience* const audience : *list) offer(*audience);
    }
    return;
  }
  for (RightsGroup* const group : found_) {
    for (Audience* const audience : group->filtered) offer(*audience);
  }
}

void RightsIndex::ForEachTouched(const policy::InnerTables::Delta& delta, const Views& views,
                                 FunctionRef<void(Audience&)> touched) {
  ++round_;
  found_.clear();
  for (auto& [identity, index] : programs_) {
    const auto& plan = index.program->probes();
    const auto sink = [&](uint32_t leaf, uint64_t hash) {
      const auto list = index.listed.find({leaf, hash});
      if (list != index.listed.end()) Take(list->second);
    };
    for (const policy::InnerProbe& probe : plan.inner) {
      if (probe.table != delta.table) continue;
      for (const auto& [row, view] : {std::pair{delta.before, views.before},
                                      {delta.after, views.after}}) {
        if (row == nullptr) continue;
        if (RunInnerProbes(probe, plan, *row, *view, sink) == policy::Found::kEveryone) {
          Take(index.everyone);
        }
      }
    }
  }
  for (RightsGroup* const group : found_) {
    for (Audience* const audience : group->plain) touched(*audience);
    for (Audience* const audience : group->filtered) touched(*audience);
  }
}

}  // namespace tw::router
