// Reads responses: for our own load generator and tests.
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

// Handles bodies by Content-Length and chunked; without either there is no body, since one that
// ends with the connection is nothing our servers send. Responses to HEAD are not supported.
class ResponseParser {
 public:
  explicit ResponseParser(uint64_t body_bytes_max = 64 << 20) : body_bytes_max_(body_bytes_max) {}
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // Takes bytes off `input` up to the response's end. After kDone or kFailed: Reset first.
  Progress Feed(std::string_view& input);

  // After kDone; views live until Reset.
  int status() const { return status_; }
  std::span<const HeaderView> headers() const { return headers_; }
  std::string_view Header(std::string_view name) const {
    return FindHeader(headers_, name).value_or(std::string_view());
  }
  bool keep_alive() const { return keep_alive_; }
  std::string_view body() const { return body_reader_.body(); }
  // After kFailed; its status means nothing here.
  const Failure& failure() const { return failure_; }
  void Reset();

 private:
  HeadReader head_reader_{HeadReader::Kind::kHead};
  BodyReader body_reader_;
  std::vector<HeaderView> headers_;
  Failure failure_;
  uint64_t body_bytes_max_;
  int status_ = 0;
  bool keep_alive_ = false;
  bool in_body_ = false;
};

}  // namespace tw::http
