#include "policy/probe.h"

#include "policy/evaluator.h"

namespace tw::policy {
namespace {

constexpr uint64_t kNullListing = 0x6E756C6C;

// Compared in the slot's element type; equal values have one hash.
uint64_t Listing(Base operand, const Datum& value) { return HashDatum(operand, value); }

Found RunOne(const Probe& probe, const ProbePlan& plan, Evaluator& evaluator, ProbeSink sink) {
  size_t visited = 0;
  bool everyone = false;
  const auto walked = evaluator.WalkRows(probe.walk, [&] {
    if (probe.everyone || ++visited > kProbeRowsMax) {
      everyone = true;
      return false;
    }
    const ProbeLeaf& leaf = plan.leaves[probe.leaf];
    const Datum value = evaluator.Run(probe.value[0]);
    if (value.is_error()) {
      everyone = true;
      return false;
    }
    if (!value.is_null()) {
      sink(probe.leaf, Listing(leaf.operand, value));
    } else if (leaf.null_matches) {
      sink(probe.leaf, kNullListing);
    }
    return true;
  });
  if (walked == Evaluator::Walked::kError) everyone = true;
  return everyone ? Found::kEveryone : Found::kListed;
}

}  // namespace

std::vector<uint64_t> ListingsOf(const ProbeLeaf& leaf, const Datum& slot) {
  std::vector<uint64_t> listings;
  if (slot.is_null()) {
    if (leaf.null_matches) listings.push_back(kNullListing);
    return listings;
  }
  switch (leaf.kind) {
    case ProbeLeaf::Kind::kValue:
      listings.push_back(Listing(leaf.operand, slot));
      break;
    case ProbeLeaf::Kind::kElement:
      if (slot.kind != Datum::Kind::kArray) break;
      for (const Datum& item : *slot.array) {
        if (!item.is_null()) listings.push_back(Listing(leaf.operand, item));
      }
      break;
    case ProbeLeaf::Kind::kJsonKey: {
      if (slot.kind != Datum::Kind::kJson) break;
      const auto add = [&](std::string_view text) {
        listings.push_back(Listing(Base::kText, Datum::Text(text)));
      };
      for (const json::Member& member : slot.json->members()) add(member.key);
      for (const json::Value& item : slot.json->items()) {
        if (item.is_string()) add(item.GetString());
      }
      if (slot.json->is_string()) add(slot.json->GetString());
      break;
    }
  }
  return listings;
}

Found RunProbes(const std::vector<Probe>& probes, const ProbePlan& plan, const Row& row,
                const InnerView* tables, ProbeSink sink) {
  Scratch scratch;
  const Inputs inputs{.row = &row, .tables = tables};
  Evaluator evaluator(inputs, scratch);
  for (const Probe& probe : probes) {
    if (RunOne(probe, plan, evaluator, sink) == Found::kEveryone) return Found::kEveryone;
  }
  return Found::kListed;
}

Found RunInnerProbes(const InnerProbe& probe, const ProbePlan& plan, const InnerRow& row,
                     const InnerView& tables, ProbeSink sink) {
  Scratch scratch;
  const Inputs inputs{.tables = &tables};
  Evaluator evaluator(inputs, scratch);
  evaluator.Bind(probe.range, row, tables.layout(probe.table));
  for (const Probe& one : probe.probes) {
    if (RunOne(one, plan, evaluator, sink) == Found::kEveryone) return Found::kEveryone;
  }
  return Found::kListed;
}

}  // namespace tw::policy
