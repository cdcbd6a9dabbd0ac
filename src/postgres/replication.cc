#include "postgres/replication.h"

#include <libpq-fe.h>
#include <poll.h>

#include <utility>

#include "base/strings.h"
#include "postgres/pgoutput.h"

namespace tw::postgres {
namespace {

uint64_t ReadUint64(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes.substr(0, 8)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

void AppendUint64(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

}  // namespace

Result<ReplicationStream> ReplicationStream::Open(ConnectOptions options) {
  options.purpose = Purpose::kReplication;
  TW_ASSIGN_OR_RETURN(Connection connection, Connection::Open(options));
  return ReplicationStream(std::move(connection));
}

ReplicationStream::ReplicationStream(ReplicationStream&& other) noexcept
    : connection_(std::move(other.connection_)), buffer_(std::exchange(other.buffer_, nullptr)) {}

ReplicationStream::~ReplicationStream() {
  if (buffer_ != nullptr) PQfreemem(buffer_);
}

Result<SystemIdentity> ReplicationStream::Identify() {
  TW_ASSIGN_OR_RETURN(const Rows rows, connection_.Query("IDENTIFY_SYSTEM"));
  if (rows.size() != 1 || rows.columns() < 3) {
    return Fail(ErrorCode::kInternal, "the server does not answer IDENTIFY_SYSTEM");
  }
  SystemIdentity identity;
  identity.system_id = rows.Text(0, 0);
  identity.timeline = static_cast<uint32_t>(rows.Int(0, 1));
  TW_ASSIGN_OR_RETURN(identity.flushed, ParseLsn(rows.Text(0, 2)));
  return identity;
}

Result<CreatedSlot> ReplicationStream::CreateSlot(const std::string& slot, SlotKind kind) {
  const std::string sql = "CREATE_REPLICATION_SLOT " + QuoteIdentifier(slot) +
                          (kind == SlotKind::kTemporary ? " TEMPORARY" : "") +
                          " LOGICAL pgoutput EXPORT_SNAPSHOT";
  TW_ASSIGN_OR_RETURN(const Rows rows, connection_.Query(sql));
  if (rows.size() != 1 || rows.columns() < 3) {
    return Fail(ErrorCode::kInternal, "the server does not answer CREATE_REPLICATION_SLOT");
  }
  CreatedSlot created;
  TW_ASSIGN_OR_RETURN(created.consistent_point, ParseLsn(rows.Text(0, 1)));
  created.snapshot = rows.Text(0, 2);
  return created;
}

Status ReplicationStream::Start(const StreamOptions& options) {
  // The option's value is a list of identifiers inside of a literal: quoted twice.
  const std::string sql = "START_REPLICATION SLOT " + QuoteIdentifier(options.slot) + " LOGICAL " +
                          ToString(options.after) + " (proto_version '1', publication_names " +
                          QuoteLiteral(QuoteIdentifier(options.publication)) +
                          ", messages 'true')";
  PGresult* const result = PQexec(connection_.handle(), sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COPY_BOTH) {
    PQclear(result);
    if (PQsetnonblocking(connection_.handle(), 1) != 0) return connection_.LastError("stream");
    return {};
  }
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const ErrorCode code = state == nullptr ? ErrorCode::kUnavailable : CodeOfSqlState(state);
  auto error = connection_.LastError("");
  PQclear(result);
  return Fail(code, error.error().message);
}

Result<bool> ReplicationStream::WaitReadable(std::chrono::milliseconds at_most,
                                             int wake_descriptor) {
  const int unsent = PQflush(connection_.handle());
  if (unsent < 0) return connection_.LastError("");
  const short events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
  pollfd descriptors[2] = {{PQsocket(connection_.handle()), events, 0}, {wake_descriptor, POLLIN, 0}};
  const int ready = poll(descriptors, wake_descriptor < 0 ? 1 : 2, static_cast<int>(at_most.count()));
  if (ready <= 0 || descriptors[0].revents == 0) return false;
  if (PQconsumeInput(connection_.handle()) == 0) return connection_.LastError("");
  return true;
}

Result<StreamEvent> ReplicationStream::Next(std::chrono::milliseconds at_most,
                                            int wake_descriptor) {
  for (bool waited = false;; waited = true) {
    if (buffer_ != nullptr) PQfreemem(std::exchange(buffer_, nullptr));
    const int size = PQgetCopyData(connection_.handle(), &buffer_, 1);
    if (size > 0) return Parse({buffer_, static_cast<size_t>(size)});
    if (size < 0) return EndOfStream();
    if (waited) return Nothing{};  // Half a message has come: whoever called looks at the clock.
    TW_ASSIGN_OR_RETURN(const bool readable, WaitReadable(at_most, wake_descriptor));
    if (!readable) return Nothing{};
  }
}

Result<StreamEvent> ReplicationStream::Parse(std::string_view bytes) {
  constexpr size_t kDataHeader = 1 + 8 + 8 + 8;
  constexpr size_t kKeepaliveSize = 1 + 8 + 8 + 1;
  if (bytes.front() == 'w' && bytes.size() > kDataHeader) {
    return StreamData{{ReadUint64(bytes.substr(1))}, {ReadUint64(bytes.substr(9))},
                      bytes.substr(kDataHeader)};
  }
  if (bytes.front() == 'k' && bytes.size() == kKeepaliveSize) {
    return Keepalive{{ReadUint64(bytes.substr(1))}, bytes[17] != 0};
  }
  return Fail(ErrorCode::kDataLoss, "an unknown message in the replication stream");
}

std::unexpected<Error> ReplicationStream::EndOfStream() {
  const Rows owner(PQgetResult(connection_.handle()));
  PGresult* const last = PQgetResult(connection_.handle());
  const Rows second(last);
  const auto error = connection_.LastError("");
  std::string message = error.error().message;
  if (message.empty()) message = "the server ended the stream";
  // LastError knows only whether the connection lives; the publication's absence is told by text.
  if (message.find("publication") != std::string::npos &&
      message.find("does not exist") != std::string::npos) {
    return Fail(ErrorCode::kNotFound, message);
  }
  return Fail(ErrorCode::kUnavailable, message);
}

Status ReplicationStream::SendStatus(Lsn written, Lsn flushed, WallTime now) {
  std::string message = "r";
  AppendUint64(message, written.bytes);
  AppendUint64(message, flushed.bytes);
  AppendUint64(message, flushed.bytes);  // Applied: nothing beyond is visible to anybody.
  AppendUint64(message, static_cast<uint64_t>(ToPostgresTime(now)));
  message.push_back(0);
  if (PQputCopyData(connection_.handle(), message.data(), static_cast<int>(message.size())) != 1 ||
      PQflush(connection_.handle()) < 0) {
    return connection_.LastError("");
  }
  return {};
}

void ReplicationStream::Close() {
  PGconn* const handle = connection_.handle();
  if (handle == nullptr || PQstatus(handle) != CONNECTION_OK) return;
  (void)PQsetnonblocking(handle, 0);
  (void)PQputCopyEnd(handle, nullptr);
  (void)PQflush(handle);
}

}  // namespace tw::postgres
