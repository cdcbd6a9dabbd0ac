#include "client/wire.h"

#include <array>
#include <charconv>
#include <deque>
#include <utility>
#include <variant>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "base/strings.h"
#include "crypto/encoding.h"
#include "websocket/decoder.h"
#include "websocket/frame.h"
#include "websocket/handshake.h"

namespace tw::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr size_t kHeadBytesMax = 16 * 1024;
constexpr size_t kReadBytes = 64 * 1024;
constexpr int kAbnormal = 1006;

// The connection itself; lives as long as an operation of it does. After Drop it tells nothing.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
  Socket(asio::io_context& io, asio::ssl::context& tls, Random& random, WireOptions options,
         WireEvents events)
      : options_(std::move(options)),
        events_(std::move(events)),
        random_(random),
        resolver_(io),
        stream_(io, tls),
        decoder_(websocket::Role::kClient, {.message_bytes_max = options_.message_bytes_max}) {}

  void Start() {
    resolver_.async_resolve(
        options_.address.host, options_.address.port,
        [self = shared_from_this()](const ErrorCode& error, const auto& found) {
          if (self->Failed(error)) return;
          asio::async_connect(self->stream_.next_layer(), found,
                              [self](const ErrorCode& failed, const tcp::endpoint&) {
                                if (!self->Failed(failed)) self->OnConnected();
                              });
        });
  }

  void Send(websocket::Opcode opcode, std::string_view payload) {
    if (dropped_) return;
    websocket::MaskKey mask;
    const uint64_t bits = random_.Next();
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = static_cast<char>(bits >> (8 * i));
    std::string frame;
    websocket::EncodeFrame(frame, opcode, payload, mask);
    unsent_.push_back(std::move(frame));
    if (unsent_.size() == 1) Write();
  }

  void Close(int code, std::string_view reason) {
    if (!dropped_ && upgraded_) {
      Send(websocket::Opcode::kClose,
           websocket::ClosePayload(static_cast<websocket::CloseCode>(code), reason));
    }
    Drop();
    // Whatever has not left by now will not be missed.
    if (unsent_.empty()) return Shut();
    closing_ = true;
  }

 private:
  void OnConnected() {
    ErrorCode ignored;
    stream_.next_layer().set_option(tcp::no_delay(true), ignored);
    if (!options_.address.tls) return Upgrade();
    const std::string& host = options_.address.host;
    // Server Name Indication, RFC 6066 §3: names only, but OpenSSL takes an address without harm.
    SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str());
    stream_.set_verify_mode(asio::ssl::verify_peer);
    stream_.set_verify_callback(asio::ssl::host_name_verification(host));
    stream_.async_handshake(asio::ssl::stream_base::client,
                            [self = shared_from_this()](const ErrorCode& error) {
                              if (!self->Failed(error)) self->Upgrade();
                            });
  }

  void Upgrade() {
    std::string key(16, '\0');
    for (char& byte : key) byte = static_cast<char>(random_.Next());
    key_ = key;
    const Address& address = options_.address;
    std::string host = address.host.contains(':') ? "[" + address.host + "]" : address.host;
    host += ":" + address.port;
    std::string request;
    websocket::AppendUpgradeRequest(request, host, options_.target, key);
    unsent_.push_back(std::move(request));
    Write();
    ReadHead();
  }

  void ReadHead() {
    ReadSome([this] {
      const std::string_view seen(input_.data(), filled_);
      const size_t end = seen.find("\r\n\r\n");
      if (end == seen.npos) {
        if (filled_ > kHeadBytesMax) return Lose(kAbnormal, "The answer has no end.");
        return ReadHead();
      }
      if (!Judge(seen.substr(0, end))) return;
      const size_t used = end + 4;
      std::copy(input_.begin() + static_cast<ptrdiff_t>(used),
                input_.begin() + static_cast<ptrdiff_t>(filled_), input_.begin());
      filled_ -= used;
      upgraded_ = true;
      events_.opened();
      if (!dropped_) Decode();
    });
  }

  // Whether the answer opens a WebSocket (RFC 6455 §4.1).
  bool Judge(std::string_view head) {
    int status = 0;
    if (head.starts_with("HTTP/1.") && head.size() >= 12) {
      std::from_chars(head.data() + 9, head.data() + 12, status);
    }
    const std::string lower = ToLower(head);
    const size_t at = lower.find("\r\nsec-websocket-accept:");
    std::string_view accept;
    if (at != lower.npos) {
      accept = head.substr(at + 23);
      accept = Trim(accept.substr(0, accept.find("\r\n")));
    }
    if (status == 101 && accept == websocket::AcceptKey(crypto::EncodeBase64(key_))) return true;
    if (status != 101) events_.refused(status);
    Lose(kAbnormal, "The server answered " + std::to_string(status) + ".");
    return false;
  }

  void Decode() {
    std::span<char> rest(input_.data(), filled_);
    size_t wanted = 0;
    while (!dropped_) {
      const websocket::Event event = decoder_.Next(rest);
      using Kind = websocket::Event::Kind;
      if (event.kind == Kind::kNeedMore) {
        wanted = event.bytes_missing;
        break;
      }
      if (event.kind == Kind::kText) events_.message(event.payload);
      if (event.kind == Kind::kPing) Send(websocket::Opcode::kPong, event.payload);
      if (event.kind == Kind::kClose || event.kind == Kind::kError) {
        return Lose(static_cast<int>(event.code), std::string(event.payload));
      }
    }
    if (dropped_) return;
    std::copy(rest.begin(), rest.end(), input_.begin());
    filled_ = rest.size();
    if (filled_ + wanted > input_.size()) input_.resize(filled_ + wanted);
    ReadSome([this] { Decode(); });
  }

  template <typename Next>
  void ReadSome(Next next) {
    if (input_.size() - filled_ < kReadBytes) input_.resize(filled_ + kReadBytes);
    const auto room = asio::buffer(input_.data() + filled_, input_.size() - filled_);
    const auto handler = [self = shared_from_this(), next](const ErrorCode& error, size_t bytes) {
      if (self->Failed(error)) return;
      self->filled_ += bytes;
      next();
    };
    if (options_.address.tls) stream_.async_read_some(room, handler);
    else stream_.next_layer().async_read_some(room, handler);
  }

  void Write() {
    const auto bytes = asio::buffer(unsent_.front());
    const auto handler = [self = shared_from_this()](const ErrorCode& error, size_t) {
      self->OnWritten(error);
    };
    if (options_.address.tls) asio::async_write(stream_, bytes, handler);
    else asio::async_write(stream_.next_layer(), bytes, handler);
  }

  void OnWritten(const ErrorCode& error) {
    unsent_.pop_front();
    if (error) {
      if (closing_) return Shut();
      (void)Failed(error);
    } else if (!unsent_.empty()) {
      Write();
    } else if (closing_) {
      Shut();
    }
  }

  bool Failed(const ErrorCode& error) {
    if (dropped_) return true;
    if (error) Lose(kAbnormal, error.message());
    return static_cast<bool>(error);
  }

  void Lose(int code, std::string reason) {
    if (dropped_) return;
    Drop();
    Shut();
    events_.lost(code, std::move(reason));
  }

  void Drop() {
    dropped_ = true;
    resolver_.cancel();
  }

  void Shut() {
    ErrorCode ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.next_layer().close(ignored);
  }

  const WireOptions options_;
  const WireEvents events_;
  Random& random_;
  tcp::resolver resolver_;
  asio::ssl::stream<tcp::socket> stream_;
  websocket::Decoder decoder_;
  std::string key_;
  std::vector<char> input_;
  size_t filled_ = 0;
  std::deque<std::string> unsent_;
  bool upgraded_ = false;
  bool dropped_ = false;
  bool closing_ = false;
};

class SocketWire final : public Wire {
 public:
  explicit SocketWire(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}
  ~SocketWire() override { socket_->Close(static_cast<int>(websocket::CloseCode::kNormal), ""); }
  void Send(std::string_view text) override { socket_->Send(websocket::Opcode::kText, text); }
  void Close(int code, std::string_view reason) override { socket_->Close(code, reason); }

 private:
  std::shared_ptr<Socket> socket_;
};

}  // namespace

std::unique_ptr<Wire> OpenWire(asio::io_context& io, asio::ssl::context& tls, Random& random,
                               WireOptions options, WireEvents events) {
  auto socket = std::make_shared<Socket>(io, tls, random, std::move(options), std::move(events));
  socket->Start();
  return std::make_unique<SocketWire>(std::move(socket));
}

}  // namespace tw::client
