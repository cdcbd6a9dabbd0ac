// For channel*.cc only: where the changes of a joining channel begin, and with which rows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "router/channel_spec.h"
#include "session/channel.h"
#include "session/snapshot_desk.h"

namespace tw::session {

struct Channel::SnapshotJob {
  std::vector<router::TableBinding> bindings;
  std::optional<SnapshotDesk::Held> held;
  int attempts = 0;
  std::string_view failure;  // Why there is none.
  // What is sent next.
  size_t table = 0;
  size_t page = 0;
  size_t sent = 0;

  size_t Pages() const {
    size_t pages = 0;
    for (const SnapshotTable& read : held->snapshot.tables) pages += read.pages.size();
    return pages;
  }
  uint64_t Rows() const {
    uint64_t rows = 0;
    for (const SnapshotTable& read : held->snapshot.tables) rows += read.rows;
    return rows;
  }
};

struct Channel::Floors {
  std::map<int64_t, uint64_t> by_id;
  std::optional<router::ChannelSpec> partial;  // Of spec_: the bindings that have begun.
};

}  // namespace tw::session
