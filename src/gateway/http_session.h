// Sessions whose client cannot send on the connection that it listens on: server-sent events and
// long polling. What it has to say comes as POST requests that name the session.
//
//   GET  /realtime/v1/sse?apikey=…&join=…          events until either side ends
//   GET  /realtime/v1/poll?apikey=…&join=…         opens a session; …?session=S&ack=N asks again
//   POST /realtime/v1/sse?session=S                client messages, one per line: 202
//   POST /realtime/v1/poll?session=S               the same
//
// A session lives on the loop that opened it; a request may come to any loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "model/claims.h"
#include "protocol/message.h"
#include "session/session.h"

namespace tw::gateway {

class Connection;
class Gateway;

// What the opening request of a realtime client says, judged.
struct Opening {
  protocol::Version version;
  ClaimsPtr claims;
};

// A session that POST requests can find. Registered while it lives.
class HttpSession {
 public:
  HttpSession(Gateway& gateway, const Opening& opening);
  virtual ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // "<loop>-<128 random bits>": whoever knows it and has the same user's key may send.
  const std::string& session_id() const { return session_id_; }
  const ClaimsPtr& opened_by() const { return opened_by_; }
  // Messages from the client, as on a socket.
  virtual session::Session& upstream() = 0;

 private:
  StringMap<HttpSession*>& registry_;
  const std::string session_id_;
  const ClaimsPtr opened_by_;
};

// The loop in a session's id; nullopt for what is no id.
std::optional<uint64_t> LoopOfSession(std::string_view session_id);

enum class SessionAccess : uint8_t { kGranted, kNoSession, kNotYours };
// The session on this gateway's loop, for the user that opened it; else null, and why.
struct FoundSession {
  HttpSession* session;
  SessionAccess access;
};
FoundSession FindHttpSession(Gateway& gateway, std::string_view session_id, const Claims& asker);

enum class MessageForm : uint8_t { kText, kBinary };
// Hands messages to the session: texts one per line, or one binary message.
SessionAccess DeliverUpstream(Gateway& gateway, std::string_view session_id, const Claims& sender,
                              std::string_view body, MessageForm form);

}  // namespace tw::gateway
