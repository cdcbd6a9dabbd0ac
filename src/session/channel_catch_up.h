// For channel*.cc only: the broadcasts that a joining channel missed, until it is live.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "json/json.h"
#include "router/audience.h"
#include "router/broadcast_history.h"
#include "session/channel.h"

namespace tw::session {

// Keeps frames that arrive while row changes are still being caught up with.
class HeldFrames final : public router::Receiver {
 public:
  explicit HeldFrames(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void OnFrame(const io::SharedBytes& frame) override {
    bytes_ += frame.size();
    if (!overflown()) frames_.push_back(frame);
  }
  bool overflown() const { return bytes_ > bytes_max_; }
  std::vector<io::SharedBytes> Take() { return std::exchange(frames_, {}); }

 private:
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  std::vector<io::SharedBytes> frames_;
};

struct Channel::BroadcastCatchUp {
  explicit BroadcastCatchUp(uint64_t bytes_max) : held(bytes_max) {}

  // Never a part of what was missed.
  void Refuse(std::string_view reason) {
    answer.messages.clear();
    if (!answer.recovered) return;
    answer.recovered = false;
    answer.reason = reason;
  }

  // "position", "recovered" and "reason".
  void AppendVerdict(json::Writer& writer) const {
    writer.Key("position").String(ToString(answer.head)).Key("recovered");
    if (answer.recovered) {
      writer.Bool(*answer.recovered);
    } else {
      writer.Null();
    }
    writer.Key("reason");
    if (answer.reason.empty()) {
      writer.Null();
    } else {
      writer.String(answer.reason);
    }
  }

  router::HistoryAnswer answer;
  HeldFrames held;
  bool unreadable = false;  // The position that was asked for is none.
};

}  // namespace tw::session
