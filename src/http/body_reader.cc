#include "http/body_reader.h"

#include <algorithm>

namespace tw::http {
namespace {

constexpr int kSizeDigitsMax = 16;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Progress BodyReader::Fail(int status, std::string_view reason) {
  failure_ = {status, reason};
  return Progress::kFailed;
}

Progress BodyReader::Start(BodyFraming framing, uint64_t content_length, uint64_t body_bytes_max) {
  framing_ = framing;
  body_bytes_max_ = body_bytes_max;
  switch (framing) {
    case BodyFraming::kNone:
      return Progress::kDone;
    case BodyFraming::kLength:
      if (content_length > body_bytes_max) return Fail(413, "body too large");
      left_bytes_ = content_length;
      stage_ = Stage::kData;
      return content_length == 0 ? Progress::kDone : Progress::kNeedMore;
    case BodyFraming::kChunked:
      stage_ = Stage::kSize;
      return Progress::kNeedMore;
  }
  std::unreachable();
}

Progress BodyReader::Feed(std::string_view& input) {
  Progress progress = Progress::kNeedMore;
  while (!input.empty() && progress == Progress::kNeedMore) {
    const auto next = [&input] {
      const char c = input.front();
      input.remove_prefix(1);
      return c;
    };
    switch (stage_) {
      case Stage::kData:
        progress = TakeData(input);
        break;
      case Stage::kSize:
        progress = FeedSize(next());
        break;
      case Stage::kExtension:
        progress = FeedExtension(next());
        break;
      case Stage::kSizeEnd:
        progress = EndSizeLine(next());
        break;
      case Stage::kDataCr:
        if (next() != '\r') return Fail(400, "chunk longer than its size");
        stage_ = Stage::kDataLf;
        break;
      case Stage::kDataLf:
        if (next() != '\n') return Fail(400, "bare CR after a chunk");
        stage_ = Stage::kSize;
        break;
      case Stage::kTrailers:
        progress = FeedTrailers(input);
        break;
    }
  }
  return progress;
}

Progress BodyReader::TakeData(std::string_view& input) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(input.size(), left_bytes_));
  body_.append(input.substr(0, taken));
  input.remove_prefix(taken);
  left_bytes_ -= taken;
  if (left_bytes_ > 0) return Progress::kNeedMore;
  if (framing_ == BodyFraming::kLength) return Progress::kDone;
  stage_ = Stage::kDataCr;
  return Progress::kNeedMore;
}

Progress BodyReader::FeedSize(char c) {
  if (const int digit = HexValue(c); digit >= 0) {
    if (++size_digits_ > kSizeDigitsMax) return Fail(400, "chunk size too long");
    left_bytes_ = left_bytes_ << 4 | static_cast<uint64_t>(digit);
    return Progress::kNeedMore;
  }
  if (size_digits_ == 0) return Fail(400, "chunk without a size");
  if (c == '\r') {
    stage_ = Stage::kSizeEnd;
  } else if (c == ';') {
    stage_ = Stage::kExtension;
  } else {
    return Fail(400, "malformed chunk size");
  }
  return Progress::kNeedMore;
}

Progress BodyReader::FeedExtension(char c) {
  if (c == '\r') {
    stage_ = Stage::kSizeEnd;
    return Progress::kNeedMore;
  }
  // A parser that took a bare LF for the line's end would see another message than we do.
  if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
    return Fail(400, "control character in a chunk extension");
  }
  if (++extension_bytes_ > kChunkExtensionBytesMax) return Fail(400, "chunk extensions too long");
  return Progress::kNeedMore;
}

Progress BodyReader::EndSizeLine(char c) {
  if (c != '\n') return Fail(400, "bare CR after a chunk size");
  size_digits_ = 0;
  if (left_bytes_ == 0) {
    stage_ = Stage::kTrailers;
    return Progress::kNeedMore;
  }
  // body_ never exceeds the limit, so nothing can underflow.
  if (left_bytes_ > body_bytes_max_ - body_.size()) return Fail(413, "body too large");
  stage_ = Stage::kData;
  return Progress::kNeedMore;
}

Progress BodyReader::FeedTrailers(std::string_view& input) {
  const Progress progress = trailers_.Feed(input);
  if (progress == Progress::kFailed) failure_ = trailers_.failure();
  return progress;
}

void BodyReader::Reset() {
  constexpr size_t kKeptBytes = 64 << 10;
  if (body_.capacity() > kKeptBytes) {
    body_ = {};
  } else {
    body_.clear();
  }
  trailers_.Reset();
  failure_ = {};
  left_bytes_ = 0;
  extension_bytes_ = 0;
  size_digits_ = 0;
  framing_ = BodyFraming::kNone;
}

}  // namespace tw::http
