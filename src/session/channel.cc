#include "session/channel.h"

#include <algorithm>
#include <utility>

#include "json/json.h"
#include "session/channel_behind.h"
#include "session/channel_catch_up.h"
#include "session/channel_follow.h"
#include "session/channel_snapshot.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;

namespace {

constexpr std::string_view kTopicPrefix = "realtime:";

std::string DescribeRequest(const protocol::BindingRequest& request) {
  static constexpr const char* kEvents[] = {"", "INSERT", "UPDATE", "", "DELETE", "", "", "*"};
  return std::string("[event: ") + kEvents[static_cast<int>(request.events)] +
         ", schema: " + request.schema + ", table: " + request.table +
         ", filters: " + (request.filter.empty() ? "[]" : request.filter) + "]";
}

std::string Unable(const protocol::BindingRequest& request) {
  return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled "
         "for the given connect parameters: " + DescribeRequest(request);
}

// Ascending indices of the selected columns with the key; an error names the first unknown one.
Result<std::vector<uint16_t>> SelectColumns(const std::vector<std::string>& names,
                                            const Relation& relation) {
  std::vector<uint16_t> selected;
  if (names.empty()) return selected;
  selected = relation.key;
  for (const std::string& name : names) {
    const auto column = relation.Find(name);
    if (!column) {
      return Fail(ErrorCode::kInvalidArgument, "invalid column for select " + name);
    }
    selected.push_back(static_cast<uint16_t>(*column));
  }
  std::ranges::sort(selected);
  const auto repeats = std::ranges::unique(selected);
  selected.erase(repeats.begin(), repeats.end());
  return selected;
}

}  // namespace

Channel::Channel(Session& session, std::optional<std::string> join_ref, std::string topic,
                 protocol::JoinRequest request, ClaimsPtr claims, policy::ChannelRights rights)
    : session_(session),
      join_ref_(std::move(join_ref)),
      topic_(std::move(topic)),
      request_(std::move(request)),
      bus_(request_.is_private ? router::Bus::kPrivate : router::Bus::kPublic),
      claims_(std::move(claims)),
      rights_(rights),
      presence_key_(request_.presence_key),
      presence_wanted_(request_.presence == protocol::PresenceWish::kOn),
      slow_(request_.slow.value_or(session_.services_.limits.SlowPolicyOf(name()))),
      alive_(std::make_shared<bool>(true)) {
  session_.services_.metrics.channels.Add(1);
  JoinInvalidations();
  if (session_.services_.queries == nullptr) return;
  queries_ = std::make_unique<ChannelQueries>(
      *session_.services_.queries, session_.version_, topic_, session_.transport_, request_.client,
      [this](const auto& ref, ReplyStatus status, std::string_view response) {
        session_.Reply({join_ref_, ref, topic_}, status, response);
      });
}

Channel::~Channel() {
  StopWaiting();
  *alive_ = false;
  presence_.Leave(session_.departure_);
  session_.services_.metrics.channels.Add(-1);
}

std::string_view Channel::name() const {
  return std::string_view(topic_).substr(kTopicPrefix.size());
}

void Channel::Resolve() {
  spec_ = {};
  spec_.version = session_.version_;
  spec_.topic = topic_;
  spec_.positions = request_.positions;
  spec_.leave = request_.leave;
  spec_.stamps = std::ranges::any_of(request_.bindings, &protocol::BindingRequest::resume);
  if (floors_ != nullptr) floors_->partial.reset();
  binding_errors_.clear();
  for (const auto& binding : request_.bindings) ResolveBinding(binding);
}

