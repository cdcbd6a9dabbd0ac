// Test-only: a fresh self-signed certificate, and a blocking TLS client.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace tw::io {

struct TestCertificate {
  std::string certificate;  // PEM
  std::string key;
};

// Of a new P-256 key, for `name`, valid for a day.
inline TestCertificate MakeTestCertificate(const char* name = "localhost") {
  const auto text = [](auto&& write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string pem(bytes, static_cast<size_t>(size));
    BIO_free(bio);
    return pem;
  };
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const x509 = X509_new();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -60);
  X509_gmtime_adj(X509_getm_notAfter(x509), 86'400);
  X509_NAME* const subject = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(x509, subject);
  X509_set_pubkey(x509, key);
  X509_sign(x509, key, EVP_sha256());
  TestCertificate made{
      .certificate = text([&](BIO* bio) { PEM_write_bio_X509(bio, x509); }),
      .key = text([&](BIO* bio) {
        PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
      })};
  X509_free(x509);
  EVP_PKEY_free(key);
  return made;
}

// Every wait ends after five seconds.
class TestTlsClient {
 public:
  // `protocols` are what ALPN offers, each with its length before it; empty: no ALPN.
  explicit TestTlsClient(uint16_t port, int version_max = TLS1_3_VERSION,
                         std::string_view protocols = "")
      : descriptor_(socket(AF_INET, SOCK_STREAM, 0)), context_(SSL_CTX_new(TLS_client_method())) {
    const timeval wait{5, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, version_max);
    SSL_CTX_set_security_level(context_, 0);  // Old versions can be offered only so.
    ssl_ = SSL_new(context_);
    if (!protocols.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
    }
    SSL_set_fd(ssl_, descriptor_);
    if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      connected_ = SSL_connect(ssl_) == 1;
    }
  }
  ~TestTlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(descriptor_);
  }
  TestTlsClient(const TestTlsClient&) = delete;
  TestTlsClient& operator=(const TestTlsClient&) = delete;

  bool connected() const { return connected_; }
  SSL* ssl() { return ssl_; }
  bool Send(std::string_view bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  // Reads until `size` bytes are there or the peer ended.
  std::string Read(size_t size) {
    std::string got(size, '\0');
    size_t at = 0;
    while (at < size) {
      const int read = SSL_read(ssl_, got.data() + at, static_cast<int>(size - at));
      if (read <= 0) break;
      at += static_cast<size_t>(read);
    }
    got.resize(at);
    return got;
  }
  std::string PeerName() {
    X509* const certificate = SSL_get1_peer_certificate(ssl_);
    char name[64] = {};
    if (certificate != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                sizeof name);
    }
    X509_free(certificate);
    return name;
  }

 private:
  int descriptor_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
};

}  // namespace tw::io
