#include "sim/client.h"

#include <algorithm>
#include <utility>

#include "query/table_query.h"

namespace tw::sim {
namespace {

constexpr size_t kUnreadMessagesMax = 400;  // A client that reads nothing is cut off.

int64_t Seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string_view StringOf(const json::Value& value) {
  return value.AsString().value_or("");
}

}  // namespace

// The wire between one session and its client: frames in order, some still on their way.
class Client::Connection final : public session::Transport {
 public:
  Connection(SimLoop& loop, protocol::Version version, ClaimsPtr claims)
      : session_(*loop.services, *this, version, std::move(claims)) {}

  void OnFrame(const io::SharedBytes& frame) override { unread_.push_back(frame); }
  bool Congested() override {
    congested_ = congested_ || unread_.size() >= kRoom;
    return congested_;
  }
  void CloseWith(uint16_t, std::string_view) override { closed_ = true; }

  // The next text message, empty for a frame that is none; nullopt when nothing is there.
  std::optional<std::string> Next() {
    if (unread_.empty()) return std::nullopt;
    std::string bytes(unread_.front().view());
    unread_.pop_front();
    if (unread_.empty() && std::exchange(congested_, false)) session_.OnDrained();
    std::span<char> input(bytes);
    const auto event = decoder_.Next(input);
    if (event.kind != websocket::Event::Kind::kText || !input.empty()) return "";
    return std::string(event.payload);
  }
  size_t unread() const { return unread_.size(); }
  bool closed() const { return closed_; }
  session::Session& session() { return session_; }

  size_t loop_index = 0;

 private:
  // A small outbox, so that replays have to wait.
  static constexpr size_t kRoom = 10;

