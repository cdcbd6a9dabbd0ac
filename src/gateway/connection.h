// One accepted connection: HTTP requests one after the other, or a realtime client.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/request_parser.h"
#include "http/response.h"
#include "io/stream.h"
#include "io/timer_wheel.h"
#include "ingest/webhook/endpoint.h"
#include "model/claims.h"

namespace tw::gateway {

class Gateway;
class StreamTransport;
struct Route;

//  kHead ──head──▶ kBody ──whole request──▶ kAnswering ──Respond──▶ kHead       any ──▶ kClosing
//    └──upgrade──▶ kRealtime
class Connection final : public io::StreamHandler {
 public:
  Connection(Gateway& gateway, uint64_t id, std::unique_ptr<io::Stream> stream);
  ~Connection() override;

  // The whole request that is being answered.
  const http::RequestHead& head() const { return request_->head(); }
  std::string_view body() const { return request_->body(); }

  // Answers the request; exactly once per request, now or later.
  void Respond(int status, std::string_view content_type, std::string_view body,
               std::span<const http::HeaderView> headers = {});
  // {"error":<message>}
  void RespondError(int status, std::string_view message,
                    std::span<const http::HeaderView> headers = {});
  // Bytes of a whole response, for answers that are no ordinary ones.
  void RespondRaw(std::string_view bytes, http::KeepAlive keep_alive);
  // From requests to a realtime client; `response` is the 101 or the head of an endless answer.
  void BecomeRealtime(std::string_view response, std::unique_ptr<StreamTransport> realtime);

  // Of a route that needs a token.
  const ClaimsPtr& claims() const { return claims_; }
  // What a hook's sender gets once its delivery is durable.
  ingest::HookReply& pending_reply() { return pending_reply_; }
  bool answering() const { return state_ == State::kAnswering; }
  uint64_t id() const { return id_; }
  Gateway& gateway() { return gateway_; }
  io::Stream& stream() { return *stream_; }
  StreamTransport* realtime() { return realtime_.get(); }
  MonoTime request_started() const { return request_started_; }

  size_t OnBytes(std::span<char> bytes) override;
  void OnDrained() override;
  void OnUnsentTooOld() override;
  void OnClosed(io::CloseCause cause) override;

 private:
  enum class State : uint8_t { kHead, kBody, kAnswering, kRealtime, kClosing };

  void OnHead();
  void OnRequest();
  bool Authenticate();
  void OnDeadline();
  void Fail(int status, std::string_view reason);
  void FinishAnswer(http::KeepAlive keep_alive);
  http::KeepAlive WantedKeepAlive() const;

  Gateway& gateway_;
  const uint64_t id_;
  std::unique_ptr<io::Stream> stream_;
  std::unique_ptr<http::RequestParser> request_;  // Null once realtime.
  std::unique_ptr<StreamTransport> realtime_;
  const Route* route_ = nullptr;
  ClaimsPtr claims_;
  ingest::HookReply pending_reply_;
  MonoTime request_started_{};
  io::Timer deadline_;
  State state_ = State::kHead;
  bool reading_ = false;  // Inside OnBytes.
  bool blocked_ = false;  // Requests wait until the answers before them are sent.
};

}  // namespace tw::gateway
