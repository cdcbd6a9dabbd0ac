// The routes of realtime clients: sockets, server-sent events, long polling and what is sent to the
// latter two. Each opens a session in the same way: origin, admission, key, then its transport.
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gateway/connection.h"
#include "gateway/credential.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/http_session.h"
#include "gateway/origin.h"
#include "gateway/poll_session.h"
#include "gateway/realtime_connection.h"
#include "gateway/sse_connection.h"
#include "http/url.h"
#include "websocket/handshake.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kJson = "application/json";
using Parameters = std::vector<http::QueryParameter>;

// Jitter keeps those who were refused together from coming back together.
void RespondComeBack(Connection& connection, std::string_view why) {
  const std::string seconds = std::to_string(1 + connection.gateway().wiring().random.Below(10));
  const http::HeaderView retry[] = {{"Retry-After", seconds}};
  connection.RespondError(503, why, retry);
}

// Judges the origin, then waits for the connection's turn.
void Admit(Connection& connection, void (*open)(Connection&)) {
  Gateway& gateway = connection.gateway();
  if (!OriginMayOpen(gateway.wiring().limits.allowed_origins, connection.head().headers)) {
    return connection.RespondError(403, "this origin may not open realtime connections");
  }
  if (gateway.draining()) return RespondComeBack(connection, "draining");
  switch (gateway.admission().Ask(connection.id(), open)) {
    case Admission::Verdict::kNow: return open(connection);
    case Admission::Verdict::kLater: return gateway.wiring().metrics.accepts_delayed.Add();
    case Admission::Verdict::kRefused: break;
  }
  gateway.wiring().metrics.accepts_refused.Add();
  RespondComeBack(connection, "too many connections begin; come back");
}

std::string_view Parameter(const Parameters& parameters, std::string_view name) {
  return http::FindParameter(parameters, name).value_or("");
}

// Who opens a session, and in which version. Nullopt: answered already.
std::optional<Opening> Judge(Connection& connection, const Parameters& parameters,
                             std::string_view fallback_token) {
  const http::RequestHead& head = connection.head();
  const auto version = protocol::ParseVersion(Parameter(parameters, "vsn"));
  if (!version.ok()) {
    connection.Respond(403, "", "");
    return {};
  }
  std::string_view key = head.Header("x-api-key");
  if (key.empty()) key = Parameter(parameters, "apikey");
  if (key.empty()) key = fallback_token;
  if (key.empty()) {
    connection.RespondError(401, "API key is missing");
    return {};
  }
  auto claims = connection.gateway().wiring().sessions.verifier.Verify(key);
  if (!claims) {
    connection.RespondError(401, ConnectMessage(claims.error()));
    return {};
  }
  return Opening{*version, std::move(*claims)};
}

void OpenWebSocket(Connection& connection) {
  Gateway& gateway = connection.gateway();
  const http::RequestHead& head = connection.head();
  if (gateway.draining()) return RespondComeBack(connection, "draining");
  auto upgrade = websocket::ParseUpgrade(
      {.method = head.method, .http_version = head.http_version, .headers = head.headers});
  std::string out;
  if (!upgrade) {
    websocket::AppendUpgradeRefusal(out, upgrade.error());
    return connection.RespondRaw(out, http::KeepAlive::kNo);
  }
  const auto parameters = http::ParseQuery(head.query);
  if (!parameters.ok()) return connection.RespondError(400, parameters.error().message);
  const auto opening = Judge(connection, *parameters, upgrade->bearer_token);
  if (!opening) return;
  // Only behind authentication: nobody else's bytes are ever expanded.
  const auto deflate = gateway.wiring().limits.compression.enabled
                           ? websocket::ChooseDeflate(head.headers)
                           : std::nullopt;
  websocket::AppendUpgradeResponse(out, *upgrade,
                                   deflate ? websocket::DeflateAnswer(*deflate) : "");
  connection.BecomeRealtime(out,
                            std::make_unique<RealtimeConnection>(gateway, connection.id(), *opening,
                                                                 deflate));
}

// A new session's first words: where its reader was, and the messages of the `join` parameters.
void Begin(session::Session& session, std::string_view last_event_id,
           const Parameters& parameters) {
  session.ResumeAt(last_event_id);
  for (const auto& [name, value] : parameters) {
    if (name == "join") session.OnText(value);
  }
  session.ResumeAt({});
}

std::string LastEventId(const Connection& connection, const Parameters& parameters) {
  const std::string_view header = connection.head().Header("last-event-id");
  return std::string(header.empty() ? Parameter(parameters, "last_event_id") : header);
}

void OpenSse(Connection& connection, const Parameters& parameters, const Opening& opening) {
  Gateway& gateway = connection.gateway();
  const std::string last_event_id = LastEventId(connection, parameters);
  auto stream = std::make_unique<SseConnection>(gateway, connection.id(), opening);
  SseConnection& sse = *stream;
  connection.BecomeRealtime(SseConnection::Head(), std::move(stream));
  Begin(sse.upstream(), last_event_id, parameters);
}

void OpenPoll(Connection& connection, const Parameters& parameters, const Opening& opening) {
  Gateway& gateway = connection.gateway();
  PollSession* const poll = gateway.AddPoll(opening);
  if (poll == nullptr) return RespondComeBack(connection, "too many polling clients");
  Begin(poll->upstream(), LastEventId(connection, parameters), parameters);
  poll->AskFirst({&gateway, connection.id()});
}

