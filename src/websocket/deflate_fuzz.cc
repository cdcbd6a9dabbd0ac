// permessage-deflate from both ends: arbitrary bytes as a handshake's offers and as compressed
// messages (never more comes out than the limit), and arbitrary texts that must survive our own
// compression, through the decoder, cut at the fuzzer's choice.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "websocket/decoder.h"
#include "websocket/deflate.h"
#include "websocket/testing_frames.h"

namespace {

using namespace tw::websocket;

constexpr uint32_t kInflatedBytesMax = 20'000;

void InflateAnything(std::string_view bytes, size_t piece) {
  Inflater inflater;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const auto result = inflater.Feed(bytes.substr(at, piece), out, kInflatedBytesMax);
    TW_CHECK(out.size() <= kInflatedBytesMax && out.capacity() <= kInflatedBytesMax * 2);
    if (result != Inflater::Result::kOk) return;
  }
  (void)inflater.Finish(out, kInflatedBytesMax);
}

void RoundTrip(std::string_view text, uint8_t bits, size_t piece) {
  static std::vector<std::unique_ptr<Deflater>> deflaters(kWindowBitsMax + 1);
  if (!deflaters[bits]) deflaters[bits] = std::make_unique<Deflater>(1 + bits % 9, bits);
  const std::string stream = Masked(0xc2, deflaters[bits]->Compress(text));
  Decoder decoder(Role::kServer, {.inflated_bytes_max = 1 << 24});
  std::vector<std::string> pieces;
  for (size_t at = 0; at < stream.size(); at += piece) pieces.push_back(stream.substr(at, piece));
  const auto events = Events(decoder, pieces);
  TW_CHECK(events.size() == 1 && events[0] == "binary:" + std::string(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto bits = static_cast<uint8_t>(kWindowBitsMin + data[0] % 7);
  const size_t piece = data[1] + size_t{1};
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  InflateAnything(text, piece);
  RoundTrip(text, bits, piece);
  const HeaderView headers[] = {{"Sec-WebSocket-Extensions", text}};
  if (const auto agreed = ChooseDeflate(headers)) {
    TW_CHECK(agreed->window_bits >= kWindowBitsMin && agreed->window_bits <= kWindowBitsMax);
    // What we agree to is an offer that we would agree to.
    std::string answer = DeflateAnswer(*agreed);
    const HeaderView again[] = {
        {"Sec-WebSocket-Extensions", std::string_view(answer).substr(answer.find(':') + 1,
                                                                     answer.size() -
                                                                         answer.find(':') - 3)}};
    TW_CHECK(ChooseDeflate(again) == agreed);
  }
  return 0;
}
