// Shared frames, compressed once for all who read them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "io/bytes.h"
#include "websocket/deflate.h"

namespace tw::websocket {

struct CompressionOptions {
  int level = 1;
  // Payloads below this are sent as they are: compressing them costs more than it saves.
  uint32_t bytes_min = 512;
};

// One per loop. A fan-out gives the same frame to one receiver after the other, so that remembering
// the last one is enough. It holds on to that frame and its compressed form, and, once used, to
// about 256 KiB per window size.
class FrameCompressor {
 public:
  explicit FrameCompressor(const CompressionOptions& options) : options_(options) {}

  // `frame`, an unfragmented data frame as ShareFrame makes it, compressed for a window of
  // `window_bits`; `frame` itself when it is small or would not become smaller.
  const io::SharedBytes& Compress(const io::SharedBytes& frame, uint8_t window_bits);

  // How often something was compressed, for tests and metrics.
  uint64_t compressions() const { return compressions_; }

 private:
  struct Window {
    std::unique_ptr<Deflater> deflater;
    io::SharedBytes source;
    io::SharedBytes result;
  };
  const CompressionOptions options_;
  std::array<Window, kWindowBitsMax - kWindowBitsMin + 1> windows_;
  uint64_t compressions_ = 0;
};

}  // namespace tw::websocket