void Channel::ResolveBinding(const protocol::BindingRequest& request) {
  std::string error;
  const bool all_schemas = request.schema == "*";
  if (request.schema.empty() && request.table.empty()) {
    error = "No subscription params provided. Please provide at least a `schema` or `table` to "
            "subscribe to: " + DescribeRequest(request);
  } else if (request.select_malformed) {
    error = "Error parsing `select` params: expected a list of column name strings, e.g. select: "
            "[\"col1\", \"col2\"]";
  } else if (all_schemas || request.table.empty() || request.table == "*") {
    if (!request.select.empty()) {
      error = "Column selection is not supported for wildcard subscriptions. Provide an explicit "
              "schema and table name.";
    } else {
      const std::string_view schema = request.schema.empty() ? "public" : request.schema;
      const auto before = static_cast<ptrdiff_t>(spec_.bindings.size());
      bool found = schema == "public";
      for (const auto& table : session_.services_.catalog->tables()) {
        if (!all_schemas && table.relation->schema != schema) continue;
        found = true;
        error = BindBinding(request, table.relation->schema, table.relation->table);
        if (!error.empty()) break;
      }
      if (!found && !all_schemas) error = Unable(request);
      // What is reported as refused must not flow in part.
      if (!error.empty()) spec_.bindings.erase(spec_.bindings.begin() + before, spec_.bindings.end());
    }
  } else {
    error = BindBinding(request, request.schema.empty() ? "public" : request.schema,
                        request.table);
  }
  if (!error.empty()) binding_errors_.push_back(std::move(error));
}

std::string Channel::BindBinding(const protocol::BindingRequest& request,
                                 const std::string& schema, const std::string& name) {
  const auto* table = session_.services_.catalog->Find(schema, name);
  if (table == nullptr) return Unable(request);
  const auto fail = [&](const Error& error) {
    return Unable(request) + ". Exception: " + error.message;
  };
  auto filter = policy::Filter::Parse(request.filter, *table->relation);
  if (!filter.ok()) return fail(filter.error());
  auto selected = SelectColumns(request.select, *table->relation);
  if (!selected.ok()) return fail(selected.error());
  auto access = AccessTo(*table);
  if (access->error()) return fail(*access->error());
  if (std::string refused = TakePrivileges(*access, *filter, *selected); !refused.empty()) {
    return fail({ErrorCode::kPermissionDenied, std::move(refused)});
  }
  spec_.bindings.push_back({.id = request.id,
                            .events = request.events,
                            .relation = table->relation,
                            .access = std::move(access),
                            .filter = std::move(*filter),
                            .selected = std::move(*selected),
                            .leave_as_delete = request.leave});
  return {};
}

void Channel::Start(std::optional<std::string_view> ref) {
  ref_ = ref;
  if (request_.replay || request_.resume) return AskBroadcasts();
  Begin();
}

// Its broadcasts are known; the row changes follow.
void Channel::Begin() {
  if (AskRights()) BeginChanges();
}

void Channel::BeginChanges() {
  begun_ = true;
  Resolve();
  if (request_.changes == protocol::ChangesWish::kRequire && !binding_errors_.empty()) {
    return session_.RefuseStarted(*this, "RealtimeDisabledForConfiguration: " + binding_errors_[0]);
  }
  const auto asked = AskedPosition();
  if (!asked) return BeginAnew({false, asked.error()});
  if (!*asked) return BeginAnew({});
  verdict_ = {true, {}};
  ContinueFrom(**asked);
}

// Sends the reply unless a replay has done so, and subscribes at the loop's head.
void Channel::GoLive(Position position) {
  ForgetMissed();
  const bool replayed = state_ == ChannelState::kReplaying;
  if (!replied_) SendJoinReply(position);
  state_ = ChannelState::kLive;
  JoinStream();
  if (!SendMissedBroadcasts()) return;
  ListenBroadcasts();
  ListenPresence();
  SendReadiness();
  if (replayed) SendCaughtUp(position);
  SendChangesVerdict(position);
  if (!request_.bindings.empty() && binding_errors_.empty()) {
    SendSystem("postgres_changes", ReplyStatus::kOk, "Subscribed to PostgreSQL");
  }
  for (const std::string& error : binding_errors_) {
    SendSystem("postgres_changes", ReplyStatus::kError, error);
  }
}

void Channel::SendCaughtUp(Position position) {
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
  writer.Key("message").String("caught_up").Key("channel").String(name());
  writer.Key("position").String(ToString(position)).End();
  SendPush("system", writer.Take());
}

void Channel::AppendVerdict(json::Writer& writer) const {
  writer.Key("recovered");
  if (verdict_.recovered) {
    writer.Bool(*verdict_.recovered);
  } else {
    writer.Null();
  }
  writer.Key("reason");
  if (verdict_.reason.empty()) {
    writer.Null();
  } else {
    writer.String(verdict_.reason);
  }
}

