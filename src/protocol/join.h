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
  std::string since;                // Position in text form; our extension, inside the binding.
  // Equal for equal parameters anywhere, 1 … 2^27 - 1; unique within its channel.
  int64_t id = 0;
  // The client's object with the id, for the reply.
  std::string echo;
};

struct JoinRequest {
  std::vector<BindingRequest> bindings;
  bool is_private = false;
  bool broadcast_ack = false;   // Each broadcast of ours is answered.
  bool broadcast_self = false;  // Our own broadcasts come back to us.
  std::string access_token;  // Empty when absent, null or an opaque sb_… key.

  // Our extension, config.tidewire; all off for compatible clients.
  bool positions = false;  // Row changes carry their position.
  bool leave = false;      // Rows that leave the filter or the reader's sight are reported.
  std::string since;       // Position to resume from.
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
