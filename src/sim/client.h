// A realtime client: what it was told, checked at every message against what it was due.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "json/json.h"
#include "protocol/message.h"
#include "session/session.h"
#include "sim/journal.h"
#include "sim/life.h"
#include "websocket/decoder.h"

namespace tw::sim {

// How often something happened, to see that a run meets what it is for.
using Coverage = std::map<std::string, uint64_t, std::less<>>;

// What clients need of the world.
class ClientWorld {
 public:
  virtual ~ClientWorld() = default;
  virtual Life* life() = 0;
  virtual Machine& machine() = 0;
  virtual const Journal& journal() = 0;
  virtual Coverage& coverage() = 0;
  virtual void Fail(std::string what) = 0;
  virtual void Note(std::string what) = 0;
};

// Which person, with which software.
struct ClientKind {
  std::string name;
  std::string role;       // Of its token.
  int64_t workspace = 0;  // The token's claim; 0: none.
  Sight sight;            // What it must get.
  protocol::Version version = protocol::Version::kV2;
  bool positions = false;      // Our SDK: positions, leave events, a replica.
  bool token_expired = false;  // Its token ended before it came.
};

class Client {
 public:
  Client(ClientWorld& world, ClientKind kind);
  ~Client();

  // Does something: connects, reads, talks, goes away.
  void Step();
  // Takes at most `messages` of what was sent to it.
  void Receive(size_t messages);
  // The connection is gone; `received` of the messages on their way still arrived.
  void Lose(size_t received);
  // From now on it stays.
  void StopFaults() { faults_ = false; }

  // Live, and nothing is on its way to it.
  bool settled() const;
  // At the end: everything due was told, and the replica equals `snapshot` (a JSON array).
  void CheckSettled(const std::string& snapshot, const std::vector<std::string>& visible_keys);
  const ClientKind& kind() const { return kind_; }
  // The claims and parameters of its table reads.
  Result<query::TableQuery> TableQuery();

 private:
  enum class Phase : uint8_t { kOffline, kOnline, kReading, kJoining, kLive };
  class Connection;

  void Connect();
  void Act();
  void ReadSnapshot();
  void OnSnapshot(const Result<query::TableResult>& result);
  void Join();
  void Push(std::string_view join_ref, std::string_view ref, std::string_view topic,
            std::string_view event, std::string_view payload);
  std::string JoinPayload();
  std::string Token(std::chrono::seconds life) const;
  void OnText(std::string_view text);
  void OnReply(std::string_view ref, const json::Value& payload);
  void OnJoined(const json::Value& tidewire);
  void CheckRefusal(std::string_view reason, Position head);
  void OnSystem(const json::Value& payload);
  void OnChange(const json::Value& payload);
  void CheckSight(const json::Value& data);
  void ApplyChange(std::string_view type, const json::Value& data);
  void AdvanceTo(Position position, std::string_view why);
  void FillReplica(std::string_view json);
  std::string KeyOf(const json::Value& record) const;
  void Fail(const std::string& what);

  ClientWorld& world_;
  const ClientKind kind_;
  const std::string topic_;
  std::unique_ptr<Connection> connection_;
  Phase phase_ = Phase::kOffline;
  std::optional<Position> position_;            // Everything up to here is in the replica.
  std::map<std::string, std::string> replica_;  // Key → record as JSON.
  std::string join_ref_;
  std::string heartbeat_ref_;
  bool catching_up_ = false;  // Recovered, and "caught_up" has not come yet.
  uint64_t next_ref_ = 1;
  std::shared_ptr<uint64_t> connection_number_ = std::make_shared<uint64_t>(0);
  bool faults_ = true;
};

}  // namespace tw::sim
