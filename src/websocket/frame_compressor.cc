#include "websocket/frame_compressor.h"

#include "base/check.h"
#include "websocket/shared_frame.h"

namespace tw::websocket {

const io::SharedBytes& FrameCompressor::Compress(const io::SharedBytes& frame,
                                                 uint8_t window_bits) {
  TW_CHECK(window_bits >= kWindowBitsMin && window_bits <= kWindowBitsMax);
  Window& window = windows_[window_bits - kWindowBitsMin];
  // The source is held, so no other frame can lie at its address.
  if (window.source && window.source.view().data() == frame.view().data()) return window.result;
  const std::string_view payload = PayloadOf(frame);
  if (payload.size() < options_.bytes_min) return frame;
  if (!window.deflater) window.deflater = std::make_unique<Deflater>(options_.level, window_bits);
  const std::string_view compressed = window.deflater->Compress(payload);
  ++compressions_;
  window.source = frame;
  window.result = compressed.size() < payload.size()
                      ? ShareCompressedFrame(OpcodeOf(frame), compressed)
                      : frame;
  return window.result;
}

}  // namespace tw::websocket
