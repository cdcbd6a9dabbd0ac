// What a client asks for when it joins a channel (realtime-protocol §2.6, §2.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace tw::protocol {

inline constexpr size_t kBindingsMax = 100;
// Messages of one replay, and what is sent when no limit was named.
inline constexpr uint32_t kReplayMax = 25;

// Which operations a binding wants.
enum class EventMask : uint8_t { kInsert = 1, kUpdate = 2, kDelete = 4, kAll = 7 };

inline bool Wants(EventMask mask, EventMask event) {
  return (static_cast<uint8_t>(mask) & static_cast<uint8_t>(event)) != 0;
}

// One entry of config.postgres_changes.
struct BindingRequest {
  EventMask events = EventMask::kAll;
  std::string schema;  // Empty when absent; "*" for every schema.
  std::string table;   // Empty when absent; "*" for every table.
  std::string filter;
  std::vector<std::string> select;  // Empty: all columns.
  bool select_malformed = false;    // `select` was neither absent nor a list of strings.
  // Our extensions, inside the binding, where unmodified clients can carry them. Position in text
  // form; of `since`, or of `resume`.
  std::string since;
  bool resume = false;    // Row changes tell their position within commit_timestamp.
  bool snapshot = false;  // Begins with the rows that there are.
  // A row that leaves the filter or the reader's sight comes as a DELETE, which every
  // client understands.
  bool leave = false;
  // Equal for equal parameters anywhere, 1 … 2^27 - 1; unique within its channel.
  int64_t id = 0;
  // The client's object with the id, for the reply.
  std::string echo;
};

// config.broadcast.replay: the newest `limit` messages since a time.
struct ReplayRequest {
  int64_t since_ms = 0;  // Since 1970.
  uint32_t limit = kReplayMax;
  bool valid = true;  // False: the parameters cannot be read.
};

// config.broadcast.resume, our extension that unmodified clients can carry: `true`, a position, or
// an object with a position as `since`. Each broadcast then tells its position.
struct ResumeRequest {
  std::string since;  // Empty: positions only.
};

// config.presence.enabled: absent counts as on; a client that said no is asked no more until it tracks.
enum class PresenceWish : uint8_t { kOn, kOff };

// config.postgres_changes_options.wait: what cannot be subscribed to refuses the join.
enum class ChangesWish : uint8_t { kReport, kRequire };

// What a channel gets that is behind because its client takes too little.
enum class SlowPolicy : uint8_t {
  kResync,    // What it missed, from the log and the history, at its own pace.
  kConflate,  // The newest state of each row, the newest broadcast of each event.
  kCut,       // Nothing: its connection ends, and its client resumes.
};

struct JoinRequest {
  std::vector<BindingRequest> bindings;
  bool is_private = false;
  PresenceWish presence = PresenceWish::kOn;
  std::string presence_key;  // Empty: the server makes one.
  std::optional<ReplayRequest> replay;
  std::optional<ResumeRequest> resume;
  bool replication_ready = false;  // A system message says when the change stream is there.
  ChangesWish changes = ChangesWish::kReport;
  bool broadcast_ack = false;   // Each broadcast of ours is answered.
  bool broadcast_self = false;  // Our own broadcasts come back to us.
  std::string access_token;  // Empty when absent, null or an opaque sb_… key.

  // Our extension, config.tidewire; all off for compatible clients.
  // Also in config.broadcast and in each binding, as `slow`; the first of them counts.
  std::optional<SlowPolicy> slow;
  bool positions = false;  // Row changes carry their position.
  bool leave = false;      // Rows that leave the filter or the reader's sight are reported.
  std::string since;       // Position to resume from.
  bool snapshot = false;   // Every binding begins with the rows that there are.
  std::string client;      // Prefix of the mutation ids that its client makes; empty: none.
  bool invalidations = false;  // Keys to refresh are sent.
};

// Never fails on odd shapes: what cannot be read takes its default. Errors: kResourceExhausted for
// more than kBindingsMax bindings.
Result<JoinRequest> ParseJoin(const json::Value& payload);

// The token of an access_token message or join payload: `user_token` before `access_token`; empty
// when absent, null or opaque.
std::string_view AccessTokenOf(const json::Value& payload);

}  // namespace tw::protocol
