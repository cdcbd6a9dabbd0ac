// A session's way over one open connection: the bounded outbox, the pace of replays. What is sent in
// which form is the derived class' own: WebSocket frames (realtime_connection.h), server-sent events
// (sse_connection.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "io/stream.h"
#include "io/timer_wheel.h"
#include "session/session.h"

namespace tw::gateway {

class Gateway;

class StreamTransport : public session::Transport {
 public:
  // `id` is the connection's that this belongs to.
  StreamTransport(Gateway& gateway, uint64_t id);
  ~StreamTransport() override;

  // The connection carries this transport from here on; `stream` outlives it.
  virtual void Attach(io::Stream& stream);
  // Bytes from the client; returns how many were used.
  virtual size_t OnBytes(std::span<char> bytes) = 0;
  // Tells the client that the server goes, and closes in a way that brings it back.
  virtual void Drain() = 0;

  // Everything sent has been handed to the kernel.
  void OnDrained();
  // Something has waited in the outbox for longer than outbox_age_max.
  void OnUnsentTooOld();
  bool Congested() override;

 protected:
  // Sends bytes with what else is due in this turn; a client that does not read is cut off.
  void Queue(const io::SharedBytes& bytes) {
    if (closing_) return;
    if (stream_->unsent_bytes() + bytes.size() > outbox_bytes_max_) [[unlikely]] {
      return QueueBeyond(bytes);
    }
    stream_->Send(bytes);
  }
  void Abort();
  virtual session::Session& session() = 0;

  Gateway& gateway_;
  const uint64_t id_;
  io::Stream* stream_ = nullptr;
  bool closing_ = false;

 private:
  void OnOld();
  void CutSlow(std::string_view limit);
  void QueueBeyond(const io::SharedBytes& bytes);
  void BeginLag();
  void EndLag();

  size_t outbox_bytes_max_;  // 0 while lagging: then nothing goes without a second look.
  bool lagging_ = false;     // Frames had no room; Session::Resync follows.
  io::Timer age_;
  bool resume_wanted_ = false;  // A replay waits until everything is sent.
};

}  // namespace tw::gateway
