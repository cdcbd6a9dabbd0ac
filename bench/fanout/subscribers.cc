#include "bench/fanout/subscribers.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bench/common/flags.h"
#include "bench/common/phoenix.h"
#include "bench/common/sequence_tracker.h"
#include "bench/common/websocket.h"

namespace tw::bench {
namespace {

constexpr size_t kReadBytesMax = 1 << 20;

}  // namespace

//  kConnecting ──writable──▶ kHandshake ──101──▶ kJoining ──reply, system──▶ kLive
//       any ──end of stream──▶ kClosed (end)
class Subscribers::Connection final : public Pollable {
 public:
  Connection(Subscribers& all, const std::string& source)
      : all_(all), fd_(StartConnect(all.options_.endpoint, source)) {
    all_.poller_.Add(fd_, EPOLLOUT, this);
  }
  ~Connection() override { Close(); }

  void OnReady(uint32_t events) override {
    if (phase_ == Phase::kConnecting) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) Die("the server refuses connections");
      phase_ = Phase::kHandshake;
      all_.poller_.Modify(fd_, EPOLLIN, this);
      Send(HandshakeRequest(all_.options_.endpoint));
      return;
    }
    Receive();
  }

  const SequenceTracker& tracker() const { return tracker_; }

 private:
  enum class Phase : uint8_t { kConnecting, kHandshake, kJoining, kLive, kClosed };

  // Used only before the connection is live, where a send buffer has room for all of it.
  void Send(std::string_view bytes) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(bytes.size())) DieErrno("sending the handshake or the join");
  }

  void Close() {
    if (fd_ < 0) return;
    all_.poller_.Remove(fd_);
    close(fd_);
    fd_ = -1;
  }

  void Receive() {
    std::vector<char>& buffer = all_.buffer_;
    const size_t kept = rest_.size();
    if (kept > 0) std::memcpy(buffer.data(), rest_.data(), kept);
    const ssize_t size = recv(fd_, buffer.data() + kept, buffer.size() - kept, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      if (phase_ != Phase::kLive) Die("the server closed a connection before it was joined");
      ++all_.counts_.closed;
      phase_ = Phase::kClosed;
      Close();
      return;
    }
    const std::string_view bytes(buffer.data(), kept + static_cast<size_t>(size));
    const size_t used = phase_ == Phase::kHandshake ? TakeHandshake(bytes) : 0;
    Keep(bytes.substr(phase_ == Phase::kHandshake ? 0 : used + TakeFrames(bytes.substr(used))));
  }

  void Keep(std::string_view rest) {
    if (rest.size() == kReadBytesMax) Die("a frame is larger than the read buffer");
    rest_.assign(rest);
  }

  size_t TakeHandshake(std::string_view bytes) {
    const size_t end = bytes.find("\r\n\r\n");
    if (end == bytes.npos) return 0;
    if (!HandshakeAccepted(bytes.substr(0, end + 4))) {
      Die("the handshake was refused: " + std::string(bytes.substr(0, 400)));
    }
    phase_ = Phase::kJoining;
    if (all_.options_.join.empty()) {
      Live();
    } else {
      Send(EncodeClientFrame(Opcode::kText, all_.options_.join));
    }
    return end + 4;
  }

  size_t TakeFrames(std::string_view bytes) {
    const uint64_t now = NowNs();
    size_t used = 0;
    while (true) {
      const FrameView frame = ScanFrame(bytes.data() + used, bytes.size() - used);
      if (frame.size == 0) return used;
      TakeMessage(bytes.substr(used + frame.payload_offset, frame.payload_size), frame.opcode, now);
      used += frame.size;
    }
  }

  void TakeMessage(std::string_view text, Opcode opcode, uint64_t now) {
    const auto stamp = FindStamp(text, all_.stamp_hint_);
    if (!stamp) return TakeControl(text, opcode);
    DeliveryCounts& counts = all_.counts_;
    ++counts.delivered;
    counts.delivered_bytes += text.size();
    const auto verdict = tracker_.See(stamp->sequence);
    if (verdict == SequenceTracker::Verdict::kDuplicate) ++counts.duplicates;
    if (verdict == SequenceTracker::Verdict::kReordered) ++counts.reordered;
    if (all_.options_.on_sequence) all_.options_.on_sequence(stamp->sequence);
    all_.latency_.Record(now > stamp->sent_ns ? now - stamp->sent_ns : 0);
  }

  void TakeControl(std::string_view text, Opcode opcode) {
    if (opcode == Opcode::kPing) return Send(EncodeClientFrame(Opcode::kPong, text));
    if (opcode != Opcode::kText) return;
    switch (Classify(text)) {
      case ControlKind::kRefused:
        Die("a join was refused: " + std::string(text.substr(0, 400)));
      case ControlKind::kChannelError:
        ++all_.counts_.channel_errors;
        return;
      case ControlKind::kJoined:
        if (phase_ == Phase::kJoining && !all_.options_.wait_subscribed) Live();
        return;
      case ControlKind::kSubscribed:
        if (phase_ == Phase::kJoining) Live();
        return;
      case ControlKind::kOther:
        return;
    }
  }

  void Live() {
    phase_ = Phase::kLive;
    ++all_.live_;
  }

  Subscribers& all_;
  int fd_;
  Phase phase_ = Phase::kConnecting;
  SequenceTracker tracker_;
  std::string rest_;
};

Subscribers::Subscribers(Poller& poller, Options options)
    : poller_(poller), options_(std::move(options)), buffer_(kReadBytesMax) {
  connections_.reserve(options_.connections);
}

Subscribers::~Subscribers() = default;

void Subscribers::OpenAll(uint64_t timeout_ns) {
  const uint64_t deadline = NowNs() + timeout_ns;
  while (live_ < options_.connections) {
    while (connections_.size() < options_.connections &&
           connections_.size() - live_ < options_.opening_max) {
      const size_t source = 2 + connections_.size() % std::max(1u, options_.sources);
      connections_.push_back(
          std::make_unique<Connection>(*this, "127.0.0." + std::to_string(source)));
    }
    poller_.Wait(100'000'000);
    if (NowNs() > deadline) {
      Die("only " + std::to_string(live_) + " of " + std::to_string(options_.connections) +
          " connections were joined in time");
    }
  }
}

uint64_t Subscribers::Missing(uint32_t published) const {
  uint64_t missing = 0;
  for (const auto& connection : connections_) missing += connection->tracker().Missing(published);
  return missing;
}

}  // namespace tw::bench