void Channel::SendJoinReply(Position position) {
  replied_ = true;
  if (verdict_.recovered) {
    auto& metrics = session_.services_.metrics;
    (*verdict_.recovered ? metrics.resumed : metrics.not_resumed).Add();
  }
  std::string response = "{\"postgres_changes\":[";
  for (size_t i = 0; i < request_.bindings.size(); ++i) {
    if (i > 0) response.push_back(',');
    response += request_.bindings[i].echo;
  }
  json::Writer writer;
  writer.Object().Key("position").String(ToString(position));
  AppendVerdict(writer);
  writer.Key("reconnect_jitter_max_ms");
  writer.Int(session_.services_.limits.reconnect_jitter_max.count());
  AppendSnapshotVerdict(writer);
  AppendBroadcastVerdict(writer);
  writer.End();
  response += "],\"tidewire\":" + writer.Take() + "}";
  session_.Reply({join_ref_, ref_, topic_}, ReplyStatus::kOk, response);
  session_.services_.metrics.joins_ok.Add();
}

void Channel::OnCatalog() {
  if (!begun_) {
    // The answer would be about another catalog.
    if (rights_asked_ > 0 && AskRights()) BeginChanges();
    return;
  }
  const std::vector<std::string> before = binding_errors_;
  const bool known = AskRights();
  // Until the answer comes, with what is known of the claims; the rest is denied.
  Rebind();
  if (state_ != ChannelState::kLive || !known) return;
  if (binding_errors_ != before) TellBindings();
}

void Channel::OnTruncate(const Relation& relation) {
  if (!spec_.TellsAccess()) return;
  const bool follows = std::ranges::any_of(spec_.bindings, [&](const router::TableBinding& binding) {
    return binding.relation->schema == relation.schema &&
           binding.relation->table == relation.table && !binding.access->allows_nothing();
  });
  if (!follows) return;
  if (following_ != nullptr && !following_->at_rest) {
    following_->truncated = true;
    return;
  }
  SendSystem("tidewire", ReplyStatus::kOk, "truncated");
}

ChannelFate Channel::SetClaims(ClaimsPtr claims) {
  claims_ = std::move(claims);
  if (TakeRights() == ChannelFate::kEnds) return ChannelFate::kEnds;
  if (queries_ != nullptr) queries_->SetClaims(claims_);
  JoinInvalidations();
  // A channel that is still catching up resolves again, so that its replay uses the new rights.
  if (state_ == ChannelState::kLive) {
    ListenBroadcasts();
    ListenPresence();
  }
  // The old token's rights last until the new one's are known.
  if (!begun_ ? (rights_asked_ == 0 || !AskRights()) : !AskRights()) return ChannelFate::kStays;
  if (!begun_) {
    BeginChanges();
    return ChannelFate::kStays;
  }
  Rebind();
  if (state_ == ChannelState::kLive) TellBindings();
  return ChannelFate::kStays;
}

void Channel::JoinInvalidations() {
  if (!request_.invalidations || session_.services_.invalidations == nullptr) return;
  session_.services_.invalidations->Join(session_.transport_, session_.version_, topic_, *claims_,
                                         invalidations_);
}

void Channel::OnQueryMessage(const protocol::ClientMessage& message) {
  if (queries_ == nullptr) {
    return session_.Reply({join_ref_, message.ref, topic_}, ReplyStatus::kError,
                          R"({"reason":"this server has no queries","code":"unknown_query"})");
  }
  if (message.event == "query_open") {
    return queries_->OnOpen(message.ref, message.payload, claims_);
  }
  queries_->OnClose(message.ref, message.payload);
}

void Channel::SendPush(std::string_view event, std::string_view payload) {
  session_.SendText(
      EncodeMessage(session_.version_, {join_ref_, std::nullopt, topic_}, event, payload));
}

void Channel::SendSystem(std::string_view extension, ReplyStatus status,
                         std::string_view message) {
  SendPush("system", protocol::SystemPayload(extension, status, message, name()));
}

void Channel::SendClose() {
  // phx_close carries the join ref in both places (§2.2).
  session_.SendText(
      EncodeMessage(session_.version_, {join_ref_, join_ref_, topic_}, "phx_close", "{}"));
}

}  // namespace tw::session
