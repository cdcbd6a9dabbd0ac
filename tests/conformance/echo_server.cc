// Test only: answers each WebSocket message with itself, through the program's own stream, HTTP
// parser, handshake and codec, so that suites which need an echo can judge them.
//
//   echo_server PORT     listens on 127.0.0.1 (0: any port) and prints the port; ends at SIGTERM
//   echo_server --cases  prints the conversations of testing_cases.h as JSON lines
//
// permessage-deflate is accepted when offered. Limits are raised to what the suites send.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "http/request_parser.h"
#include "http/response.h"
#include "io/loop.h"
#include "io/stream.h"
#include "json/json.h"
#include "websocket/decoder.h"
#include "websocket/frame_compressor.h"
#include "websocket/handshake.h"
#include "websocket/shared_frame.h"
#include "websocket/testing_cases.h"

namespace tw {
namespace {

using websocket::Event;
using websocket::Opcode;

constexpr uint32_t kMessageBytesMax = 64u << 20;
constexpr uint32_t kFragmentsMax = 1u << 20;

class EchoServer;

class EchoConnection final : public io::StreamHandler {
 public:
  EchoConnection(EchoServer& server, uint64_t id, std::unique_ptr<io::Stream> stream)
      : server_(server), id_(id), stream_(std::move(stream)) {
    stream_->Start(*this);
  }

  size_t OnBytes(std::span<char> bytes) override {
    if (closing_) return bytes.size();
    if (decoder_ == nullptr) return OnRequestBytes({bytes.data(), bytes.size()});
    std::span<char> rest = bytes;
    while (!closing_) {
      const Event event = decoder_->Next(rest);
      if (event.kind == Event::Kind::kNeedMore) break;
      OnEvent(event);
    }
    return closing_ ? bytes.size() : bytes.size() - rest.size();
  }
  void OnClosed(io::CloseCause) override;

 private:
  size_t OnRequestBytes(std::string_view bytes) {
    std::string_view rest = bytes;
    auto state = request_.Feed(rest);
    if (state == http::RequestParser::State::kHeadComplete) state = request_.AcceptBody(0);
    std::string out;
    if (state == http::RequestParser::State::kFailed) {
      http::AppendErrorResponse(out, request_.failure().status, request_.failure().reason,
                                http::KeepAlive::kNo);
      return Refuse(out, bytes.size());
    }
    if (state != http::RequestParser::State::kComplete) return bytes.size() - rest.size();
    const auto& head = request_.head();
    auto upgrade = websocket::ParseUpgrade(
        {.method = head.method, .http_version = head.http_version, .headers = head.headers});
    if (!upgrade) {
      websocket::AppendUpgradeRefusal(out, upgrade.error());
      return Refuse(out, bytes.size());
    }
    deflate_ = websocket::ChooseDeflate(head.headers);
    websocket::AppendUpgradeResponse(out, *upgrade,
                                     deflate_ ? websocket::DeflateAnswer(*deflate_) : "");
    stream_->Send(io::SharedBytes::Copy(out));
    decoder_ = std::make_unique<websocket::Decoder>(
        websocket::Role::kServer,
        websocket::DecoderOptions{.message_bytes_max = kMessageBytesMax,
                                  .fragments_max = kFragmentsMax,
                                  .inflated_bytes_max = deflate_ ? kMessageBytesMax : 0});
    stream_->ResumeReading();
    return bytes.size() - rest.size();
  }

  size_t Refuse(std::string_view response, size_t used) {
    closing_ = true;
    stream_->Send(io::SharedBytes::Copy(response));
    stream_->Close();
    return used;
  }

  void OnEvent(const Event& event) {
    switch (event.kind) {
      case Event::Kind::kNeedMore:
      case Event::Kind::kPong: return;
      case Event::Kind::kText: return Echo(Opcode::kText, event.payload);
      case Event::Kind::kBinary: return Echo(Opcode::kBinary, event.payload);
      case Event::Kind::kPing: return Echo(Opcode::kPong, event.payload);
      case Event::Kind::kClose: return CloseWith(event.code, {});
      case Event::Kind::kError: return CloseWith(event.code, event.payload);
    }
  }

  void Echo(Opcode opcode, std::string_view payload);

  void CloseWith(websocket::CloseCode code, std::string_view reason) {
    stream_->Send(websocket::ShareFrame(Opcode::kClose, websocket::ClosePayload(code, reason)));
    closing_ = true;
    stream_->Close();
  }

  EchoServer& server_;
  const uint64_t id_;
  std::unique_ptr<io::Stream> stream_;
  http::RequestParser request_;
  std::optional<websocket::DeflateAgreement> deflate_;
  std::unique_ptr<websocket::Decoder> decoder_;
  bool closing_ = false;
};

class EchoServer {
 public:
  int Run(uint16_t port) {
    auto listener = io::Listener::Listen(
        loop_, "127.0.0.1", port, [this](std::unique_ptr<io::Stream> stream) {
          const uint64_t id = next_id_++;
          connections_.emplace(id, std::make_unique<EchoConnection>(*this, id, std::move(stream)));
        });
    if (!listener.ok()) {
      std::fprintf(stderr, "%s\n", listener.error().message.c_str());
      return 1;
    }
    std::printf("%u\n", static_cast<unsigned>((*listener)->port()));
    std::fflush(stdout);
    loop_.Run();
    return 0;
  }
  void Remove(uint64_t id) {
    loop_.Post([this, id] { connections_.erase(id); });
  }
  websocket::FrameCompressor& compressor() { return compressor_; }

 private:
  io::Loop loop_{SystemClock()};
  websocket::FrameCompressor compressor_{{}};
  std::unordered_map<uint64_t, std::unique_ptr<EchoConnection>> connections_;
  uint64_t next_id_ = 1;
};

void EchoConnection::OnClosed(io::CloseCause) { server_.Remove(id_); }

void EchoConnection::Echo(Opcode opcode, std::string_view payload) {
  const io::SharedBytes frame = websocket::ShareFrame(opcode, payload);
  const bool data = opcode == Opcode::kText || opcode == Opcode::kBinary;
  stream_->Send(data && deflate_ ? server_.compressor().Compress(frame, deflate_->window_bits)
                                 : frame);
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    out += kDigits[static_cast<uint8_t>(byte) >> 4];
    out += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return out;
}

int PrintCases() {
  for (const auto& test : websocket::AllCases()) {
    json::Writer w;
    w.Object().Key("name").String(test.name).Key("stream").String(Hex(test.stream));
    w.Key("events").Array();
    for (const auto& event : test.events) w.String(Hex(event));
    w.End().End();
    std::printf("%s\n", w.Take().c_str());
  }
  return 0;
}

}  // namespace
}  // namespace tw

int main(int count, char** arguments) {
  if (count != 2) return std::fprintf(stderr, "usage: echo_server PORT | --cases\n"), 2;
  if (std::string_view(arguments[1]) == "--cases") return tw::PrintCases();
  std::signal(SIGPIPE, SIG_IGN);
  return tw::EchoServer().Run(static_cast<uint16_t>(std::atoi(arguments[1])));
}
