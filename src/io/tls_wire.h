// TLS on a socket; only for .cc files of this room.
#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <memory>
#include <span>

#include "io/socket_stream.h"
#include "io/tls.h"

namespace tw::io {

// OpenSSL driven on the descriptor: records are read and written by this room's own calls, and
// between them OpenSSL keeps no buffers (about 10 KiB per idle connection).
class TlsWire {
 public:
  TlsWire(int descriptor, TlsSlot context);

  // What fits into one record of `vectors`, joined.
  WireResult Send(std::span<iovec> vectors);
  WireResult Receive(std::span<char> buffer);
  // Says goodbye (close_notify), if that can be said at once.
  void EndWriting();
  // The handshake is done.
  bool open() const;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  WireResult Told(int result);

  TlsSlot context_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace tw::io
