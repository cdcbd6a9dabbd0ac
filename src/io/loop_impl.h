// Asio's side of Loop; only for .cc files of this room.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <vector>

#include "io/loop.h"

namespace tw::io {

struct Loop::Impl {
  boost::asio::io_context context{1};
  boost::asio::steady_timer tick{context};
  std::atomic<bool> stopped{false};
  // One read buffer for all streams of the loop: bytes are used up before the next read.
  std::vector<char> read_buffer = std::vector<char>(kReadBufferBytes);

  static constexpr size_t kReadBufferBytes = 64 * 1024;
};

}  // namespace tw::io
