// What the applier keeps in its internal tables, as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/value.h"

namespace tw::ingest {

// A row of the tenant registry.
struct Tenant {
  std::string id;        // As text, whatever the column's type.
  std::string name;      // The label; rows are keyed by it where the source file says so.
  std::string timezone;  // A name of the tz database; empty for the source's default.
  bool active = true;
};

// How well the time of a fact is known; a greater value wins.
enum class TimeQuality : uint8_t {
  kUnknown = 0,
  kReceived = 1,  // It happened at or before the time of receipt.
  kEvent = 2,     // The source's own event time.
};

// A real-world happening, once, whatever reported it.
struct Fact {
  int64_t id = 0;  // Rises with creation: the smaller is the older.
  std::string tenant;
  std::string kind;
  std::string match_hash;  // 16 bytes
  WallTime occurred_at;
  TimeQuality quality = TimeQuality::kUnknown;
  std::string bucket_day;    // "2025-10-31", in the tenant's zone.
  std::string contribution;  // Metrics it counts in, comma-separated.
  std::string channels;      // Channels that gave it an identity, comma-separated.
  std::string config_version;
  int64_t merged_into = 0;  // 0: none. A merged fact counts nowhere.
  // "twin": the sender signed a second id for equal bytes. "weak": identity by bytes only.
  std::string mark;
};

// One name of a fact.
struct FactAlias {
  std::string name_space;  // "reply", …; "channel:<name>" for ids private to a channel.
  std::string value;
};

// The version of what was last written: source time, then rank of the channel (the smaller is
// stronger), then inbox sequence.
struct Version {
  WallTime at;
  int64_t rank = 0;
  uint64_t sequence = 0;
  bool operator==(const Version&) const = default;
};

// True when a write of version `a` may replace one of version `b`.
inline bool NotOlder(const Version& a, const Version& b) {
  if (a.at != b.at) return a.at > b.at;
  if (a.rank != b.rank) return a.rank < b.rank;
  return a.sequence >= b.sequence;
}

// What sources know about a user's row beyond its columns.
struct RowState {
  Version version;  // The newest write.
  // Columns whose value is older than `version`; encoded by row_writer.
  std::string older;
  // The stage that the source last wrote, in the stage column or, while the row is in a terminal
  // stage, in the column of the previous one. nullopt: none yet, or NULL.
  std::optional<std::string> stage;
  std::string terminal;  // The terminal stage that the source last wrote; empty: none.
  Version terminal_version;
  bool operator==(const RowState&) const = default;
};

// A row of the delivery log.
struct LogEntry {
  uint64_t sequence = 0;
  std::string_view source;
  std::optional<std::string_view> tenant_name;
  std::optional<std::string_view> event_type;
  std::string_view status;
  WallTime received_at;
  WallTime applied_at;
  std::string_view config_version;
  std::string_view error;  // Empty: none.
  std::string_view body;
  std::string_view delivery_id;  // The one that the sender signed; empty: none.
};

// An event that waits for its tenant, or that can never be applied.
struct KeptEvent {
  int64_t id = 0;
  std::string source;
  uint64_t sequence = 0;
  uint32_t index = 0;      // Of the event within its delivery.
  std::string tenant_key;  // As the payload names it; parked events only.
  std::string event_type;
  std::string channel;
  std::string signed_id;
  WallTime received_at;
  std::string event;  // JSON text, or the raw body.
  // Dead letters only.
  std::string reason;
  std::string error;
  std::string config_version;
};

}  // namespace tw::ingest
