// Reads requests off a connection, one after the other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/body_reader.h"
#include "http/head_parser.h"
#include "http/head_reader.h"
#include "http/message.h"

namespace tw::http {

// Views live in the parser until Reset.
struct RequestHead {
  std::string_view method;        // As it came; methods are case-sensitive.
  std::string_view target;        // As it came.
  std::string_view path;          // Still percent-encoded; "*" for a server-wide OPTIONS.
  std::string_view query;         // After the first '?', still encoded; empty without one.
  std::string_view http_version;  // "1.0" or "1.1"
  std::span<const HeaderView> headers;
  // The connection may be used again. Never in HTTP/1.0.
  bool keep_alive = false;
  // The client waits for "100 Continue" before it sends the body.
  bool expects_continue = false;

  // The first header of that name, in any case; empty when absent.
  std::string_view Header(std::string_view name) const {
    return FindHeader(headers, name).value_or(std::string_view());
  }
};

//  kHead ──head whole──▶ kHeadComplete ──AcceptBody──▶ kBody ──body whole──▶ kComplete ──Reset──▶
//  kHead
//    └───────────────────────┴──────────────┴─────────── any ──failure──▶ kFailed (end)
//
// Reused for every request of a connection, so that a small request costs no allocation. Bytes
// after a request stay in the input: the next request, or what a WebSocket client sent early.
class RequestParser {
 public:
  enum class State : uint8_t { kHead, kHeadComplete, kBody, kComplete, kFailed };

  RequestParser() = default;
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes bytes off `input`: all of them, unless the state becomes kHeadComplete, kComplete or
  // kFailed. In those three states it takes nothing.
  State Feed(std::string_view& input);

  // In kHeadComplete: accepts a body of at most `body_bytes_max` bytes. Becomes kBody, kComplete
  // when there is none, or kFailed (413) when the announced length is too large.
  State AcceptBody(uint64_t body_bytes_max);

  State state() const { return state_; }
  // From kHeadComplete on.
  const RequestHead& head() const { return head_; }
  // In kComplete. TakeBody moves it out.
  std::string_view body() const { return body_reader_.body(); }
  std::string TakeBody() { return body_reader_.Take(); }
  // In kFailed. The statuses of HeadReader, ParseHead and BodyReader; also 400 for a target that is
  // no path or URL, and for no Host or several in HTTP/1.1 (RFC 9112 §3.2).
  const Failure& failure() const { return failure_; }

  // Ready for the next request.
  void Reset();

 private:
  State FinishHead();
  State Fail(Failure failure);

  HeadReader head_reader_{HeadReader::Kind::kHead};
  BodyReader body_reader_;
  std::vector<HeaderView> headers_;
  RequestHead head_;
  Failure failure_;
  uint64_t content_length_ = 0;
  BodyFraming framing_ = BodyFraming::kNone;
  State state_ = State::kHead;
};

}  // namespace tw::http
