#include "http/head_reader.h"

namespace tw::http {

Progress HeadReader::Fail(int status, std::string_view reason) {
  failure_ = {status, reason};
  return Progress::kFailed;
}

Progress HeadReader::Feed(std::string_view& input) {
  while (!input.empty()) {
    const size_t newline = input.find('\n');
    const size_t taken = newline == std::string_view::npos ? input.size() : newline + 1;
    if (in_headers_) {
      // The empty line that ends the block is not counted.
      if (text_.size() - headers_start_ + taken > kHeaderBytesMax + 2) {
        return Fail(431, "header block too large");
      }
    } else if (text_.size() + taken > kStartLineBytesMax) {
      return Fail(414, "request line too long");
    }
    text_.append(input.substr(0, taken));
    input.remove_prefix(taken);
    if (newline == std::string_view::npos) return Progress::kNeedMore;
    if (const Progress progress = EndLine(); progress != Progress::kNeedMore) return progress;
  }
  return Progress::kNeedMore;
}

// Judges the line that just got its LF; kNeedMore means that the block goes on.
Progress HeadReader::EndLine() {
  std::string_view line = std::string_view(text_).substr(line_start_);
  if (!line.ends_with("\r\n")) return Fail(400, "line ends with a bare LF");
  line.remove_suffix(2);
  if (line.empty()) {
    if (in_headers_) return Progress::kDone;
    if (++blank_lines_ > kBlankLinesMax) return Fail(400, "empty lines before the request");
    text_.resize(line_start_);
    return Progress::kNeedMore;
  }
  if (line.find('\r') != std::string_view::npos) return Fail(400, "bare CR in the head");
  if (line.find('\0') != std::string_view::npos) return Fail(400, "NUL in the head");
  line_start_ = text_.size();
  if (!in_headers_) {
    in_headers_ = true;
    headers_start_ = line_start_;
    return Progress::kNeedMore;
  }
  if (line.front() == ' ' || line.front() == '\t') return Fail(400, "folded header line");
  if (++headers_ > kHeadersMax) return Fail(431, "too many headers");
  return Progress::kNeedMore;
}

void HeadReader::Reset() {
  constexpr size_t kKeptBytes = 4096;
  if (text_.capacity() > kKeptBytes) {
    text_ = {};
  } else {
    text_.clear();
  }
  line_start_ = headers_start_ = headers_ = blank_lines_ = 0;
  in_headers_ = kind_ == Kind::kTrailers;
  failure_ = {};
}

}  // namespace tw::http
