#include "gateway/connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "gateway/credential.h"
#include "gateway/gateway.h"
#include "gateway/routes.h"
#include "gateway/stream_transport.h"
#include "json/json.h"

namespace tw::gateway {
namespace {

// Against DNS rebinding: a page of an attacker's domain that resolves to 127.0.0.1 says its own
// name here.
bool IsLoopbackHost(std::string_view host) {
  if (host.starts_with('[')) return host == "[::1]" || host.starts_with("[::1]:");
  host = host.substr(0, host.find(':'));
  return EqualsIgnoreCase(host, "localhost") || host == "127.0.0.1";
}

}  // namespace

Connection::Connection(Gateway& gateway, uint64_t id, std::unique_ptr<io::Stream> stream)
    : gateway_(gateway),
      id_(id),
      stream_(std::move(stream)),
      request_(std::make_unique<http::RequestParser>()) {
  gateway_.wiring().loop.timers().Arm<&Connection::OnDeadline>(
      deadline_, gateway_.wiring().limits.request_timeout, this);
  constexpr size_t kAnswerBytesMin = 64 * 1024;  // Within the age: 2 KiB/s by default.
  stream_->set_unsent_limit(
      {.age_max = gateway_.wiring().limits.outbox_age_max, .bytes_min = kAnswerBytesMin});
  stream_->Start(*this);
}

Connection::~Connection() = default;

size_t Connection::OnBytes(std::span<char> bytes) {
  if (state_ == State::kRealtime) return realtime_->OnBytes(bytes);
  if (state_ == State::kClosing) return bytes.size();
  if (state_ == State::kAnswering) return 0;  // The next request waits for this one's answer.
  std::string_view rest(bytes.data(), bytes.size());
  reading_ = true;
  // A small request comes whole: several steps, and pipelined ones follow at once.
  for (;;) {
    if (state_ == State::kHead &&
        stream_->unsent_bytes() > gateway_.wiring().limits.outbox_bytes_max) {
      // Requests are small and answers are not: who does not read gets no more of them.
      blocked_ = true;
      break;
    }
    if (state_ == State::kHead && request_started_ == MonoTime{} && !rest.empty()) {
      request_started_ = gateway_.wiring().loop.clock().Mono();
      gateway_.wiring().loop.timers().Arm<&Connection::OnDeadline>(
          deadline_, gateway_.wiring().limits.request_timeout, this);
    }
    const auto parsed = request_->Feed(rest);
    if (parsed == http::RequestParser::State::kFailed) {
      Fail(request_->failure().status, request_->failure().reason);
      return bytes.size();
    }
    if (parsed == http::RequestParser::State::kHeadComplete) {
      OnHead();
    } else if (parsed == http::RequestParser::State::kComplete) {
      OnRequest();
    } else {
      break;
    }
    if (state_ == State::kClosing) return bytes.size();
    if (state_ == State::kAnswering || state_ == State::kRealtime) break;
  }
  reading_ = false;
  return bytes.size() - rest.size();
}

void Connection::OnHead() {
  const http::RequestHead& head = request_->head();
  state_ = State::kBody;
  if (gateway_.wiring().limits.hosts == Hosts::kLoopback && !IsLoopbackHost(head.Header("host"))) {
    return Fail(421, "this development server answers only to localhost");
  }
  size_t limit = 0;
  if (!http::IsPreflight(head.method, head.headers)) {
    const RouteMatch match = FindRoute(head.method, head.path);
    route_ = match.route;
    if (route_ == nullptr) {
      // The body is not read: it belongs to nobody.
      if (match.allowed_methods.empty()) return Fail(404, "there is nothing at this path");
      const http::HeaderView allow[] = {{"Allow", match.allowed_methods}};
      std::string out;
      http::AppendResponse(out, 405, allow, "", http::KeepAlive::kNo);
      return RespondRaw(out, http::KeepAlive::kNo);
    }
    const auto body_bytes_max = BodyLimit(gateway_, *route_, head.path);
    if (!body_bytes_max) return Fail(404, "there is no hook at this path");
    limit = *body_bytes_max;
  }
  if (request_->AcceptBody(limit) == http::RequestParser::State::kFailed) {
    if (route_ != nullptr && route_->body_bytes_max == kHookBody) {
      gateway_.wiring().metrics.hooks_too_large.Add();
    }
    return Fail(request_->failure().status, request_->failure().reason);
  }
  if (head.expects_continue) {
    stream_->Send(io::SharedBytes::Copy("HTTP/1.1 100 Continue\r\n\r\n"));
  }
}

void Connection::OnRequest() {
  gateway_.wiring().metrics.requests.Add();
  deadline_.Cancel();
  state_ = State::kAnswering;
  if (route_ == nullptr) {
    std::string out;
    http::AppendPreflightResponse(out, WantedKeepAlive());
    return RespondRaw(out, WantedKeepAlive());
  }
  if (route_->auth == RouteAuth::kToken && !Authenticate()) return;
  route_->handle(*this);
}

// The one place where a request's token is judged.
bool Connection::Authenticate() {
  const http::RequestHead& request = head();
  const std::string_view token = CredentialOf(request);
  if (token.empty()) {
    RespondError(401, "API key is missing");
    return false;
  }
  auto claims = gateway_.wiring().sessions.verifier.Verify(token);
  if (!claims) {
    RespondError(401, ConnectMessage(claims.error()));
    return false;
  }
  claims_ = std::move(*claims);
  return true;
}

http::KeepAlive Connection::WantedKeepAlive() const {
  return request_->head().keep_alive && !gateway_.draining() ? http::KeepAlive::kYes
                                                             : http::KeepAlive::kNo;
}

void Connection::Respond(int status, std::string_view content_type, std::string_view body,
                         std::span<const http::HeaderView> headers) {
  std::vector<http::HeaderView> all;
  all.reserve(headers.size() + 3);
  if (!content_type.empty()) all.emplace_back("Content-Type", content_type);
  all.push_back(http::kCorsAnyOrigin);
  all.emplace_back("X-Content-Type-Options", "nosniff");
  all.insert(all.end(), headers.begin(), headers.end());
  std::string out;
  const http::KeepAlive keep_alive = WantedKeepAlive();
  http::AppendResponse(out, status, all, body, keep_alive);
  RespondRaw(out, keep_alive);
}

void Connection::RespondError(int status, std::string_view message,
                              std::span<const http::HeaderView> headers) {
  json::Writer writer;
  writer.Object().Key("error").String(message).End();
  Respond(status, "application/json", writer.Take(), headers);
}

void Connection::RespondRaw(std::string_view bytes, http::KeepAlive keep_alive) {
  TW_CHECK(state_ == State::kAnswering || state_ == State::kBody);
  stream_->Send(io::SharedBytes::Copy(bytes));
  FinishAnswer(keep_alive);
}

void Connection::FinishAnswer(http::KeepAlive keep_alive) {
  if (keep_alive == http::KeepAlive::kNo) {
    state_ = State::kClosing;
    return stream_->Close();
  }
  state_ = State::kHead;
  route_ = nullptr;
  claims_ = nullptr;
  request_started_ = {};
  request_->Reset();
  gateway_.wiring().loop.timers().Arm<&Connection::OnDeadline>(
      deadline_, gateway_.wiring().limits.keep_alive_timeout, this);
  // What the client sent meanwhile waits in the stream; OnBytes goes on by itself.
  if (!reading_) stream_->ResumeReading();
}

void Connection::BecomeRealtime(std::string_view response,
                                std::unique_ptr<StreamTransport> realtime) {
  TW_CHECK(state_ == State::kAnswering);
  stream_->Send(io::SharedBytes::Copy(response));
  realtime_ = std::move(realtime);
  state_ = State::kRealtime;
  stream_->set_kept_bytes_max(size_t{64} * 1024);
  realtime_->Attach(*stream_);
  // We may be inside the parser's own call: it goes in a later turn.
  gateway_.wiring().loop.Post([parser = std::move(request_)] {});
  stream_->ResumeReading();
}

void Connection::Fail(int status, std::string_view reason) {
  std::string out;
  http::AppendErrorResponse(out, status, reason, http::KeepAlive::kNo);
  stream_->Send(io::SharedBytes::Copy(out));
  state_ = State::kClosing;
  stream_->Close();
}

void Connection::OnDeadline() {
  // Between two requests nobody waits for an answer.
  if (request_started_ == MonoTime{}) {
    state_ = State::kClosing;
    return stream_->Close();
  }
  Fail(408, "the request did not arrive in time");
}

void Connection::OnDrained() {
  if (state_ == State::kRealtime) return realtime_->OnDrained();
  if (std::exchange(blocked_, false)) stream_->ResumeReading();
}

// Of an answer to a request: its reader takes less than the least that is acceptable.
void Connection::OnUnsentTooOld() {
  if (state_ == State::kRealtime) return realtime_->OnUnsentTooOld();
  gateway_.wiring().metrics.slow_readers.Add();
  state_ = State::kClosing;
  stream_->Abort();
}

void Connection::OnClosed(io::CloseCause) { gateway_.Remove(id_); }

}  // namespace tw::gateway
