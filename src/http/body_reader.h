// Reads a message's body out of a byte stream, RFC 9112 §6-7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/head_parser.h"
#include "http/head_reader.h"
#include "http/message.h"

namespace tw::http {

class BodyReader {
 public:
  // Begins a body of at most `body_bytes_max` bytes. kDone: there is none. kFailed, 413: a
  // `content_length` beyond that, before a byte is read.
  Progress Start(BodyFraming framing, uint64_t content_length, uint64_t body_bytes_max);
  // Takes bytes off `input` up to the body's end. Trailers are checked and dropped.
  // Failures: 400 for broken chunks or more than kChunkExtensionBytesMax; 413 for a chunk beyond
  // the limit, told at its size; 431 for too many trailers.
  Progress Feed(std::string_view& input);

  const std::string& body() const { return body_; }
  std::string Take() { return std::exchange(body_, {}); }
  const Failure& failure() const { return failure_; }
  // Forgets the body; keeps a modest buffer.
  void Reset();

 private:
  enum class Stage : uint8_t {
    kData,       // Of the whole body or of a chunk.
    kSize,       // Hex digits.
    kExtension,  // From ';' to CR.
    kSizeEnd,    // The LF after a size line.
    kDataCr,     // After a chunk's data.
    kDataLf,
    kTrailers,
  };

  Progress FeedSize(char c);
  Progress FeedExtension(char c);
  Progress EndSizeLine(char c);
  Progress TakeData(std::string_view& input);
  Progress FeedTrailers(std::string_view& input);
  Progress Fail(int status, std::string_view reason);

  std::string body_;
  HeadReader trailers_{HeadReader::Kind::kTrailers};
  Failure failure_;
  uint64_t body_bytes_max_ = 0;
  uint64_t left_bytes_ = 0;     // Of the body or chunk.
  size_t extension_bytes_ = 0;  // In all size lines so far.
  int size_digits_ = 0;
  BodyFraming framing_ = BodyFraming::kNone;
  Stage stage_ = Stage::kData;
};

}  // namespace tw::http
