// The JSON of a row change (realtime-protocol §3.1), written once and shared.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/change.h"

namespace tw::protocol {

// What a subscriber is told. kLeave is ours: the row no longer matches the filter, or may no longer
// be seen; it carries the primary key only.
enum class EventType : uint8_t { kInsert, kUpdate, kDelete, kLeave };

std::string_view ToString(EventType type);

// Which columns of a row are written.
enum class Columns : uint8_t { kAll, kKey };

// Appends the row as a JSON object. `selected` (ascending column indices) limits it; empty = all.
void AppendRecord(std::string& out, const Relation& relation, const Row& row, Columns columns,
                  std::span<const uint16_t> selected = {});

// Appends [{"name":…,"type":…},…].
void AppendColumns(std::string& out, const Relation& relation,
                   std::span<const uint16_t> selected = {});

// The parts of a change payload; texts are JSON, empty when the key is to be left out.
struct ChangeParts {
  EventType type = EventType::kInsert;
  const Change* change = nullptr;
  std::string_view columns;
  std::string_view record;
  std::string_view old_record;
  std::span<const int64_t> ids;
  std::optional<Position> position;  // Written when the channel asked for positions.
  // Written within commit_timestamp (stamp.h).
  std::optional<Position> stamp;
};

// Appends the whole payload: {"ids":[…],"position":…,"data":{…}}.
void AppendChangePayload(std::string& out, const ChangeParts& parts);

}  // namespace tw::protocol