  std::deque<io::SharedBytes> unread_;
  bool congested_ = false;
  websocket::Decoder decoder_{websocket::Role::kClient};
  bool closed_ = false;
  session::Session session_;
};

Client::Client(ClientWorld& world, ClientKind kind)
    : world_(world), kind_(std::move(kind)), topic_("realtime:" + kind_.sight.table) {}

Client::~Client() = default;

void Client::Fail(const std::string& what) {
  world_.Fail("client " + kind_.name + ": " + what);
}

std::string Client::Token(std::chrono::seconds life) const {
  const WallTime now = world_.machine().clock.Wall();
  json::Writer writer;
  writer.Object().Key("role").String(kind_.role).Key("sub").String(kind_.name);
  if (kind_.workspace != 0) writer.Key("workspace_id").Int(kind_.workspace);
  writer.Key("exp").Int(Seconds(now + life)).End();
  const auto token =
      auth::MintToken(writer.Take(), world_.machine().configuration.main.auth.jwt_secret.Reveal(),
                      auth::Algorithm::kHs256);
  return token.ok() ? *token : std::string();
}

void Client::Step() {
  if (world_.life() == nullptr) return;
  switch (phase_) {
    case Phase::kOffline:
      return Connect();
    case Phase::kOnline:
      if (kind_.positions && !position_) return ReadSnapshot();
      return Join();
    case Phase::kReading:
    case Phase::kJoining:
    case Phase::kLive:
      return Act();
  }
}

void Client::Connect() {
  Random& random = world_.machine().random;
  const size_t index = random.Below(kLoops);
  SimLoop& loop = world_.life()->loop(index);
  if (kind_.token_expired) {
    if (loop.verifier->Verify(Token(std::chrono::seconds{-1}))) Fail("an ended token may connect");
  }
  // Like supabase-js: the connection has the public key, each channel its own token.
  json::Writer key;
  key.Object().Key("role").String("anon").Key("exp");
  key.Int(Seconds(world_.machine().clock.Wall() + std::chrono::hours{1'000})).End();
  const auto anon =
      auth::MintToken(key.Take(), world_.machine().configuration.main.auth.jwt_secret.Reveal(),
                      auth::Algorithm::kHs256);
  auto claims = loop.verifier->Verify(*anon);
  if (!claims) return Fail("the public key was refused");
  connection_ = std::make_unique<Connection>(loop, kind_.version, *claims);
  connection_->loop_index = index;
  ++*connection_number_;
  phase_ = Phase::kOnline;
}

void Client::Act() {
  Random& random = world_.machine().random;
  const uint64_t dice = random.Below(100);
  if (connection_->unread() > kUnreadMessagesMax || connection_->closed()) return Lose(0);
  if (faults_ && dice < 7) return Lose(random.Below(connection_->unread() + 1));
  if (phase_ != Phase::kLive) return;
  if (dice < 40) {
    heartbeat_ref_ = "h" + std::to_string(next_ref_++);
    return Push("", heartbeat_ref_, "phoenix", "heartbeat", "{}");
  }
  if (dice < 50) {
    const bool ended = faults_ && random.Percent(20);
    const std::string token =
        Token(std::chrono::seconds(ended ? -5 : static_cast<int64_t>(60 + random.Below(20'000))));
    return Push(join_ref_, "t" + std::to_string(next_ref_++), topic_, "access_token",
                "{\"access_token\":\"" + token + "\"}");
  }
  if (!faults_) return;
  if (dice < 53) {
    Push(join_ref_, "l" + std::to_string(next_ref_++), topic_, "phx_leave", "{}");
    // What was sent before the leave may still come; it is not listened to any more.
    phase_ = Phase::kOnline;
    catching_up_ = false;
  } else if (dice < 55) {
    connection_->session().OnText(random.Percent(50) ? "][" : "{\"topic\":7}");
  }
}

void Client::Lose(size_t received) {
  if (connection_ == nullptr) return;
  Receive(received);
  connection_.reset();
  ++*connection_number_;
  catching_up_ = false;
  phase_ = Phase::kOffline;
  if (!kind_.positions) position_.reset();
}

Result<query::TableQuery> Client::TableQuery() {
  Life& life = *world_.life();
  auto claims = life.loop(0).verifier->Verify(Token(std::chrono::hours{1}));
  if (!claims) return tw::Fail(ErrorCode::kPermissionDenied, claims.error().message);
  std::vector<std::pair<std::string, std::string>> parameters;
  if (!kind_.sight.filter_column.empty()) {
    parameters.emplace_back(kind_.sight.filter_column, "eq." + kind_.sight.filter_value);
  }
  return query::ParseTableQuery(kind_.sight.table, parameters, **claims, life.catalog());
}

void Client::ReadSnapshot() {
  auto query = TableQuery();
  if (!query.ok()) return Fail("cannot read: " + query.error().message);
  phase_ = Phase::kReading;
  world_.life()->ReadTable(connection_->loop_index, std::move(*query),
                           [this, number = *connection_number_,
                            current = connection_number_](Result<query::TableResult> result) {
                             if (number == *current) OnSnapshot(result);
                           });
}

void Client::OnSnapshot(const Result<query::TableResult>& result) {
  if (phase_ != Phase::kReading) return;
  phase_ = Phase::kOnline;
  if (!result.ok()) return;  // Tries again.
  FillReplica(result->json);
  position_ = result->position;
  Join();
}

void Client::FillReplica(std::string_view json) {
  replica_.clear();
  const auto document = json::Parse(json);
  if (!document.ok()) return Fail("a table read is no JSON");
  for (const json::Value& record : document->root().items()) {
    const auto claim = record["workspace_id"].AsInt();
    if (kind_.sight.rows == Sight::Rows::kWorkspace && claim != kind_.workspace) {
      Fail("reads a row of another workspace: " + record.ToText());
    }
    replica_[KeyOf(record)] = record.ToText();
  }
}

std::string Client::KeyOf(const json::Value& record) const {
  if (kind_.sight.table == "client_metrics") {
    return std::string(StringOf(record["workspace_name"])) + "|" +
           std::string(StringOf(record["metric_date"]));
  }
  return std::string(StringOf(record["workspace_name"])) + "|" +
         std::string(StringOf(record["lead_email"]));
}

std::string Client::JoinPayload() {
  Random& random = world_.machine().random;
  json::Writer writer;
  writer.Object().Key("config").Object().Key("postgres_changes").Array().Object();
  writer.Key("event").String("*").Key("schema").String("public");
  writer.Key("table").String(kind_.sight.table);
  if (!kind_.sight.filter_column.empty()) {
    writer.Key("filter").String(kind_.sight.filter_column + "=eq." + kind_.sight.filter_value);
  }
  writer.End().End();
  // Nobody tracks here.
  writer.Key("presence").Object().Key("enabled").Bool(false).End();
  if (kind_.positions) {
    writer.Key("tidewire").Object().Key("positions").Bool(true);
    writer.Key("leave").Bool(kind_.sight.leave);
    if (position_) writer.Key("since").String(ToString(*position_));
    writer.End();
  }
  writer.End();
  const auto life = kind_.token_expired ? std::chrono::seconds{-1}
                                        : std::chrono::seconds(60 + random.Below(20'000));
  writer.Key("access_token").String(Token(life)).End();
  return writer.Take();
}

void Client::Join() {
  join_ref_ = "j" + std::to_string(next_ref_++);
  phase_ = Phase::kJoining;
  catching_up_ = false;
  if (!kind_.positions) position_.reset();
  Push(join_ref_, join_ref_, topic_, "phx_join", JoinPayload());
}

void Client::Push(std::string_view join_ref, std::string_view ref, std::string_view topic,
                  std::string_view event, std::string_view payload) {
  json::Writer writer;
  if (kind_.version == protocol::Version::kV1) {
    writer.Object().Key("topic").String(topic).Key("event").String(event);
    writer.Key("payload").Raw(payload).Key("ref").String(ref);
    if (!join_ref.empty()) writer.Key("join_ref").String(join_ref);
    writer.End();
  } else {
    writer.Array();
    join_ref.empty() ? writer.Null() : writer.String(join_ref);
    writer.String(ref).String(topic).String(event).Raw(payload).End();
  }
  connection_->session().OnText(writer.Take());
}

void Client::Receive(size_t messages) {
  for (; messages > 0 && connection_ != nullptr; --messages) {
    const auto text = connection_->Next();
    if (!text) return;
    OnText(*text);
  }
}

bool Client::settled() const {
  if (kind_.token_expired) return true;
  return phase_ == Phase::kLive && !catching_up_ && connection_->unread() == 0;
}

}  // namespace tw::sim
