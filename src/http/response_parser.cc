#include "http/response_parser.h"

#include <utility>

namespace tw::http {

Progress ResponseParser::Feed(std::string_view& input) {
  if (!in_body_) {
    const Progress progress = head_reader_.Feed(input);
    if (progress == Progress::kFailed) failure_ = head_reader_.failure();
    if (progress != Progress::kDone) return progress;
    auto parsed = ParseHead(head_reader_.text(), HeadKind::kResponse, std::move(headers_));
    if (!parsed) {
      failure_ = parsed.error();
      return Progress::kFailed;
    }
    headers_ = std::move(parsed->headers);
    status_ = parsed->status;
    keep_alive_ = parsed->keep_alive;
    in_body_ = true;
    // RFC 9112 §6.3: these have no body whatever their headers say.
    const bool bodiless = status_ / 100 == 1 || status_ == 204 || status_ == 304;
    const Progress started = body_reader_.Start(bodiless ? BodyFraming::kNone : parsed->framing,
                                                parsed->content_length, body_bytes_max_);
    if (started == Progress::kFailed) failure_ = body_reader_.failure();
    if (started != Progress::kNeedMore) return started;
  }
  const Progress progress = body_reader_.Feed(input);
  if (progress == Progress::kFailed) failure_ = body_reader_.failure();
  return progress;
}

void ResponseParser::Reset() {
  head_reader_.Reset();
  body_reader_.Reset();
  headers_.clear();
  failure_ = {};
  status_ = 0;
  keep_alive_ = false;
  in_body_ = false;
}

}  // namespace tw::http