// Once its turn has come: who it is, then its transport.
template <void (*kOpen)(Connection&, const Parameters&, const Opening&)>
void OpenHttp(Connection& connection) {
  if (connection.gateway().draining()) return RespondComeBack(connection, "draining");
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!parameters.ok()) return connection.RespondError(400, parameters.error().message);
  const auto opening = Judge(connection, *parameters, CredentialOf(connection.head()));
  if (opening) kOpen(connection, *parameters, *opening);
}

void RespondAccess(Connection& connection, SessionAccess access) {
  switch (access) {
    case SessionAccess::kGranted: return connection.Respond(202, kJson, "{}");
    case SessionAccess::kNoSession:
      return connection.RespondError(404, "there is no such session; open a new one");
    case SessionAccess::kNotYours:
      return connection.RespondError(403, "the session belongs to another user");
  }
}

// Runs `task` where the session lives; it answers through `answer`'s gateway.
void AtSession(Connection& connection, std::string_view session_id,
               Function<void(Gateway&, Gateway& answer)> task) {
  Gateway& own = connection.gateway();
  const auto loop = LoopOfSession(session_id);
  if (!loop || !own.OnLoop(*loop, [&own, task = std::move(task)](Gateway& there) mutable {
        task(there, own);
      })) {
    RespondAccess(connection, SessionAccess::kNoSession);
  }
}

// Who asks about a session that exists: any key of the user that opened it.
std::optional<ClaimsPtr> JudgeAsker(Connection& connection, const Parameters& parameters) {
  const auto opening = Judge(connection, parameters, CredentialOf(connection.head()));
  if (!opening) return {};
  return opening->claims;
}

// Seconds, `fallback` when not given. Nullopt: not a whole number of at most `max`.
std::optional<std::chrono::seconds> SecondsOf(const Parameters& parameters, std::string_view name,
                                              std::chrono::seconds fallback,
                                              std::chrono::seconds max) {
  const std::string_view text = Parameter(parameters, name);
  if (text.empty()) return fallback;
  const auto seconds = ParseUint64(text);
  if (!seconds || *seconds > static_cast<uint64_t>(max.count())) return {};
  return std::chrono::seconds(*seconds);
}

void PollAgain(Connection& connection, const Parameters& parameters) {
  const auto ack = ParseUint64(Parameter(parameters, "ack"));
  if (!ack) return connection.RespondError(400, "ack must be the last answer's seq");
  const auto wait = SecondsOf(parameters, "wait", PollSession::kWaitMax, PollSession::kWaitMax);
  if (!wait) return connection.RespondError(400, "wait must be 0 to 25 seconds");
  const auto keep = SecondsOf(parameters, "keep", PollSession::kIdleMax, PollSession::kKeepMax);
  if (!keep) return connection.RespondError(400, "keep must be 0 to 300 seconds");
  const auto asker = JudgeAsker(connection, parameters);
  if (!asker) return;
  const std::string session_id(Parameter(parameters, "session"));
  AtSession(connection, session_id,
            [session_id, asker = *asker, ack = *ack,
             patience = PollSession::Patience{*wait, *keep},
             id = connection.id()](Gateway& there, Gateway& answer) {
              const auto [session, access] = FindHttpSession(there, session_id, *asker);
              auto* const poll = dynamic_cast<PollSession*>(session);
              if (poll != nullptr) return poll->Ask({&answer, id}, ack, patience);
              answer.wiring().loop.Post(
                  [&answer, id, access = session == nullptr ? access : SessionAccess::kNoSession] {
                    Connection* const waiting = answer.Find(id);
                    if (waiting != nullptr && waiting->answering()) RespondAccess(*waiting, access);
                  });
            });
}

}  // namespace

void HandleRealtime(Connection& connection) { Admit(connection, OpenWebSocket); }

void HandleSse(Connection& connection) { Admit(connection, OpenHttp<OpenSse>); }

void HandlePoll(Connection& connection) {
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!parameters.ok()) return connection.RespondError(400, parameters.error().message);
  if (Parameter(*parameters, "session").empty()) return Admit(connection, OpenHttp<OpenPoll>);
  PollAgain(connection, *parameters);
}

void HandleUpstream(Connection& connection) {
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!parameters.ok()) return connection.RespondError(400, parameters.error().message);
  const auto asker = JudgeAsker(connection, *parameters);
  if (!asker) return;
  const std::string session_id(Parameter(*parameters, "session"));
  const bool binary = connection.head().Header("content-type") == "application/octet-stream";
  AtSession(connection, session_id,
            [session_id, asker = *asker, body = std::string(connection.body()),
             form = binary ? MessageForm::kBinary : MessageForm::kText,
             id = connection.id()](Gateway& there, Gateway& answer) {
              const SessionAccess access = DeliverUpstream(there, session_id, *asker, body, form);
              answer.wiring().loop.Post([&answer, id, access] {
                Connection* const waiting = answer.Find(id);
                if (waiting != nullptr && waiting->answering()) RespondAccess(*waiting, access);
              });
            });
}

}  // namespace tw::gateway
