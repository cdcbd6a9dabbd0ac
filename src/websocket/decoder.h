// Reads frames and gives whole messages.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "websocket/deflate.h"
#include "websocket/frame.h"
#include "websocket/utf8.h"

namespace tw::websocket {

// Which end this is: a server expects masked frames, a client unmasked ones.
enum class Role : uint8_t { kServer, kClient };

struct DecoderOptions {
  // Payload of one message, all fragments together; one more byte is kMessageTooBig.
  uint64_t message_bytes_max = 5'000'000;
  // Frames of one message; one more is kPolicyViolation. Empty fragments count.
  uint32_t fragments_max = 16'384;
  // A message of one frame that is at most this long waits in the caller's buffer until it is
  // whole, and is then given without a copy; control frames always do. So a read buffer of this
  // size, or kControlBytesMax if that is more, plus 14 bytes always suffices.
  uint32_t in_place_bytes_max = 16'384;
  // Bytes that a compressed message may expand to; one more is kMessageTooBig. 0: permessage-deflate
  // was not agreed on, and RSV1 is an error.
  uint32_t inflated_bytes_max = 0;
};

// What Next found.
struct Event {
  enum class Kind : uint8_t {
    kNeedMore,  // No whole event in the input: offer what is left of it with `bytes_missing` or
                // more bytes after it.
    kText,      // payload: valid UTF-8
    kBinary,
    kPing,  // Answer with a pong of the same payload.
    kPong,
    kClose,  // code (kNoStatus when absent), payload: the reason, valid UTF-8. Nothing follows.
    kError,  // code to close with, payload: why. Nothing follows.
  };
  Kind kind = Kind::kNeedMore;
  CloseCode code = CloseCode::kNoStatus;
  // Lies in the caller's buffer or in the decoder; valid until the next call of Next.
  std::string_view payload;
  size_t bytes_missing = 0;
};

// Errors, by close code:
//   kProtocolError    RSV bit, reserved opcode, frame masked or unmasked against the role, length
//                     not in its shortest form, control frame fragmented or longer than
//                     kControlBytesMax, continuation of nothing, new message within another, close
//                     payload of one byte or with a code that may not be sent
//   kInvalidPayload   text or close reason that is not UTF-8, told at the first impossible byte;
//                     a compressed message that is no deflate data
//   kPolicyViolation  more than fragments_max fragments
//   kMessageTooBig    more than message_bytes_max, told at the frame's header; more than
//                     inflated_bytes_max, told as soon as it has come out
// After kClose and kError all further input is swallowed; after kError it is told again.
//
// Holds no heap memory but while a message is being put together or has just been given.
class Decoder {
 public:
  explicit Decoder(Role role, const DecoderOptions& options = {})
      : options_(options), role_(role) {}

  // Takes the next event off the front of `input`, which is changed in place (unmasked). What stays
  // in `input` must come first in the next call's, as this call left it; it may move in memory.
  // Each byte is looked at once, however the stream is cut.
  Event Next(std::span<char>& input);

  // True between two messages with no part of a frame read: where a connection may be handed over.
  bool IsIdle() const { return stage_ == Stage::kHeader && !in_message_; }

 private:
  enum class Stage : uint8_t { kHeader, kPayload, kClosed, kFailed };

  // A message that cannot stay in the caller's buffer: in fragments, long or compressed.
  struct Assembly {
    std::string bytes;
    uint64_t received_bytes = 0;  // As sent: what bytes holds, unless it was compressed.
    std::unique_ptr<Inflater> inflater;
  };

  Event ReadHeader(std::span<char>& input);
  Event CheckReserved(uint8_t first);
  Event CheckMessage(Opcode opcode, uint64_t payload_bytes);
  Event ReadPayload(std::span<char>& input);
  Event ReadInPlace(std::span<char>& input);
  Event ReadAssembled(std::span<char>& input);
  Event FinishFrame(std::string_view payload);
  Event FinishClose(std::string_view payload);
  void Unmask(std::span<char> bytes);
  bool IsTextSoFar(std::string_view bytes);
  Event Append(std::string_view bytes);
  Event Expand(std::string_view bytes, bool last);
  Event AfterInflate(Inflater::Result result, size_t before);
  Event Fail(CloseCode code, std::string_view reason);
  static Event NeedMore(uint64_t bytes);

  DecoderOptions options_;
  std::unique_ptr<Assembly> assembly_;
  std::string_view error_;                  // A literal.
  uint64_t frame_bytes_ = 0;                // Payload length of the current frame.
  uint64_t done_bytes_ = 0;                 // Of those, unmasked and checked.
  uint32_t fragments_ = 0;
  MaskKey key_{};
  Utf8Validator utf8_;
  CloseCode error_code_ = CloseCode::kNoStatus;
  Role role_;
  Stage stage_ = Stage::kHeader;
  Opcode opcode_ = Opcode::kText;          // Of the current frame; kContinuation is resolved.
  Opcode message_opcode_ = Opcode::kText;  // Of the message that fragments belong to.
  bool is_final_ = true;
  bool in_message_ = false;  // A first fragment came, the last one did not.
  bool in_place_ = true;     // The current frame is read where it lies.
  bool delivered_ = false;   // assembly_ was given to the caller.
};

}  // namespace tw::websocket
