// Realtime messages as server-sent events (HTML Living Standard §9.2) without I/O.
//
// No text can begin a field or an event of its own: data is split at every line end that a reader
// knows (CR, LF, CRLF), and ids and names are ours.
#pragma once

#include <string>
#include <string_view>

#include "io/bytes.h"

namespace tw::gateway {

// Appends one event; `name` empty: "message". `name` has no line end (checked).
void AppendSseEvent(std::string& out, std::string_view name, std::string_view data);
// Appends what makes `id` the reader's last event id, without an event. No line end (checked).
void AppendSseId(std::string& out, std::string_view id);

// A session's frames as events: text as data, binary as the event "binary" in base64. A fan-out
// gives the same frame to one receiver after the other, so the last one is remembered.
class SseEncoder {
 public:
  const io::SharedBytes& Encode(const io::SharedBytes& frame);

 private:
  io::SharedBytes source_;
  io::SharedBytes result_;
};

}  // namespace tw::gateway
