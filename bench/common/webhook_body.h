// Webhook bodies as the outreach platform of examples/outreach sends them: seven event types,
// compact JSON of 600 to 720 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/common/phoenix.h"

namespace tw::bench {

enum class EventType : uint8_t {
  kEmailSent,
  kManualEmailSent,
  kEmailOpened,
  kContactReplied,
  kLeadInterested,
  kContactUnsubscribed,
  kEmailBounced,
};
inline constexpr size_t kEventTypes = 7;

// The name in `event.type`.
std::string_view NameOf(EventType type);

// Whether the event writes a row of `client_leads`; the others only count.
bool WritesLead(EventType type);

struct Workspace {
  uint32_t id;
  std::string_view name;
};
inline constexpr std::array<Workspace, 2> kWorkspaces = {{{37, "Northwind"}, {38, "Contoso"}}};

// The body for event number `sequence`. Every number has its own lead and its own ids, and the same
// arguments give the same bytes. The lead's first name is the stamp. `run` keeps several runs
// against one server apart.
std::string MakeWebhookBody(EventType type, const Workspace& workspace, uint64_t run, Stamp stamp);

// Headers of the Standard Webhooks scheme v1 over `body`: HMAC-SHA256 of "<id>.<timestamp>.<body>".
class WebhookSigner {
 public:
  // `secret` is `whsec_` and base64, as the specification writes it. Dies on anything else.
  explicit WebhookSigner(std::string_view secret);

  // Whole header lines, each ending in CRLF.
  std::string Headers(uint64_t id, std::string_view body) const;

 private:
  std::string key_;
};

}  // namespace tw::bench
