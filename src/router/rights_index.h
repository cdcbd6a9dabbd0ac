// The subscriptions of one table, found by what a row leads to: groups of equal rights by probes
// (policy/probe.h), and filters by their equalities.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "policy/inner_tables.h"
#include "policy/probe.h"
#include "router/audience.h"
#include "router/net_effect.h"
#include "router/views.h"

namespace tw::router {

// Bindings with equal rights on a table.
struct RightsGroup {
  policy::AccessPtr access;
  // Audiences that want every row, and those whose filter has an equality (listed there as well).
  std::vector<Audience*> plain;
  std::vector<Audience*> filtered;
  uint64_t round = 0;
};

class RightsIndex {
 public:
  // The shared Access of the binding's group.
  policy::AccessPtr Add(Audience& audience, const TableBinding& binding);
  void Remove(Audience& audience, const TableBinding& binding);
  bool empty() const { return groups_.empty(); }

  // Calls `offer` for the audiences that may want the change; some perhaps more than once. Under
  // `everyone` all of the table's are asked.
  enum class Scope : uint8_t { kThoseConcerned, kEveryone };
  void ForEachCandidate(const NetChange& change, const Views& views, Scope scope,
                        FunctionRef<void(Audience&)> offer);

  // The audiences whose rights a change of an inner table may have touched.
  void ForEachTouched(const policy::InnerTables::Delta& delta, const Views& views,
                      FunctionRef<void(Audience&)> touched);

 private:
  struct ListingHash {
    size_t operator()(const std::pair<uint32_t, uint64_t>& listing) const {
      return listing.second ^ (uint64_t{listing.first} << 56);
    }
  };
  // The groups of one program, by the values of their slots.
  struct ProgramIndex {
    const policy::Program* program = nullptr;
    std::vector<RightsGroup*> everyone;  // All of them.
    std::unordered_map<std::pair<uint32_t, uint64_t>, std::vector<RightsGroup*>, ListingHash>
        listed;
  };
  // The leaf of those who may see everything.
  static constexpr uint32_t kAlways = UINT32_MAX;
  using AnchorMap = std::unordered_map<Value, std::vector<Audience*>, ValueHash>;

  ProgramIndex& IndexOf(const policy::Access& access);
  void List(RightsGroup& group);
  void Unlist(RightsGroup& group);
  void Collect(const Row& row, const policy::InnerView* tables);
  void Take(const std::vector<RightsGroup*>& groups);

  // By the key of their Access, which owns the text.
  std::unordered_map<std::string_view, std::unique_ptr<RightsGroup>> groups_;
  // By Program::identity: equal programs may have been compiled twice.
  std::unordered_map<std::string, ProgramIndex> programs_;
  std::vector<std::pair<size_t, AnchorMap>> filters_;
  std::vector<RightsGroup*> found_;
  uint64_t round_ = 0;
};

}  // namespace tw::router
