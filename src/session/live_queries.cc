#include "session/live_queries.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "io/bytes.h"
#include "json/json.h"
#include "websocket/shared_frame.h"

namespace tw::session {

using protocol::ReplyStatus;

namespace {

constexpr std::string_view kMutationTable = "tidewire_mutation";

std::string_view ModeName(query::LiveMode mode) {
  switch (mode) {
    case query::LiveMode::kRows: return "rows";
    case query::LiveMode::kResult: return "result";
    case query::LiveMode::kAuto:
    case query::LiveMode::kInvalidate:
    case query::LiveMode::kOff: return "invalidate";
  }
  return "invalidate";
}

std::string ErrorJson(const query::CallError& error, std::string_view reason_key) {
  json::Writer writer;
  writer.Object().Key(reason_key).String(error.message).Key("code").String(error.code);
  if (!error.pointer.empty()) writer.Key("pointer").String(error.pointer);
  writer.End();
  return writer.Take();
}

// "position":…,"as_of":… of a snapshot.
std::string StampMembers(const query::Snapshot& snapshot) {
  return "\"position\":\"" + ToString(snapshot.position) + "\",\"as_of\":\"" +
         FormatTimestampMs(snapshot.fetched_at) + "\"";
}

std::string Quoted(std::string_view text) {
  std::string out;
  json::AppendString(out, text);
  return out;
}

std::string RowKeyNames(const query::NamedQuery& query) {
  json::Writer writer;
  writer.Array();
  for (const size_t column : query.row_key) writer.String(query.columns[column].name);
  writer.End();
  return writer.Take();
}

}  // namespace

QueryFollow::~QueryFollow() { owner_.Leave(*this); }

LiveQueries::LiveQueries(query::Front& front, const QueryLimits& limits,
                         telemetry::Registry& metrics)
    : front_(front),
      limits_(limits),
      follows_(metrics.GetGauge("tidewire_session_queries", "Queries that channels follow.")),
      pushes_(metrics.GetCounter("tidewire_session_query_pushes_total",
                                 "Pushes of live queries to channels.")),
      frames_(metrics.GetCounter("tidewire_session_query_frames_total",
                                 "Frames that were encoded for them.")),
      head_(front.marked()) {
  front_.SetFollower(this);
}

LiveQueries::~LiveQueries() {
  TW_CHECK(entries_.empty());
  front_.SetFollower(nullptr);
}

query::CallResult<std::unique_ptr<QueryFollow>> LiveQueries::Open(
    QueryChannel& channel, const json::Value& request, const ClaimsPtr& claims,
    std::optional<std::string> ref) {
  const auto fail = [](std::string code, std::string message) {
    return std::unexpected(query::CallError{std::move(code), std::move(message), ""});
  };
  const std::string_view name = request["query"].AsString().value_or("");
  const query::NamedQuery* const query = front_.catalogue().Find(name);
  if (query == nullptr) {
    return fail("unknown_query", "there is no query '" + std::string(name.substr(0, 128)) + "'" +
                                     front_.catalogue().Suggestion(name));
  }
  if (query->live == query::LiveMode::kOff) {
    return fail("not_live", query->name + " cannot be followed (live: off)");
  }
  if (count_ >= limits_.loop_max) return fail("live_queries_max", "too many queries are followed");
  auto rights = front_.RightsFor(*query, claims);
  if (!rights) return std::unexpected(std::move(rights.error()));
  auto arguments = query::ReadArguments(query->parameters, request["args"]);
  if (!arguments) return std::unexpected(std::move(arguments.error()));
  auto call = std::make_shared<const query::Call>(
      query::MakeCall(*query, std::move(*arguments), **rights, *claims));
  std::unique_ptr<QueryFollow> follow(new QueryFollow(*this, channel, claims));
  follow->sub_ = query::SubscriptionId(*call);
  follow->ref_ = std::move(ref);
  follow->have_ = std::string(request["have"].AsString().value_or(""));
  ++count_;
  follows_.Add(1);
  Join(*follow, std::move(call));
  return follow;
}

void LiveQueries::Join(QueryFollow& follow, query::CallPtr call) {
  Entry& entry = entries_[call->key];
  if (entry.follows.empty()) entry.call = call;
  follow.call_ = entry.call;
  follow.joined_ = true;
  entry.follows.push_back(&follow);
  if (entry.follows.size() == 1) front_.Watch(entry.call);
  if (const auto current = front_.Current(entry.call->key)) Answer(follow, *current);
}

void LiveQueries::Leave(QueryFollow& follow) {
  if (follow.call_ == nullptr) return;
  --count_;
  follows_.Add(-1);
  Part(follow);
}

// No longer among those who follow its call.
void LiveQueries::Part(QueryFollow& follow) {
  if (!std::exchange(follow.joined_, false)) return;
  const auto found = entries_.find(follow.call_->key);
  std::erase(found->second.follows, &follow);
  if (!found->second.follows.empty()) return;
  front_.Unwatch(found->first);
  entries_.erase(found);
}

bool LiveQueries::Move(QueryFollow& follow, const ClaimsPtr& claims) {
  follow.claims_ = claims;
  return Go(follow, front_.catalogue().Find(follow.call_->query->name));
}

// Follows `query` of the catalogue as it is, with the same arguments. False: it may not.
bool LiveQueries::Go(QueryFollow& follow, const query::NamedQuery* query) {
  const auto refuse = [&](const query::CallError& error) {
    if (follow.state_ == QueryFollow::State::kOpening) {
      follow.channel_.ReplyTo(follow.ref_, ReplyStatus::kError, ErrorJson(error, "reason"));
      return false;
    }
    PushTo(follow, "query",
           "{\"sub\":\"" + follow.sub_ + "\",\"error\":" + ErrorJson(error, "message") + "}");
    return false;
  };
  if (query == nullptr || query->live == query::LiveMode::kOff) {
    return refuse({"unknown_query", "it cannot be followed any more", ""});
  }
  auto rights = front_.RightsFor(*query, follow.claims_);
  if (!rights) return refuse(rights.error());
  // Its parameters may be others now.
  const auto document = json::Parse(follow.call_->arguments_json);
  auto arguments = query::ReadArguments(query->parameters, document->root());
  if (!arguments) return refuse(arguments.error());
  auto call = std::make_shared<const query::Call>(
      query::MakeCall(*query, std::move(*arguments), **rights, *follow.claims_));
  if (follow.joined_ && call->key == follow.call_->key) return true;
  Part(follow);
  if (follow.state_ == QueryFollow::State::kLive) follow.state_ = QueryFollow::State::kMoving;
  Join(follow, std::move(call));
  return true;
}

void LiveQueries::OnReset() {
  head_ = front_.marked();
  applied_.clear();
  std::vector<QueryFollow*> follows;
  for (const auto& [key, entry] : entries_) {
    follows.insert(follows.end(), entry.follows.begin(), entry.follows.end());
  }
  for (QueryFollow* const follow : follows) follow->joined_ = false;
  entries_.clear();  // The front has forgotten all of them.
  for (QueryFollow* const follow : follows) {
    if (Go(*follow, front_.catalogue().Find(follow->call_->query->name))) continue;
    follow->channel_.Forget(*follow);
  }
}

// The first rows of a follow: as a reply, or as a push where its rights changed.
void LiveQueries::Answer(QueryFollow& follow, const query::Snapshot& snapshot) {
  const query::NamedQuery& query = *follow.call_->query;
  const query::RowSet& rows = *snapshot.rows;
  const bool by_rows = query.live == query::LiveMode::kRows;
  if (follow.state_ == QueryFollow::State::kMoving) {
    follow.state_ = QueryFollow::State::kLive;
    return PushTo(follow, "query",
                  "{\"sub\":\"" + follow.sub_ + "\",\"to\":\"" + rows.version + "\"," +
                      StampMembers(snapshot) + ",\"rows\":" + rows.json +
                      ",\"reset\":\"claims_changed\"}");
  }
  follow.state_ = QueryFollow::State::kLive;
  std::string out = "{\"sub\":\"" + follow.sub_ + "\",\"query\":" + Quoted(query.name) +
                    ",\"args\":" + follow.call_->arguments_json + ",\"mode\":\"" +
                    std::string(ModeName(query.live)) + "\",\"row_key\":" + RowKeyNames(query) +
                    ",\"key\":" + query::ClientKey(*follow.call_) + "," + StampMembers(snapshot) +
                    ",\"version\":\"" + rows.version + "\"";
  const auto old = std::ranges::find(snapshot.history, follow.have_,
                                     [](const auto& set) { return set->version; });
  if (query.live == query::LiveMode::kInvalidate) {
    out += ",\"state\":\"invalidate\"";
  } else if (follow.have_ == rows.version) {
    out += ",\"state\":\"current\"";
  } else if (by_rows && !follow.have_.empty() && old != snapshot.history.end() && (*old)->keyed &&
             rows.keyed) {
    out += ",\"state\":\"diff\",\"from\":\"" + (*old)->version + "\"";
    if (const auto members = query::DiffMembers(**old, rows); !members.empty()) {
      out += "," + members;
    }
  } else {
    out += ",\"state\":\"snapshot\",\"rows\":" + rows.json;
  }
  out += "}";
  follow.have_.clear();
  follow.channel_.ReplyTo(follow.ref_, ReplyStatus::kOk, out);
  follow.ref_.reset();
}

void LiveQueries::OnDelivery(const query::Delivery& delivery) {
  const auto found = entries_.find(delivery.call->key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const std::string sub = "{\"sub\":\"" + query::SubscriptionId(*entry.call) + "\"";
  if (delivery.error) {
    if (!std::exchange(entry.error_shown, true)) {
      std::string payload = sub;
      if (delivery.snapshot != nullptr) payload += "," + StampMembers(*delivery.snapshot);
      Push(entry, payload + ",\"error\":" + ErrorJson(*delivery.error, "message") + "}");
    }
  }
  const bool was_error = !delivery.error && std::exchange(entry.error_shown, false);
  if (!delivery.error && !delivery.from.empty()) {
    const query::Snapshot& snapshot = *delivery.snapshot;
    const query::LiveMode mode = entry.call->query->live;
    std::string payload = sub;
    if (mode == query::LiveMode::kInvalidate) {
      payload += "," + StampMembers(snapshot) + ",\"invalidate\":true}";
    } else {
      payload += ",\"from\":\"" + delivery.from + "\",\"to\":\"" + snapshot.rows->version + "\"," +
                 StampMembers(snapshot);
      if (!delivery.diff.empty()) {
        payload += "," + delivery.diff + "}";
      } else {
        payload += ",\"rows\":" + snapshot.rows->json + "}";
      }
    }
    Push(entry, payload);
  } else if (was_error) {
    Push(entry, sub + "," + StampMembers(*delivery.snapshot) + "}");
  }
  // Those who wait get their first rows; a refusal lets the channel forget its follow.
  const auto follows = entry.follows;
  for (QueryFollow* const follow : follows) {
    if (follow->state_ == QueryFollow::State::kLive) continue;
    if (delivery.snapshot != nullptr) {
      // Also older rows: what is newer follows as a difference to them.
      Answer(*follow, *delivery.snapshot);
    } else if (follow->state_ == QueryFollow::State::kOpening) {
      follow->channel_.ReplyTo(follow->ref_, ReplyStatus::kError,
                               ErrorJson(*delivery.error, "reason"));
      follow->channel_.Forget(*follow);
    }
  }
}

void LiveQueries::Push(const Entry& entry, std::string_view payload) {
  // Most follow on one topic; each further (topic, version) has one frame as well.
  struct Group {
    std::string_view topic;
    protocol::Version version;
    io::SharedBytes frame;
  };
  std::vector<Group> groups;
  for (QueryFollow* const follow : entry.follows) {
    if (follow->state_ != QueryFollow::State::kLive) continue;
    QueryChannel& channel = follow->channel_;
    auto group = std::ranges::find_if(groups, [&](const Group& one) {
      return one.version == channel.version() && one.topic == channel.topic();
    });
    if (group == groups.end()) {
      const protocol::Address address{std::nullopt, std::nullopt, channel.topic()};
      groups.push_back({channel.topic(), channel.version(),
                        websocket::ShareFrame(websocket::Opcode::kText,
                                              protocol::EncodeMessage(channel.version(), address,
                                                                      "query", payload))});
      group = groups.end() - 1;
      frames_.Add();
    }
    channel.receiver().OnFrame(group->frame);
    pushes_.Add();
  }
}

void LiveQueries::PushTo(QueryFollow& follow, std::string_view event, std::string_view payload) {
  QueryChannel& channel = follow.channel_;
  const protocol::Address address{std::nullopt, std::nullopt, channel.topic()};
  channel.receiver().OnFrame(websocket::ShareFrame(
      websocket::Opcode::kText,
      protocol::EncodeMessage(channel.version(), address, event, payload)));
}

void LiveQueries::AddClient(const std::string& client, QueryChannel& channel) {
  clients_[client].push_back(&channel);
}

void LiveQueries::RemoveClient(const std::string& client, QueryChannel& channel) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  std::erase(found->second, &channel);
  if (found->second.empty()) clients_.erase(found);
}

void LiveQueries::OnBatch(const Batch& batch) {
  for (const Change& change : batch.changes) {
    if (change.op != ChangeOp::kInsert || change.relation->table != kMutationTable) continue;
    const std::string* const id = change.new_row.empty() ? nullptr : change.new_row[0].AsText();
    if (id != nullptr && !clients_.empty()) applied_.emplace(change.offset, *id);
  }
  head_ = batch.position;
  SendApplied();
}

void LiveQueries::OnMutations(std::span<const std::string> ids, Position position) {
  for (const std::string& id : ids) {
    if (!clients_.empty()) applied_.emplace(position.offset, id);
  }
  head_ = position;
  SendApplied();
}

void LiveQueries::OnSettled(Position) {
  SendApplied();
}

// What is true for every query here, and has been sent, up to the lesser of both positions.
void LiveQueries::SendApplied() {
  const uint64_t reached = std::min(head_.offset, front_.settled().offset);
  while (!applied_.empty() && applied_.begin()->first <= reached) {
    const auto [offset, id] = *applied_.begin();
    applied_.erase(applied_.begin());
    const auto found = clients_.find(id.substr(0, id.find(':')));
    if (found == clients_.end()) continue;
    json::Writer writer;
    writer.Object().Key("ids").Array().String(id).End();
    writer.Key("position").String(ToString(Position{head_.epoch, offset})).End();
    const std::string payload = writer.Take();
    for (QueryChannel* const channel : found->second) {
      const protocol::Address address{std::nullopt, std::nullopt, channel->topic()};
      channel->receiver().OnFrame(websocket::ShareFrame(
          websocket::Opcode::kText,
          protocol::EncodeMessage(channel->version(), address, "applied", payload)));
    }
  }
}

}  // namespace tw::session
