// For tests only: a blocking HTTP and WebSocket client on a plain socket, every wait bounded.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "http/response_parser.h"
#include "websocket/frame.h"

namespace tw::app {

struct Answer {
  int status = 0;  // 0: the connection ended without a whole answer.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (EqualsIgnoreCase(key, name)) return value;
    }
    return "";
  }
};

struct Frame {
  int opcode = -1;  // -1: the connection ended.
  std::string payload;
  // Of a close frame; 0 when it has none.
  int close_code() const {
    if (opcode != 8 || payload.size() < 2) return 0;
    return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  }
};

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval wait{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~TestClient() { ::close(fd_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }

  // False when the peer is gone.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void SendByteByByte(std::string_view bytes) {
    for (const char byte : bytes) ASSERT_TRUE(Send({&byte, 1}));
  }

  // The next whole answer; what follows it is kept.
  Answer ReadAnswer() {
    http::ResponseParser parser;
    for (;;) {
      std::string_view rest = kept_;
      const http::Progress progress = parser.Feed(rest);
      kept_.erase(0, kept_.size() - rest.size());
      if (progress == http::Progress::kFailed) return {};
      if (progress == http::Progress::kDone) {
        Answer answer{.status = parser.status(), .headers = {}, .body = std::string(parser.body())};
        for (const auto& [name, value] : parser.headers()) answer.headers.emplace_back(name, value);
        return answer;
      }
      if (!Receive()) return {};
    }
  }
  Answer Ask(std::string_view request) {
    Send(request);
    return ReadAnswer();
  }

  // The status of an answer without length; its body follows with ReadUntil.
  int AskHead(std::string_view request) {
    Send(request);
    const std::string head = ReadUntil("\r\n\r\n");
    return head.size() < 12 ? 0 : std::atoi(head.c_str() + 9);
  }
  // All up to and with the next `mark`; what came, when the stream ends before.
  std::string ReadUntil(std::string_view mark) {
    size_t at;
    while ((at = kept_.find(mark)) == std::string::npos) {
      if (!Receive()) return std::exchange(kept_, {});
    }
    std::string text = kept_.substr(0, at + mark.size());
    kept_.erase(0, text.size());
    return text;
  }

  // The next frame of the server.
  Frame ReadFrame() {
    if (!Have(2)) return {};
    const int opcode = kept_[0] & 0x0f;
    size_t size = static_cast<unsigned char>(kept_[1]);
    size_t head = 2;
    const size_t length_bytes = size == 127 ? 8 : size == 126 ? 2 : 0;
    if (!Have(head + length_bytes)) return {};
    if (length_bytes > 0) size = 0;
    for (size_t i = 0; i < length_bytes; ++i) {
      size = size << 8 | static_cast<unsigned char>(kept_[head++]);
    }
    if (!Have(head + size)) return {};
    Frame frame{opcode, kept_.substr(head, size)};
    kept_.erase(0, head + size);
    return frame;
  }
  bool SendFrame(websocket::Opcode opcode, std::string_view payload) {
    std::string out;
    websocket::EncodeFrame(out, opcode, payload, websocket::MaskKey{1, 2, 3, 4});
    return Send(out);
  }
  bool SendText(std::string_view text) { return SendFrame(websocket::Opcode::kText, text); }

  // Whether the peer ends the connection, with nothing more to read, within the bound.
  bool ReadsEnd() {
    if (!kept_.empty()) return false;
    char byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }

 private:
  bool Receive() {
    char buffer[16 << 10];
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return false;
    kept_.append(buffer, static_cast<size_t>(got));
    return true;
  }
  bool Have(size_t bytes) {
    while (kept_.size() < bytes) {
      if (!Receive()) return false;
    }
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string kept_;
};

}  // namespace tw::app
