#include "http/head_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <utility>

#include "base/strings.h"

namespace tw::http {
namespace {

namespace beast = boost::beast;
using BeastField = beast::http::field;
using BeastView = beast::string_view;
using ErrorCode = beast::error_code;

std::string_view View(BeastView view) {
  return {view.data(), view.size()};
}

// True for a request line of three words, of which the last looks like a version.
bool HasVersionWord(std::string_view line) {
  const std::vector<std::string_view> words = Split(line, ' ');
  return words.size() == 3 && words[2].starts_with("HTTP/") && words[2].size() == 8;
}

// Beast's own chunked decoder and limits are not used: it asserts on a last chunk that arrives in
// pieces and does not bound chunk extensions (Boost 1.81).
template <bool kIsRequest>
class Sink final : public beast::http::basic_parser<kIsRequest> {
 public:
  explicit Sink(std::vector<HeaderView> storage) {
    head_.headers = std::move(storage);
    head_.headers.clear();
    this->header_limit(static_cast<uint32_t>(kStartLineBytesMax + kHeaderBytesMax + 2));
    this->body_limit(boost::none);
  }

  std::expected<ParsedHead, Failure> Parse(std::string_view text) {
    ErrorCode error;
    this->put(boost::asio::const_buffer(text.data(), text.size()), error);
    if (failure_.status != 0) return std::unexpected(failure_);
    if (error) return std::unexpected(Translate(error, text));
    if (!this->is_header_done()) return std::unexpected(Failure{400, "malformed head"});
    if (transfer_encodings_ > 0) {
      if (head_.version == 10) {
        return std::unexpected(Failure{400, "Transfer-Encoding in HTTP/1.0"});
      }
      head_.framing = BodyFraming::kChunked;
    } else if (content_lengths_ > 0) {
      head_.framing = BodyFraming::kLength;
    }
    head_.keep_alive = head_.version == 11 && this->keep_alive();
    return std::move(head_);
  }

 private:
  // Remembers the first failure; Beast stops at the error code.
  void Fail(int status, std::string_view reason, ErrorCode& error) {
    failure_ = {status, reason};
    error = beast::http::error::bad_field;
  }

  Failure Translate(ErrorCode error, std::string_view text) const {
    using Code = beast::http::error;
    if (error == Code::bad_version && HasVersionWord(text.substr(0, text.find('\r')))) {
      return {505, "HTTP version not supported"};
    }
    if (error == Code::bad_content_length || error == Code::multiple_content_length ||
        error == Code::bad_transfer_encoding) {
      return {400, "contradictory Content-Length or Transfer-Encoding"};
    }
    return {400, started_ ? "malformed header" : "malformed start line"};
  }

  void on_request_impl(beast::http::verb, BeastView method, BeastView target, int version,
                       ErrorCode&) override {
    started_ = true;
    head_.method = View(method);
    head_.target = View(target);
    head_.version = version;
  }

  void on_response_impl(int status, BeastView, int version, ErrorCode&) override {
    started_ = true;
    head_.status = status;
    head_.version = version;
  }

  void on_field_impl(BeastField field, BeastView name, BeastView value, ErrorCode& error) override {
    head_.headers.emplace_back(View(name), View(value));
    if (field == BeastField::content_length) {
      const std::optional<uint64_t> length = ParseUint64(View(value));
      if (!length) return Fail(400, "Content-Length is not a number", error);
      if (++content_lengths_ > 1) return Fail(400, "Content-Length twice", error);
      head_.content_length = *length;
    } else if (field == BeastField::transfer_encoding) {
      if (++transfer_encodings_ > 1) return Fail(400, "Transfer-Encoding twice", error);
      if (!EqualsIgnoreCase(View(value), "chunked")) {
        return Fail(501, "transfer coding not supported", error);
      }
    }
    if (content_lengths_ > 0 && transfer_encodings_ > 0) {
      Fail(400, "Content-Length together with Transfer-Encoding", error);
    }
  }

  // The parser is given nothing but a head.
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView, ErrorCode&) override { return 0; }
  void on_finish_impl(ErrorCode&) override {}

  ParsedHead head_;
  Failure failure_{.status = 0};
  int content_lengths_ = 0;
  int transfer_encodings_ = 0;
  bool started_ = false;
};

}  // namespace

std::expected<ParsedHead, Failure> ParseHead(std::string_view text, HeadKind kind,
                                             std::vector<HeaderView> storage) {
  switch (kind) {
    case HeadKind::kRequest:
      return Sink<true>(std::move(storage)).Parse(text);
    case HeadKind::kResponse:
      return Sink<false>(std::move(storage)).Parse(text);
  }
  std::unreachable();
}

}  // namespace tw::http
