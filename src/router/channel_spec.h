// What a channel listens to, resolved: the part of a subscription that decides its frames.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/change.h"
#include "policy/filter.h"
#include "policy/policy.h"
#include "protocol/join.h"
#include "protocol/message.h"

namespace tw::router {

// One table of one postgres_changes binding, with what its reader may see.
struct TableBinding {
  int64_t id = 0;
  protocol::EventMask events = protocol::EventMask::kAll;
  RelationPtr relation;
  policy::AccessPtr access;
  policy::Filter filter;
  std::vector<uint16_t> selected;  // Ascending column indices, key included; empty: all.
  bool leave_as_delete = false;    // A row that leaves comes as a DELETE of it.
};

struct ChannelSpec {
  protocol::Version version = protocol::Version::kV2;
  std::string topic;
  bool positions = false;
  bool stamps = false;  // Positions within commit_timestamp.
  bool leave = false;
  std::vector<TableBinding> bindings;

  // Whether its client knows what to do when rows come into sight, or leave it, without a change.
  bool TellsAccess() const { return positions || leave || stamps; }

  // Whether it follows a table about whose rows the database must be asked.
  bool AsksDatabase() const;

  // Channels with equal keys receive identical bytes for every change.
  std::string Key() const;
};

// True when the batch has changes of a table that `spec` follows in another shape than the one its
// filters and rights were compiled for: such rows cannot be judged, and a replay would leave them
// out.
bool HasOtherShapes(const ChannelSpec& spec, const Batch& batch);

}  // namespace tw::router
