#include "bench/common/phoenix.h"

#include <cstring>

namespace tw::bench {
namespace {

constexpr std::string_view kMarker = "tw~";
constexpr size_t kSequenceDigits = 10;
constexpr size_t kTimeDigits = 19;

void WriteDigits(uint64_t value, char* out, size_t digits) {
  for (size_t i = digits; i > 0; --i, value /= 10) out[i - 1] = static_cast<char>('0' + value % 10);
}

uint64_t ReadDigits(const char* in, size_t digits) {
  uint64_t value = 0;
  for (size_t i = 0; i < digits; ++i) value = value * 10 + static_cast<uint64_t>(in[i] - '0');
  return value;
}

bool IsStampAt(std::string_view text, size_t offset) {
  if (offset > text.size() || text.size() - offset < kStampSize) return false;
  const char* at = text.data() + offset;
  return std::memcmp(at, kMarker.data(), kMarker.size()) == 0 &&
         at[kMarker.size() + kSequenceDigits] == '~' && at[kStampSize - 1] == '~';
}

}  // namespace

void WriteStamp(Stamp stamp, char* out) {
  std::memcpy(out, kMarker.data(), kMarker.size());
  WriteDigits(stamp.sequence, out + kMarker.size(), kSequenceDigits);
  out[kMarker.size() + kSequenceDigits] = '~';
  WriteDigits(stamp.sent_ns, out + kMarker.size() + kSequenceDigits + 1, kTimeDigits);
  out[kStampSize - 1] = '~';
}

std::string ToString(Stamp stamp) {
  std::string text(kStampSize, ' ');
  WriteStamp(stamp, text.data());
  return text;
}

std::optional<Stamp> FindStamp(std::string_view text, size_t& hint) {
  if (!IsStampAt(text, hint)) {
    size_t offset = text.find(kMarker);
    while (offset != text.npos && !IsStampAt(text, offset)) offset = text.find(kMarker, offset + 1);
    if (offset == text.npos) return std::nullopt;
    hint = offset;
  }
  const char* digits = text.data() + hint + kMarker.size();
  return Stamp{static_cast<uint32_t>(ReadDigits(digits, kSequenceDigits)),
               ReadDigits(digits + kSequenceDigits + 1, kTimeDigits)};
}

std::string JoinMessage(std::string_view topic, std::string_view payload) {
  return "[\"1\",\"1\",\"realtime:" + std::string(topic) + "\",\"phx_join\"," +
         std::string(payload) + "]";
}

BroadcastTemplate MakeBroadcast(std::string_view topic, size_t size) {
  BroadcastTemplate message;
  message.text =
      "[null,null,\"realtime:" + std::string(topic) +
      "\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"m\",\"payload\":{\"stamp\":\"";
  message.stamp_offset = message.text.size();
  message.text += ToString(Stamp{}) + "\",\"fill\":\"";
  constexpr std::string_view kEnd = "\"}}]";
  if (message.text.size() + kEnd.size() < size) {
    message.text.append(size - kEnd.size() - message.text.size(), 'x');
  }
  message.text += kEnd;
  return message;
}

ControlKind Classify(std::string_view text) {
  const auto has = [text](std::string_view part) { return text.find(part) != text.npos; };
  if (has("\"phx_reply\"")) {
    return has("\"status\":\"ok\"") ? ControlKind::kJoined : ControlKind::kRefused;
  }
  if (has("\"phx_error\"") || has("\"phx_close\"")) return ControlKind::kChannelError;
  if (has("\"system\"")) {
    if (has("Subscribed to PostgreSQL")) return ControlKind::kSubscribed;
    if (has("\"status\":\"error\"")) return ControlKind::kChannelError;
  }
  return ControlKind::kOther;
}

}  // namespace tw::bench
