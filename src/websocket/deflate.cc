#include "websocket/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/strings.h"

namespace tw::websocket {
namespace {

constexpr std::string_view kExtension = "permessage-deflate";
// RFC 7692 §7.2.1: every compressed message ends with these, and senders leave them off.
constexpr std::string_view kTail{"\x00\x00\xff\xff", 4};
constexpr size_t kInflateStepBytes = 16 * 1024;

bool IsTokenByte(char byte) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z') || kOthers.find(byte) != std::string_view::npos;
}

// Reads the grammar of RFC 6455 §9.1 from one header line.
class OfferReader {
 public:
  explicit OfferReader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }
  bool Skip(char byte) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != byte) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view Token() {
    SkipSpace();
    const auto end = std::ranges::find_if_not(rest_, IsTokenByte);
    const std::string_view token(rest_.data(), static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(token.size());
    failed_ |= token.empty();
    return token;
  }
  // A token, or a quoted string whose content is one.
  std::string_view Value() {
    if (!Skip('"')) return Token();
    const std::string_view token = Token();
    if (rest_.empty() || rest_.front() != '"') failed_ = true;
    else rest_.remove_prefix(1);
    return token;
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }
  std::string_view rest_;
  bool failed_ = false;
};

// "8" to "15", without leading zeros.
std::optional<uint8_t> WindowBits(std::string_view text) {
  if (text.empty() || text.size() > 2 || text.front() == '0') return {};
  const auto bits = ParseUint64(text);
  if (!bits || *bits < 8 || *bits > kWindowBitsMax) return {};
  return static_cast<uint8_t>(*bits);
}

struct Parameter {
  std::string_view name;
  std::optional<std::string_view> value;
};

// Takes one parameter into account; false declines the offer. Each may come once.
class Offer {
 public:
  bool Take(const Parameter& parameter) {
    if (parameter.name == "server_no_context_takeover") return Once(0) && !parameter.value;
    if (parameter.name == "client_no_context_takeover") return Once(1) && !parameter.value;
    if (parameter.name == "client_max_window_bits") {
      return Once(2) && (!parameter.value || WindowBits(*parameter.value));
    }
    if (parameter.name == "server_max_window_bits") {
      const auto bits = parameter.value ? WindowBits(*parameter.value) : std::nullopt;
      if (!Once(3) || !bits || *bits < kWindowBitsMin) return false;
      agreement.window_bits = *bits;
      return true;
    }
    return false;
  }
  DeflateAgreement agreement;

 private:
  bool Once(size_t which) { return !std::exchange(seen_[which], true); }
  std::array<bool, 4> seen_{};
};

}  // namespace

std::optional<DeflateAgreement> ChooseDeflate(std::span<const HeaderView> headers) {
  std::optional<DeflateAgreement> chosen;
  size_t offers = 0;
  for (const auto& [name, value] : headers) {
    if (!EqualsIgnoreCase(name, "sec-websocket-extensions")) continue;
    OfferReader reader(value);
    while (!reader.AtEnd() && offers < kDeflateOffersMax) {
      if (reader.Skip(',')) continue;  // Empty elements of a list mean nothing.
      ++offers;
      Offer offer;
      bool wanted = EqualsIgnoreCase(reader.Token(), kExtension);
      while (!reader.failed() && reader.Skip(';')) {
        Parameter parameter{.name = reader.Token(), .value = {}};
        if (reader.Skip('=')) parameter.value = reader.Value();
        wanted = offer.Take(parameter) && wanted;
      }
      if (reader.failed() || !(reader.AtEnd() || reader.Skip(','))) return {};
      if (wanted && !chosen) chosen = offer.agreement;
    }
  }
  return chosen;
}

std::string DeflateAnswer(const DeflateAgreement& agreement) {
  std::string line =
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
      "client_no_context_takeover";
  if (agreement.window_bits < kWindowBitsMax) {
    line += "; server_max_window_bits=" + std::to_string(agreement.window_bits);
  }
  return line + "\r\n";
}

struct Inflater::Impl {
  z_stream stream{};
};

Inflater::Inflater() : impl_(std::make_unique<Impl>()) {
  TW_CHECK(inflateInit2(&impl_->stream, -kWindowBitsMax) == Z_OK);
}

Inflater::~Inflater() { inflateEnd(&impl_->stream); }

Inflater::Result Inflater::Feed(std::string_view bytes, std::string& out, uint64_t bytes_max) {
  z_stream& stream = impl_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::array<char, kInflateStepBytes> step;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(step.data());
    stream.avail_out = static_cast<uInt>(step.size());
    const int status = inflate(&stream, Z_SYNC_FLUSH);
    const size_t got = step.size() - stream.avail_out;
    if (got > bytes_max - out.size()) return Result::kTooBig;
    // Doubling alone could take twice the limit while it copies.
    if (out.size() + got > out.capacity() && out.size() + got > bytes_max / 2) {
      out.reserve(bytes_max);
    }
    out.append(step.data(), got);
    if (status == Z_STREAM_END) {
      // A block may be marked the last one of its stream, and another may follow (§7.2.3.4, 3.5).
      inflateReset(&stream);
      if (stream.avail_in == 0) return Result::kOk;
      continue;
    }
    // Z_BUF_ERROR: nothing to do with what there is.
    if (status != Z_OK && status != Z_BUF_ERROR) return Result::kCorrupt;
    if (stream.avail_out > 0) return stream.avail_in == 0 ? Result::kOk : Result::kCorrupt;
  }
}

Inflater::Result Inflater::Finish(std::string& out, uint64_t bytes_max) {
  const Result result = Feed(kTail, out, bytes_max);
  if (result != Result::kOk) return result;
  // The tail is an empty stored block: a message that was cut off has not come to a block's end.
  const bool at_boundary = (impl_->stream.data_type & 128) != 0;
  return at_boundary ? Result::kOk : Result::kCorrupt;
}

struct Deflater::Impl {
  z_stream stream{};
  std::string out;
};

Deflater::Deflater(int level, uint8_t window_bits) : impl_(std::make_unique<Impl>()) {
  TW_CHECK(window_bits >= kWindowBitsMin && window_bits <= kWindowBitsMax);
  constexpr int kMemoryLevel = 8;
  TW_CHECK(deflateInit2(&impl_->stream, level, Z_DEFLATED, -static_cast<int>(window_bits),
                        kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
}

Deflater::~Deflater() { deflateEnd(&impl_->stream); }

std::string_view Deflater::Compress(std::string_view message) {
  z_stream& stream = impl_->stream;
  deflateReset(&stream);
  // The bound is one for Z_FINISH; a sync flush adds its empty block.
  impl_->out.resize(deflateBound(&stream, message.size()) + 64);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
  stream.avail_in = static_cast<uInt>(message.size());
  stream.next_out = reinterpret_cast<Bytef*>(impl_->out.data());
  stream.avail_out = static_cast<uInt>(impl_->out.size());
  TW_CHECK(deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_in == 0 && stream.avail_out > 0);
  std::string_view compressed(impl_->out.data(), impl_->out.size() - stream.avail_out);
  TW_CHECK(compressed.ends_with(kTail));
  compressed.remove_suffix(kTail.size());
  return compressed;
}

}  // namespace tw::websocket
