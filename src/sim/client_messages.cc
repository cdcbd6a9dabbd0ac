// What a client makes of the messages that it gets.
#include <algorithm>
#include <utility>

#include "sim/client.h"

namespace tw::sim {
namespace {

std::string_view StringOf(const json::Value& value) {
  return value.AsString().value_or("");
}

}  // namespace

void Client::OnText(std::string_view text) {
  const auto document = json::Parse(text);
  if (!document.ok()) return Fail("got no JSON: " + std::string(text));
  const json::Value& root = document->root();
  const bool v2 = kind_.version == protocol::Version::kV2;
  if (v2 ? root.items().size() != 5 : !root.is_object()) {
    return Fail("got another version's message: " + std::string(text));
  }
  const std::string_view ref = StringOf(v2 ? root.items()[1] : root["ref"]);
  const std::string_view topic = StringOf(v2 ? root.items()[2] : root["topic"]);
  const std::string_view event = StringOf(v2 ? root.items()[3] : root["event"]);
  const json::Value payload = v2 ? root.items()[4] : root["payload"];
  if (event == "phx_reply") return OnReply(ref, payload);
  if (event == "postgres_changes") return OnChange(payload);
  if (event == "system") return OnSystem(payload);
  if (event == "phx_close") {
    // Of a channel that was replaced or left: not this one's.
    const bool joined = phase_ == Phase::kLive || phase_ == Phase::kJoining;
    if (ref == join_ref_ && topic == topic_ && joined) {
      world_.coverage()["closed"]++;
      phase_ = Phase::kOnline;
      catching_up_ = false;
    }
    return;
  }
  // Nobody tracks here; the state still comes with every join.
  if (event == "presence_state" && payload.members().empty()) return;
  Fail("got an unknown event " + std::string(event));
}

void Client::OnReply(std::string_view ref, const json::Value& payload) {
  const bool ok = StringOf(payload["status"]) == "ok";
  const json::Value response = payload["response"];
  if (ref == heartbeat_ref_ && phase_ == Phase::kLive) {
    const auto position = ParsePosition(StringOf(response["tidewire"]["position"]));
    if (position.ok() && !catching_up_) AdvanceTo(*position, "a heartbeat");
    return;
  }
  if (ref != join_ref_ || phase_ != Phase::kJoining) return;
  if (kind_.token_expired) {
    if (ok) Fail("an ended token may join");
    world_.coverage()["join refused"]++;
    phase_ = Phase::kOnline;
    return;
  }
  if (!ok) {
    Fail("a join was refused: " + payload.ToText());
    return;
  }
  OnJoined(response["tidewire"]);
}

void Client::OnJoined(const json::Value& tidewire) {
  const auto position = ParsePosition(StringOf(tidewire["position"]));
  if (!position.ok()) return Fail("a join reply without position");
  const auto recovered = tidewire["recovered"].AsBool();
  if (!kind_.positions) {
    if (recovered) Fail("a verdict without a question");
    position_ = *position;
    phase_ = Phase::kLive;
    return;
  }
  if (!recovered) return Fail("a question without a verdict");
  if (*recovered) {
    world_.coverage()["recovered"]++;
    if (position->epoch != position_->epoch || position->offset < position_->offset) {
      return Fail("recovered to a place before its own");
    }
    catching_up_ = true;
    phase_ = Phase::kLive;
    return;
  }
  CheckRefusal(StringOf(tidewire["reason"]), *position);
  position_.reset();
  phase_ = Phase::kOnline;
}

// A refusal to resume must be true as well.
void Client::CheckRefusal(std::string_view reason, Position head) {
  world_.coverage()["not recovered: " + std::string(reason)]++;
  const bool same_epoch = head.epoch == position_->epoch;
  if (same_epoch == (reason == "epoch_changed")) return Fail("hears a wrong epoch_changed");
  // A read may meet commits that have not been published yet.
  const auto logged = world_.life()->database().QueryInt("select max(offset) from tidewire_log");
  const uint64_t last =
      std::max(world_.journal().head(head.epoch), logged.ok() ? static_cast<uint64_t>(*logged) : 0);
  if (reason == "too_many" &&
      last - position_->offset <= world_.life()->options().session.replay_changes_max) {
    Fail("is told too_many after " + ToString(*position_));
  }
  if (reason == "expired") {
    const auto kept = world_.life()->database().QueryInt("select min(offset) from tidewire_log");
    if (kept.ok() && static_cast<uint64_t>(*kept) <= position_->offset + 1) {
      Fail("is told expired after " + ToString(*position_));
    }
  }
  // Not waited for in vain: a position is unknown only while its commit is on its way.
  if (reason == "unknown_position" && position_->offset > last) {
    Fail("holds a position that was never committed: " + ToString(*position_));
  }
}

void Client::OnSystem(const json::Value& payload) {
  if (StringOf(payload["extension"]) == "tidewire") {
    if (StringOf(payload["message"]) != "caught_up" || !catching_up_) return;
    catching_up_ = false;
    const auto position = ParsePosition(StringOf(payload["position"]));
    if (!position.ok()) return Fail("caught up without a position");
    return AdvanceTo(*position, "caught_up");
  }
  if (StringOf(payload["extension"]) == "postgres_changes" && StringOf(payload["status"]) != "ok") {
    Fail("cannot subscribe: " + payload.ToText());
  }
}

// The server says that everything up to `position` was sent.
void Client::AdvanceTo(Position position, std::string_view why) {
  if (!position_ || position.epoch != position_->epoch) {
    return Fail(std::string(why) + " changes the epoch");
  }
  if (position.offset < position_->offset) return Fail(std::string(why) + " goes back");
  const Change* const missed =
      world_.journal().NextDue(kind_.sight, position.epoch, position_->offset, position.offset);
  if (missed != nullptr) {
    return Fail(std::string(why) + " at " + std::to_string(position.offset) + " hides change " +
                std::to_string(missed->offset));
  }
  *position_ = position;
}

void Client::CheckSight(const json::Value& data) {
  world_.coverage()["changes"]++;
  if (kind_.sight.rows == Sight::Rows::kNone) {
    return Fail("may see nothing and got " + data.ToText());
  }
  if (kind_.sight.rows != Sight::Rows::kWorkspace) return;
  for (const char* part : {"record", "old_record"}) {
    const json::Value* const id = data[part].Find("workspace_id");
    if (id != nullptr && id->AsInt() != kind_.workspace) {
      Fail("got a row of another workspace: " + data.ToText());
    }
  }
}

void Client::OnChange(const json::Value& payload) {
  const json::Value data = payload["data"];
  CheckSight(data);
  // Not joined as this channel sees it: a change of one that it has left.
  if (phase_ != Phase::kLive || !position_) return;
  const std::string_view type = StringOf(data["type"]);
  const Change* const due =
      world_.journal().NextDue(kind_.sight, position_->epoch, position_->offset, UINT64_MAX);
  if (due == nullptr) {
    return Fail("is due nothing after " + ToString(*position_) + " and got " + payload.ToText());
  }
  if (type != *kind_.sight.Due(*due)) {
    return Fail("is due " + std::string(*kind_.sight.Due(*due)) + " of change " +
                std::to_string(due->offset) + " and got " + payload.ToText());
  }
  if (kind_.positions) {
    const auto position = ParsePosition(StringOf(payload["position"]));
    if (!position.ok() || *position != Position{position_->epoch, due->offset}) {
      return Fail("is due change " + std::to_string(due->offset) + " and got " + payload.ToText());
    }
  }
  const bool gone = type == "DELETE" || type == "LEAVE";
  const json::Value record = data[gone ? "old_record" : "record"];
  const Row& row = gone ? due->old_row : due->new_row;
  for (const uint16_t key : due->relation->key) {
    const std::string& column = due->relation->columns[key].name;
    if (StringOf(record[column]) != TextOf(*due->relation, row, column)) {
      return Fail("is due change " + std::to_string(due->offset) + " and got the row " +
                  record.ToText());
    }
  }
  position_->offset = due->offset;
  if (kind_.positions) ApplyChange(type, data);
}

void Client::ApplyChange(std::string_view type, const json::Value& data) {
  if (type != "INSERT") replica_.erase(KeyOf(data["old_record"]));
  if (type == "INSERT" || type == "UPDATE") {
    replica_[KeyOf(data["record"])] = data["record"].ToText();
  }
}

void Client::CheckSettled(const std::string& snapshot,
                          const std::vector<std::string>& visible_keys) {
  if (kind_.token_expired || !position_) return;
  const Change* const missed =
      world_.journal().NextDue(kind_.sight, position_->epoch, position_->offset, UINT64_MAX);
  if (missed != nullptr) {
    return Fail("was never told of change " + std::to_string(missed->offset));
  }
  if (!kind_.positions) return;
  const auto told = std::exchange(replica_, {});
  FillReplica(snapshot);
  for (const auto& [key, record] : replica_) {
    const auto found = told.find(key);
    if (found == told.end()) return Fail("lacks row " + key);
    if (found->second != record) return Fail("has " + found->second + " for " + record);
  }
  for (const auto& [key, record] : told) {
    if (!replica_.contains(key)) return Fail("still has row " + key);
  }
  if (told.size() != visible_keys.size()) {
    return Fail("has " + std::to_string(told.size()) + " rows of " +
                std::to_string(visible_keys.size()));
  }
  for (const std::string& key : visible_keys) {
    if (!told.contains(key)) return Fail("lacks row " + key);
  }
}

}  // namespace tw::sim
