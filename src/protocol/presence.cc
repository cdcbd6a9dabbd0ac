#include "protocol/presence.h"

#include "base/strings.h"

namespace tw::protocol {

PresenceEvent PresenceEventOf(const json::Value& payload) {
  const std::string event = ToLower(payload["event"].AsString().value_or(""));
  if (event == "track") return PresenceEvent::kTrack;
  if (event == "untrack") return PresenceEvent::kUntrack;
  return PresenceEvent::kUnknown;
}

std::string TrackedText(const json::Value& object) {
  std::string text;
  for (const json::Member& member : object.members()) {
    if (member.key == "phx_ref" || member.key == "phx_ref_prev") continue;
    text.push_back(',');
    json::AppendString(text, member.key);
    text.push_back(':');
    member.value.AppendTo(text);
  }
  text.push_back('}');
  return text;
}

PresenceMetaText MakePresenceMeta(std::string_view reference, std::string_view previous,
                                  std::string_view tracked) {
  PresenceMetaText meta;
  meta.text.reserve(32 + reference.size() + previous.size() + tracked.size());
  meta.text = "{\"phx_ref\":";
  json::AppendString(meta.text, reference);
  if (!previous.empty()) {
    meta.text += ",\"phx_ref_prev\":";
    json::AppendString(meta.text, previous);
  }
  meta.tracked_at = meta.text.size();
  meta.text += tracked;
  return meta;
}

}  // namespace tw::protocol
