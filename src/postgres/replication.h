// A walsender's end of a logical replication connection.
//
//   Open ─▶ Identify ─▶ CreateSlot ─▶ Start ─▶ Next … Next (data, keepalive, nothing)
//                                                 └─▶ SendStatus: what is handled
//
// Errors of every call   the connection's (connection.h); after one the stream is of no use.
// Thread                 One at a time. Next waits in poll(2), never longer than asked.
// Source                 PostgreSQL 15 manual §55.4 "Streaming Replication Protocol", §55.5.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace tw::postgres {

// IDENTIFY_SYSTEM. Another system identifier or timeline is another history.
struct SystemIdentity {
  std::string system_id;
  uint32_t timeline = 0;
  Lsn flushed;
  bool operator==(const SystemIdentity&) const = default;
};

enum class SlotKind : uint8_t {
  kDurable,    // Stays when we go, and holds the WAL that we have not confirmed.
  kTemporary,  // Ends with this connection.
};

struct CreatedSlot {
  Lsn consistent_point;  // Every commit behind it will be streamed.
  // For SET TRANSACTION SNAPSHOT on another connection, until Start; sees every commit before.
  std::string snapshot;
};

struct StreamOptions {
  std::string slot;
  std::string publication;
  // Commits that end at or before it are not wanted. The server begins at what the slot has
  // confirmed if that is later.
  Lsn after;
};

struct Nothing {};  // The time is over, or the wake descriptor is readable.
struct StreamData {
  Lsn start;
  Lsn server_end;
  std::string_view bytes;  // One pgoutput message; valid until the next call of Next.
};
struct Keepalive {
  Lsn server_end;  // Everything before it has been sent.
  bool reply_requested = false;
};
using StreamEvent = std::variant<Nothing, StreamData, Keepalive>;

class ReplicationStream {
 public:
  // `options.purpose` is set. Errors: kPermissionDenied: the role lacks REPLICATION.
  static Result<ReplicationStream> Open(ConnectOptions options);
  ReplicationStream(ReplicationStream&& other) noexcept;
  ReplicationStream& operator=(ReplicationStream&&) = delete;
  ~ReplicationStream();

  Result<SystemIdentity> Identify();
  // Errors: kAlreadyExists; kResourceExhausted: all max_replication_slots are in use;
  // kFailedPrecondition: wal_level is not logical.
  Result<CreatedSlot> CreateSlot(const std::string& slot, SlotKind kind);
  // Errors: kUnavailable: the slot is in use by another connection; kNotFound: no such slot;
  // kFailedPrecondition: the slot was invalidated.
  Status Start(const StreamOptions& options);

  // The next event; Nothing after `at_most`, or when `wake_descriptor` (-1: none) is readable.
  // Errors: kUnavailable: the connection is lost or the server goes; kNotFound: the publication
  // does not exist (at a change of a table).
  Result<StreamEvent> Next(std::chrono::milliseconds at_most, int wake_descriptor = -1);

  // Tells the server what is written, and what is flushed: it forgets WAL before `flushed`.
  Status SendStatus(Lsn written, Lsn flushed, WallTime now);

  // Ends the stream so that the server is through with the slot when this returns, if it answers.
  void Close();

  Connection& connection() { return connection_; }

 private:
  explicit ReplicationStream(Connection connection) : connection_(std::move(connection)) {}
  Result<StreamEvent> Parse(std::string_view bytes);
  Result<bool> WaitReadable(std::chrono::milliseconds at_most, int wake_descriptor);
  std::unexpected<Error> EndOfStream();

  Connection connection_;
  char* buffer_ = nullptr;  // Of libpq; holds the last data.
};

}  // namespace tw::postgres
