// Cuts a block of lines that ends with an empty line out of a byte stream: a message's head, or the
// trailers of a chunked body.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace tw::http {

// Every line ends with CRLF and holds no other CR, no NUL, and no folding (RFC 9112 §2.2, §5.2).
class HeadReader {
 public:
  enum class Kind : uint8_t {
    kHead,      // A start line, then headers. Up to kBlankLinesMax empty lines before are skipped.
    kTrailers,  // Headers only.
  };
  static constexpr size_t kBlankLinesMax = 4;

  explicit HeadReader(Kind kind) : kind_(kind) { Reset(); }

  // Takes bytes off `input` up to the end of the block, and all of them before that.
  // Failures: 400 for a line that breaks the rules; 414, 431 beyond the limits.
  Progress Feed(std::string_view& input);
  // The block with its final empty line, once Feed said kDone.
  const std::string& text() const { return text_; }
  const Failure& failure() const { return failure_; }
  // Ready for the next block; keeps a modest buffer.
  void Reset();

 private:
  Progress EndLine();
  Progress Fail(int status, std::string_view reason);

  Kind kind_;
  std::string text_;
  size_t line_start_ = 0;
  size_t headers_start_ = 0;
  size_t headers_ = 0;
  size_t blank_lines_ = 0;
  bool in_headers_ = false;
  Failure failure_;
};

}  // namespace tw::http
