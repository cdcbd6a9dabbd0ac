#include "websocket/decoder.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace tw::websocket {
namespace {

constexpr uint8_t kReserved1 = 0x40, kReserved23 = 0x30, kReserved123 = 0x70;

bool IsControl(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 0x8;
}

bool IsKnown(uint8_t opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

uint64_t ReadBigEndian(std::span<const char> bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

Event Decoder::NeedMore(uint64_t bytes) {
  return {.bytes_missing =
              static_cast<size_t>(std::min<uint64_t>(bytes, std::numeric_limits<size_t>::max()))};
}

Event Decoder::Fail(CloseCode code, std::string_view reason) {
  stage_ = Stage::kFailed;
  error_code_ = code;
  error_ = reason;
  assembly_.reset();
  return {.kind = Event::Kind::kError, .code = code, .payload = reason};
}

Event Decoder::Next(std::span<char>& input) {
  if (delivered_) {
    assembly_.reset();
    delivered_ = false;
  }
  for (;;) {
    Event event;
    switch (stage_) {
      case Stage::kHeader:
        event = ReadHeader(input);
        break;
      case Stage::kPayload:
        event = ReadPayload(input);
        break;
      case Stage::kClosed:
        event = NeedMore(1);
        break;
      case Stage::kFailed:
        event = {.kind = Event::Kind::kError, .code = error_code_, .payload = error_};
        break;
    }
    if (stage_ == Stage::kClosed || stage_ == Stage::kFailed) input = {};
    if (event.kind != Event::Kind::kNeedMore || event.bytes_missing > 0) return event;
  }
}

// An event of kind kNeedMore without missing bytes means, in all the functions below: go on.
Event Decoder::ReadHeader(std::span<char>& input) {
  if (input.size() < 2) return NeedMore(2 - input.size());
  const auto first = static_cast<uint8_t>(input[0]);
  const auto second = static_cast<uint8_t>(input[1]);
  // All that two bytes can show is told before waiting for more.
  const Event reserved = CheckReserved(first);
  if (stage_ == Stage::kFailed) return reserved;
  const uint8_t opcode = first & 0x0f;
  const bool is_masked = (second & 0x80) != 0;
  if (is_masked != (role_ == Role::kServer)) {
    return Fail(CloseCode::kProtocolError, is_masked ? "masked frame" : "unmasked frame");
  }
  const uint8_t short_length = second & 0x7f;
  const bool is_final = (first & 0x80) != 0;
  if (IsControl(Opcode{opcode})) {
    if (!is_final) return Fail(CloseCode::kProtocolError, "fragmented control frame");
    if (short_length > kControlBytesMax) {
      return Fail(CloseCode::kProtocolError, "control frame too long");
    }
  }
  const size_t length_bytes = short_length == 127 ? 8 : short_length == 126 ? 2 : 0;
  const size_t length_end = 2 + length_bytes;
  if (input.size() < length_end) return NeedMore(length_end - input.size());
  uint64_t payload_bytes = short_length;
  if (length_bytes > 0) {
    payload_bytes = ReadBigEndian(input.subspan(2, length_bytes));
    if (payload_bytes <= (length_bytes == 2 ? kControlBytesMax : 0xffff)) {
      return Fail(CloseCode::kProtocolError, "length not in its shortest form");
    }
  }
  const Event event = CheckMessage(Opcode{opcode}, payload_bytes);
  if (stage_ == Stage::kFailed) return event;

  const size_t header_bytes = length_end + (is_masked ? key_.size() : 0);
  if (input.size() < header_bytes) {
    // Nothing was taken: the header will be read again from its start.
    return NeedMore(header_bytes - input.size());
  }
  if (is_masked) std::ranges::copy(input.subspan(length_end, key_.size()), key_.begin());
  if (!IsControl(Opcode{opcode})) {
    if (opcode != 0) message_opcode_ = Opcode{opcode};
    fragments_ = in_message_ ? fragments_ + 1 : 1;
    in_message_ = true;
    if ((first & kReserved1) != 0) {
      assembly_ = std::make_unique<Assembly>();
      assembly_->inflater = std::make_unique<Inflater>();
    }
  }
  opcode_ = IsControl(Opcode{opcode}) ? Opcode{opcode} : message_opcode_;
  is_final_ = is_final;
  frame_bytes_ = payload_bytes;
  done_bytes_ = 0;
  // Control frames always fit; a whole message that is not too long stays where it is.
  in_place_ = IsControl(opcode_) || (is_final && opcode != 0 && (first & kReserved1) == 0);
  input = input.subspan(header_bytes);
  stage_ = Stage::kPayload;
  return {};
}

// Of the reserved bits only RSV1 has a meaning: the first frame of a compressed message (RFC 7692
// §6).
Event Decoder::CheckReserved(uint8_t first) {
  const uint8_t opcode = first & 0x0f;
  if (!IsKnown(opcode)) return Fail(CloseCode::kProtocolError, "reserved opcode");
  const bool may_compress = options_.inflated_bytes_max > 0 && opcode != 0 &&
                            !IsControl(Opcode{opcode});
  if ((first & (may_compress ? kReserved23 : kReserved123)) != 0) {
    return Fail(CloseCode::kProtocolError, "reserved bit set");
  }
  return {};
}

// Judges a header against the message it belongs to; changes nothing but on failure.
Event Decoder::CheckMessage(Opcode opcode, uint64_t payload_bytes) {
  if (IsControl(opcode)) return {};
  const bool continues = opcode == Opcode::kContinuation;
  if (continues && !in_message_) {
    return Fail(CloseCode::kProtocolError, "continuation without a message");
  }
  if (!continues && in_message_) {
    return Fail(CloseCode::kProtocolError, "new message within a fragmented one");
  }
  if (continues && fragments_ >= options_.fragments_max) {
    return Fail(CloseCode::kPolicyViolation, "too many fragments");
  }
  // Compared without adding, so that no length can overflow.
  const uint64_t held = assembly_ ? assembly_->received_bytes : 0;
  if (payload_bytes > options_.message_bytes_max - held) {
    return Fail(CloseCode::kMessageTooBig, "message too big");
  }
  return {};
}

Event Decoder::ReadPayload(std::span<char>& input) {
  // A control frame never moves: assembly_ may hold the message that it interrupts.
  if (in_place_ && !IsControl(opcode_) && frame_bytes_ > options_.in_place_bytes_max &&
      input.size() < frame_bytes_) {
    in_place_ = false;
    TW_CHECK(done_bytes_ == 0);
  }
  return in_place_ ? ReadInPlace(input) : ReadAssembled(input);
}

void Decoder::Unmask(std::span<char> bytes) {
  if (role_ == Role::kServer) Mask(bytes, key_, done_bytes_ % key_.size());
  done_bytes_ += bytes.size();
}

bool Decoder::IsTextSoFar(std::string_view bytes) {
  return opcode_ != Opcode::kText || utf8_.Feed(bytes);
}

Event Decoder::ReadInPlace(std::span<char>& input) {
  const size_t available = static_cast<size_t>(std::min<uint64_t>(input.size(), frame_bytes_));
  TW_CHECK(available >= done_bytes_);  // The caller kept what the last call left.
  const std::span<char> bytes = input.subspan(done_bytes_, available - done_bytes_);
  Unmask(bytes);
  if (!IsTextSoFar({bytes.data(), bytes.size()})) {
    return Fail(CloseCode::kInvalidPayload, "text is not UTF-8");
  }
  if (done_bytes_ < frame_bytes_) return NeedMore(frame_bytes_ - done_bytes_);
  const std::string_view payload(input.data(), available);
  input = input.subspan(available);
  return FinishFrame(payload);
}

Event Decoder::ReadAssembled(std::span<char>& input) {
  const size_t available =
      static_cast<size_t>(std::min<uint64_t>(input.size(), frame_bytes_ - done_bytes_));
  const std::span<char> bytes = input.first(available);
  input = input.subspan(available);
  Unmask(bytes);
  const bool last = is_final_ && done_bytes_ == frame_bytes_;
  const bool compressed = assembly_ != nullptr && assembly_->inflater != nullptr;
  const Event event = compressed ? Expand({bytes.data(), bytes.size()}, last)
                                 : Append({bytes.data(), bytes.size()});
  if (stage_ == Stage::kFailed) return event;
  if (done_bytes_ < frame_bytes_) return NeedMore(frame_bytes_ - done_bytes_);
  if (!is_final_) {
    stage_ = Stage::kHeader;
    return {};
  }
  delivered_ = assembly_ != nullptr;
  return FinishFrame(assembly_ ? std::string_view(assembly_->bytes) : std::string_view());
}

Event Decoder::Append(std::string_view bytes) {
  if (!IsTextSoFar(bytes)) return Fail(CloseCode::kInvalidPayload, "text is not UTF-8");
  if (bytes.empty()) return {};
  if (!assembly_) assembly_ = std::make_unique<Assembly>();
  assembly_->bytes.append(bytes);
  assembly_->received_bytes += bytes.size();
  return {};
}

Event Decoder::Expand(std::string_view bytes, bool last) {
  assembly_->received_bytes += bytes.size();
  const size_t before = assembly_->bytes.size();
  auto result =
      assembly_->inflater->Feed(bytes, assembly_->bytes, options_.inflated_bytes_max);
  if (result == Inflater::Result::kOk && last) {
    result = assembly_->inflater->Finish(assembly_->bytes, options_.inflated_bytes_max);
  }
  return AfterInflate(result, before);
}

Event Decoder::AfterInflate(Inflater::Result result, size_t before) {
  switch (result) {
    case Inflater::Result::kOk:
      if (IsTextSoFar(std::string_view(assembly_->bytes).substr(before))) return {};
      return Fail(CloseCode::kInvalidPayload, "text is not UTF-8");
    case Inflater::Result::kCorrupt:
      return Fail(CloseCode::kInvalidPayload, "message is not deflate data");
    case Inflater::Result::kTooBig:
      return Fail(CloseCode::kMessageTooBig, "message expands to too much");
  }
  TW_UNREACHABLE();
}

Event Decoder::FinishFrame(std::string_view payload) {
  stage_ = Stage::kHeader;
  switch (opcode_) {
    case Opcode::kPing:
      return {.kind = Event::Kind::kPing, .payload = payload};
    case Opcode::kPong:
      return {.kind = Event::Kind::kPong, .payload = payload};
    case Opcode::kClose:
      return FinishClose(payload);
    case Opcode::kText:
      if (!utf8_.IsComplete()) return Fail(CloseCode::kInvalidPayload, "text is not UTF-8");
      utf8_.Reset();
      in_message_ = false;
      return {.kind = Event::Kind::kText, .payload = payload};
    case Opcode::kBinary:
      in_message_ = false;
      return {.kind = Event::Kind::kBinary, .payload = payload};
    case Opcode::kContinuation:
      break;
  }
  TW_UNREACHABLE();
}

Event Decoder::FinishClose(std::string_view payload) {
  CloseCode code = CloseCode::kNoStatus;
  if (!payload.empty()) {
    if (payload.size() == 1) return Fail(CloseCode::kProtocolError, "close code of one byte");
    code = CloseCode{static_cast<uint16_t>(ReadBigEndian(payload.substr(0, 2)))};
    if (!IsSendable(code)) return Fail(CloseCode::kProtocolError, "close code not allowed");
    payload.remove_prefix(2);
    Utf8Validator reason;
    if (!reason.Feed(payload) || !reason.IsComplete()) {
      return Fail(CloseCode::kInvalidPayload, "close reason is not UTF-8");
    }
  }
  stage_ = Stage::kClosed;
  assembly_.reset();
  return {.kind = Event::Kind::kClose, .code = code, .payload = payload};
}

}  // namespace tw::websocket
