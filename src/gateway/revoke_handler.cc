#include "gateway/revoke_handler.h"

#include <string>

#include "auth/revocations.h"
#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "json/json.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr int64_t kForSecondsMax = 366 * 86'400;

// What the body asks for. Errors: kInvalidArgument.
Result<auth::Revocation> Parse(std::string_view body, WallTime now) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(body));
  auth::Revocation revocation{.value = {},
                              .revoked_at = now,
                              .expires_at = now + auth::kRevokedForDefault};
  int named = 0;
  for (const json::Member& member : document.root().members()) {
    if (member.key == "for_seconds") {
      const auto seconds = member.value.AsInt();
      if (!seconds || *seconds < 1 || *seconds > kForSecondsMax) {
        return Fail(ErrorCode::kInvalidArgument, "for_seconds: a whole number of seconds, at most " +
                                                     std::to_string(kForSecondsMax));
      }
      revocation.expires_at = now + std::chrono::seconds{*seconds};
      continue;
    }
    const auto by = auth::ParseRevokedBy(member.key);
    const auto value = member.value.AsString();
    if (!by || !value) break;
    revocation.by = *by;
    revocation.value = *value;
    ++named;
  }
  if (named != 1 || revocation.value.empty() ||
      revocation.value.size() > auth::kRevokedValueBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "one of sub, session_id and jti is needed, a text of at most " +
                    std::to_string(auth::kRevokedValueBytesMax) + " bytes");
  }
  return revocation;
}

void Answer(Connection& connection, const Status& written, const auth::Revocation& revocation) {
  if (!written.ok()) return connection.RespondError(503, written.error().message);
  json::Writer writer;
  writer.Object().Key(auth::ToString(revocation.by)).String(revocation.value);
  writer.Key("revoked_at").String(FormatTimestampMs(revocation.revoked_at));
  writer.Key("expires_at").String(FormatTimestampMs(revocation.expires_at)).End();
  connection.Respond(201, kJson, writer.Take());
}

}  // namespace

void HandleRevoke(Connection& connection) {
  Gateway& gateway = connection.gateway();
  const Gateway::Wiring& wiring = gateway.wiring();
  if (connection.claims()->role != "service_role" || !wiring.revoke) {
    return connection.RespondError(403, "only service_role may revoke");
  }
  auto revocation = Parse(connection.body(), wiring.loop.clock().Wall());
  if (!revocation.ok()) return connection.RespondError(400, revocation.error().message);
  const Status submitted = wiring.revoke(
      *revocation, [&gateway, id = connection.id(), revocation = *revocation](Status written) {
        gateway.wiring().loop.Post([&gateway, id, revocation, written = std::move(written)] {
          Connection* const waiting = gateway.Find(id);
          if (waiting != nullptr && waiting->answering()) Answer(*waiting, written, revocation);
        });
      });
  if (!submitted.ok()) connection.RespondError(503, submitted.error().message);
}

}  // namespace tw::gateway
