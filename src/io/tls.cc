#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"
#include "io/tls_wire.h"

namespace tw::io {
namespace {

constexpr size_t kRecordBytesMax = 16 * 1024;

std::string LastError() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "nothing of the kind in the file";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;

BioPtr Reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Never asks a terminal for a passphrase: an encrypted key is an error.
int NoPassphrase(char*, int, int, void*) { return -1; }

Status UseChain(SSL_CTX* context, std::string_view chain) {
  const BioPtr reader = Reader(chain);
  bool first = true;
  while (X509* certificate = PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr)) {
    const bool used = first ? SSL_CTX_use_certificate(context, certificate) == 1
                            : SSL_CTX_add1_chain_cert(context, certificate) == 1;
    X509_free(certificate);
    if (!used) return Fail(ErrorCode::kInvalidArgument, "certificate: " + LastError());
    first = false;
  }
  if (first) return Fail(ErrorCode::kInvalidArgument, "certificate: " + LastError());
  ERR_clear_error();  // Of the end of the file.
  return {};
}

Status UseKey(SSL_CTX* context, std::string_view text) {
  const BioPtr reader = Reader(text);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassphrase, nullptr);
  if (key == nullptr) return Fail(ErrorCode::kInvalidArgument, "key: " + LastError());
  const bool used = SSL_CTX_use_PrivateKey(context, key) == 1;
  EVP_PKEY_free(key);
  if (!used || SSL_CTX_check_private_key(context) != 1) {
    return Fail(ErrorCode::kInvalidArgument, "key: it is not the certificate's: " + LastError());
  }
  return {};
}

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                   const unsigned char* offered, unsigned int offered_bytes, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, chosen_bytes, kHttp11, sizeof(kHttp11) - 1, offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

// OpenSSL's own socket BIO writes with write(2), which can raise SIGPIPE.
int BioWrite(BIO* bio, const char* bytes, int size) {
  const int descriptor = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t sent =
      send(descriptor, bytes, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(sent);
}

int BioRead(BIO* bio, char* bytes, int size) {
  const int descriptor = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(descriptor, bytes, static_cast<size_t>(size), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  return static_cast<int>(got);
}

long BioControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidewire socket");
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::Create(std::string_view certificate_chain,
                                                             std::string_view private_key) {
  std::shared_ptr<const TlsContext> context(new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* const native = context->native();
  TW_CHECK(native != nullptr);
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Tickets let clients resume; a cache of sessions would be memory per client.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(native, 1);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(native, ChooseProtocol, nullptr);
  TW_RETURN_IF_ERROR(UseChain(native, certificate_chain));
  TW_RETURN_IF_ERROR(UseKey(native, private_key));
  return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsWire::TlsWire(int descriptor, TlsSlot context)
    : context_(std::move(context)), ssl_(SSL_new(context_->native())) {
  BIO* const bio = BIO_new(SocketMethod());
  TW_CHECK(ssl_ != nullptr && bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

bool TlsWire::open() const { return SSL_is_init_finished(ssl_.get()) == 1; }

WireResult TlsWire::Told(int result) {
  if (result > 0) return {WireState::kMoved, static_cast<size_t>(result)};
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  switch (error) {
    case SSL_ERROR_WANT_READ: return {WireState::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE: return {WireState::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN: return {WireState::kEnded, 0};
    default: return {WireState::kBroken, 0};
  }
}

WireResult TlsWire::Send(std::span<iovec> vectors) {
  // One record takes many frames: its header and tag cost more than a copy. After kWantWrite the
  // same bytes come again, perhaps with more behind them, which OpenSSL allows.
  if (vectors.size() == 1 || vectors[0].iov_len >= kRecordBytesMax) {
    const size_t size = std::min(vectors[0].iov_len, kRecordBytesMax);
    return Told(SSL_write(ssl_.get(), vectors[0].iov_base, static_cast<int>(size)));
  }
  std::array<char, kRecordBytesMax> record;
  size_t size = 0;
  for (const iovec& vector : vectors) {
    const size_t part = std::min(vector.iov_len, record.size() - size);
    std::memcpy(record.data() + size, vector.iov_base, part);
    size += part;
    if (size == record.size()) break;
  }
  return Told(SSL_write(ssl_.get(), record.data(), static_cast<int>(size)));
}

WireResult TlsWire::Receive(std::span<char> buffer) {
  return Told(SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size())));
}

void TlsWire::EndWriting() {
  if (open()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace tw::io
