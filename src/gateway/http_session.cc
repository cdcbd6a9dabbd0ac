#include "gateway/http_session.h"

#include "base/strings.h"
#include "gateway/gateway.h"

namespace tw::gateway {
namespace {

constexpr size_t kSessionRandomBytes = 16;

std::string NewSessionId(Gateway& gateway) {
  return std::to_string(gateway.wiring().loop_index) + "-" +
         gateway.wiring().random.Hex(kSessionRandomBytes);
}

}  // namespace

HttpSession::HttpSession(Gateway& gateway, const Opening& opening)
    : registry_(gateway.http_sessions()),
      session_id_(NewSessionId(gateway)),
      opened_by_(opening.claims) {
  registry_.emplace(session_id_, this);
}

HttpSession::~HttpSession() { registry_.erase(session_id_); }

std::optional<uint64_t> LoopOfSession(std::string_view session_id) {
  const size_t dash = session_id.find('-');
  if (dash == std::string_view::npos) return {};
  if (session_id.size() - dash - 1 != 2 * kSessionRandomBytes) return {};
  return ParseUint64(session_id.substr(0, dash));
}

FoundSession FindHttpSession(Gateway& gateway, std::string_view session_id, const Claims& asker) {
  const auto found = gateway.http_sessions().find(session_id);
  if (found == gateway.http_sessions().end()) return {nullptr, SessionAccess::kNoSession};
  const Claims& owner = *found->second->opened_by();
  if (owner.sub != asker.sub || owner.role != asker.role) {
    return {nullptr, SessionAccess::kNotYours};
  }
  return {found->second, SessionAccess::kGranted};
}

SessionAccess DeliverUpstream(Gateway& gateway, std::string_view session_id, const Claims& sender,
                              std::string_view body, MessageForm form) {
  auto [session, access] = FindHttpSession(gateway, session_id, sender);
  if (session == nullptr) return access;
  if (form == MessageForm::kBinary) {
    session->upstream().OnBinary(body);
    return access;
  }
  while (session != nullptr && !body.empty()) {
    const size_t end = body.find('\n');
    const std::string_view line = Trim(body.substr(0, end));
    if (!line.empty()) session->upstream().OnText(line);
    if (end == std::string_view::npos) break;
    body.remove_prefix(end + 1);
    // A message may have ended the session.
    session = FindHttpSession(gateway, session_id, sender).session;
  }
  return access;
}

}  // namespace tw::gateway
