#include "gateway/sse_event.h"

#include "base/check.h"
#include "crypto/encoding.h"
#include "websocket/shared_frame.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kLineEnds{"\r\n\0", 3};

}  // namespace

void AppendSseEvent(std::string& out, std::string_view name, std::string_view data) {
  TW_CHECK(name.find_first_of(kLineEnds) == std::string_view::npos);
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  for (;;) {
    const size_t end = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    const bool pair = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (pair ? 2 : 1));
  }
  out.append("\n");
}

void AppendSseId(std::string& out, std::string_view id) {
  TW_CHECK(id.find_first_of(kLineEnds) == std::string_view::npos);
  out.append("id: ").append(id).append("\n\n");
}

const io::SharedBytes& SseEncoder::Encode(const io::SharedBytes& frame) {
  // The source is held, so no other frame can lie at its address.
  if (source_ && source_.view().data() == frame.view().data()) return result_;
  const std::string_view payload = websocket::PayloadOf(frame);
  std::string out;
  if (websocket::OpcodeOf(frame) == websocket::Opcode::kBinary) {
    AppendSseEvent(out, "binary", crypto::EncodeBase64(payload));
  } else {
    AppendSseEvent(out, {}, payload);
  }
  source_ = frame;
  result_ = io::SharedBytes::Copy(out);
  return result_;
}

}  // namespace tw::gateway
