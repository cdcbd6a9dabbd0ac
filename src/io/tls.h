// TLS for accepted connections: a certificate chain and its key.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

struct ssl_ctx_st;

namespace tw::io {

// TLS 1.2 or newer, ALPN "http/1.1", no renegotiation. Immutable; loops share it.
class TlsContext {
 public:
  // Both as PEM; the chain begins with the server's own certificate.
  // Errors: kInvalidArgument (no certificate, no key, the key is another certificate's).
  static Result<std::shared_ptr<const TlsContext>> Create(std::string_view certificate_chain,
                                                          std::string_view private_key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* native() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

// A loop's present context, replaced on that loop when certificates are read anew. Connections keep
// the one that they began with.
using TlsSlot = std::shared_ptr<const TlsContext>;

}  // namespace tw::io
