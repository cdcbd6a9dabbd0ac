#include "http/request_parser.h"

#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace tw::http {
namespace {

// The part of a target from its path on; empty when it is neither a path nor a URL (RFC 9112 §3.2).
std::string_view PathAndQuery(std::string_view method, std::string_view target) {
  if (target.starts_with('/')) return target;
  if (target == "*" && method == "OPTIONS") return target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!EqualsIgnoreCase(target.substr(0, scheme.size()), scheme)) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    return target[path] == '/' ? target.substr(path) : std::string_view();
  }
  return {};
}

}  // namespace

RequestParser::State RequestParser::Fail(Failure failure) {
  failure_ = failure;
  return state_ = State::kFailed;
}

RequestParser::State RequestParser::Feed(std::string_view& input) {
  switch (state_) {
    case State::kHead:
      switch (head_reader_.Feed(input)) {
        case Progress::kNeedMore:
          return state_;
        case Progress::kDone:
          return FinishHead();
        case Progress::kFailed:
          return Fail(head_reader_.failure());
      }
      break;
    case State::kBody:
      switch (body_reader_.Feed(input)) {
        case Progress::kNeedMore:
          return state_;
        case Progress::kDone:
          return state_ = State::kComplete;
        case Progress::kFailed:
          return Fail(body_reader_.failure());
      }
      break;
    case State::kHeadComplete:
    case State::kComplete:
    case State::kFailed:
      return state_;
  }
  TW_UNREACHABLE();
}

RequestParser::State RequestParser::FinishHead() {
  auto parsed = ParseHead(head_reader_.text(), HeadKind::kRequest, std::move(headers_));
  if (!parsed) return Fail(parsed.error());
  headers_ = std::move(parsed->headers);
  framing_ = parsed->framing;
  content_length_ = parsed->content_length;

  const std::string_view path_and_query = PathAndQuery(parsed->method, parsed->target);
  if (path_and_query.empty()) return Fail({400, "target is neither a path nor a URL"});
  if (parsed->target.find('#') != std::string_view::npos) {
    return Fail({400, "target with a fragment"});
  }
  size_t hosts = 0;
  bool expects_continue = false;
  for (const auto& [name, value] : headers_) {
    if (EqualsIgnoreCase(name, "host")) ++hosts;
    if (EqualsIgnoreCase(name, "expect")) {
      expects_continue |= EqualsIgnoreCase(value, "100-continue");
    }
  }
  if (hosts > 1 || (hosts == 0 && parsed->version == 11)) {
    return Fail({400, "Host is missing or repeated"});
  }
  const size_t question = path_and_query.find('?');
  head_ = {.method = parsed->method,
           .target = parsed->target,
           .path = path_and_query.substr(0, question),
           .http_version = parsed->version == 11 ? "1.1" : "1.0",
           .headers = headers_,
           .keep_alive = parsed->keep_alive,
           .expects_continue =
               expects_continue && parsed->version == 11 && framing_ != BodyFraming::kNone};
  if (question != std::string_view::npos) head_.query = path_and_query.substr(question + 1);
  return state_ = State::kHeadComplete;
}

RequestParser::State RequestParser::AcceptBody(uint64_t body_bytes_max) {
  TW_CHECK(state_ == State::kHeadComplete);
  switch (body_reader_.Start(framing_, content_length_, body_bytes_max)) {
    case Progress::kNeedMore:
      return state_ = State::kBody;
    case Progress::kDone:
      return state_ = State::kComplete;
    case Progress::kFailed:
      return Fail(body_reader_.failure());
  }
  TW_UNREACHABLE();
}

void RequestParser::Reset() {
  head_reader_.Reset();
  body_reader_.Reset();
  headers_.clear();
  head_ = {};
  failure_ = {};
  content_length_ = 0;
  framing_ = BodyFraming::kNone;
  state_ = State::kHead;
}

}  // namespace tw::http
