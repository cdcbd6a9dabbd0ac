// A TCP connection on a loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/bytes.h"
#include "io/loop.h"
#include "io/tls.h"

namespace tw::io {

// Why a stream ended.
enum class CloseCause : uint8_t {
  kPeerClosed,   // The peer ended its side in order.
  kPeerReset,    // The connection broke.
  kLocal,        // We closed it.
};

// Receives a stream's events. May destroy the stream only from OnClosed, or later.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;

  // Bytes have arrived; returns how many of them were used. The rest is kept and offered again,
  // at the front of more bytes; while a handler uses none, at most `kept_bytes_max` are kept and
  // reading pauses there until ResumeReading. The handler may write into `bytes` (unmasking).
  virtual size_t OnBytes(std::span<char> bytes) = 0;
  // Everything sent has been handed to the kernel.
  virtual void OnDrained() {}
  // Too little of what was sent has been taken by the kernel for too long (UnsentLimit).
  virtual void OnUnsentTooOld() {}
  // The last event. The stream is closed; nothing more can be sent.
  virtual void OnClosed(CloseCause cause) = 0;
};

// Of what waits to be sent, `bytes_min` (or all, if less waits) must go within `age_max`.
struct UnsentLimit {
  std::chrono::milliseconds age_max{0};  // 0: no limit.
  size_t bytes_min = SIZE_MAX;
};

class Stream : public Flushable {
 public:
  ~Stream() override = default;

  // Begins delivering events to `handler`, which must outlive the stream or its OnClosed.
  virtual void Start(StreamHandler& handler) = 0;
  // Queues bytes; they leave at the end of this turn together with all others. Ignored after Close.
  virtual void Send(SharedBytes bytes) = 0;
  // Bytes accepted by Send and not yet taken by the kernel.
  virtual size_t unsent_bytes() const = 0;
  // How many unused input bytes are kept for the handler; default 64 KiB.
  virtual void set_kept_bytes_max(size_t bytes) = 0;
  virtual void ResumeReading() = 0;
  virtual void set_unsent_limit(const UnsentLimit& limit) = 0;
  // The kernel gives the connection up when what it sent is not acknowledged for this long.
  virtual void set_unacknowledged_max(std::chrono::milliseconds time) = 0;

  // Sends what is queued, then closes. OnClosed follows.
  virtual void Close() = 0;
  // Closes at once, dropping what is queued. OnClosed follows in a later turn.
  virtual void Abort() = 0;

  // Of the peer, without port: "127.0.0.1", "::1".
  virtual std::string remote_address() const = 0;
};

// Accepts TCP connections for one loop. Several listeners may share an address (SO_REUSEPORT): the
// kernel spreads connections over them.
class Listener {
 public:
  virtual ~Listener() = default;

  // Whether nobody listens on the address: SO_REUSEPORT alone would let a second process share it
  // unnoticed. Call before the first Listen. Port 0 is always free. Errors: as Listen.
  static Status CheckFree(std::string_view address, uint16_t port);

  // `address` is an IP address, `port` 0 lets the kernel choose. `accept` runs on `loop`'s thread.
  // With `tls`, which outlives the listener, every connection speaks TLS with what is in the slot
  // when it is accepted; a peer that does not finish its handshake within 5 s is gone.
  // Errors: kInvalidArgument (not an IP address), kUnavailable (in use, no permission; the message
  // says which).
  static Result<std::unique_ptr<Listener>> Listen(
      Loop& loop, std::string_view address, uint16_t port,
      Function<void(std::unique_ptr<Stream>)> accept, const TlsSlot* tls = nullptr);

  virtual uint16_t port() const = 0;
  // Stops accepting; call on the loop's thread (or before Run).
  virtual void Stop() = 0;
};

// Opens a connection from `loop`; `done` runs on its thread. Errors: kInvalidArgument,
// kUnavailable.
void Connect(Loop& loop, std::string_view address, uint16_t port,
             Function<void(Result<std::unique_ptr<Stream>>)> done);

}  // namespace tw::io
