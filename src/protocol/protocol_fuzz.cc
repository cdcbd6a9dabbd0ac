// What a realtime client may send, in both versions and as binary: refused or read, never a crash;
// what was read is within its limits and is answered with JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/broadcast.h"
#include "protocol/join.h"
#include "protocol/message.h"

namespace {

using namespace tw;

void Read(std::string_view text, protocol::Version version) {
  const auto message = protocol::ParseClientMessage(text, version);
  if (!message.ok()) return;
  (void)protocol::AccessTokenOf(message->payload);
  const std::string reply = protocol::EncodeReply(
      version, {message->join_ref, message->ref, message->topic}, protocol::ReplyStatus::kOk, "{}");
  TW_CHECK(json::Parse(reply).ok());
  const auto join = protocol::ParseJoin(message->payload);
  if (!join.ok()) return;
  for (const auto& binding : join->bindings) {
    TW_CHECK(binding.id >= 1 && binding.id < (int64_t{1} << 27));
    TW_CHECK(json::Parse(binding.echo).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Read(text, protocol::Version::kV1);
  Read(text, protocol::Version::kV2);
  (void)protocol::ParseVersion(text);
  const auto push = protocol::ParseUserBroadcastPush(text);
  if (push.ok()) TW_CHECK(push->topic.size() + push->event.size() + push->payload.size() <= size);
  return 0;
}
