#include "bench/fanout/publisher.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "bench/common/flags.h"
#include "bench/common/webhook_body.h"
#include "bench/common/websocket.h"

namespace tw::bench {
namespace {

constexpr uint64_t kOpenTimeoutNs = 10'000'000'000;

}  // namespace

BroadcastPublisher::BroadcastPublisher(Poller& poller, Options options)
    : poller_(poller),
      options_(std::move(options)),
      message_(MakeBroadcast(options_.topic, options_.message_bytes)) {}

BroadcastPublisher::~BroadcastPublisher() {
  if (fd_ >= 0) close(fd_);
}

void BroadcastPublisher::Open() {
  fd_ = StartConnect(options_.endpoint, "");
  outgoing_ = HandshakeRequest(options_.endpoint);
  poller_.Add(fd_, EPOLLIN | EPOLLOUT, this);
  const uint64_t deadline = NowNs() + kOpenTimeoutNs;
  while (!live_) {
    poller_.Wait(100'000'000);
    if (NowNs() > deadline) Die("the publisher could not join in time");
  }
}

void BroadcastPublisher::Publish(uint32_t sequence) {
  WriteStamp({sequence, NowNs()}, message_.text.data() + message_.stamp_offset);
  outgoing_ += EncodeClientFrame(Opcode::kText, message_.text);
}

void BroadcastPublisher::Flush() {
  if (outgoing_.empty() && !waits_writable_) return;
  const ssize_t sent = send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) DieErrno("the publisher's connection");
  if (sent > 0) outgoing_.erase(0, static_cast<size_t>(sent));
  const bool wait = !outgoing_.empty();
  if (wait == waits_writable_) return;
  waits_writable_ = wait;
  poller_.Modify(fd_, wait ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
}

void BroadcastPublisher::OnReady(uint32_t events) {
  if ((events & EPOLLOUT) != 0) Flush();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return;
  char buffer[16 * 1024];
  const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) Die("the server closed the publisher's connection");
  incoming_.append(buffer, static_cast<size_t>(size));
  if (!upgraded_) {
    const size_t end = incoming_.find("\r\n\r\n");
    if (end == incoming_.npos) return;
    if (!HandshakeAccepted(incoming_)) Die("the publisher's handshake was refused: " + incoming_);
    incoming_.erase(0, end + 4);
    upgraded_ = true;
    live_ = options_.join.empty();
    if (!live_) outgoing_ += EncodeClientFrame(Opcode::kText, options_.join);
    Flush();
  }
  TakeFrames();
}

void BroadcastPublisher::TakeFrames() {
  size_t used = 0;
  while (true) {
    const FrameView frame = ScanFrame(incoming_.data() + used, incoming_.size() - used);
    if (frame.size == 0) break;
    const std::string_view text(incoming_.data() + used + frame.payload_offset, frame.payload_size);
    const ControlKind kind = frame.opcode == Opcode::kText ? Classify(text) : ControlKind::kOther;
    if (kind == ControlKind::kJoined) live_ = true;
    if (kind == ControlKind::kRefused && !live_) Die("the publisher's join: " + std::string(text));
    if (kind == ControlKind::kRefused || kind == ControlKind::kChannelError) ++refused_;
    used += frame.size;
  }
  incoming_.erase(0, used);
}

WebhookPublisher::WebhookPublisher(Poller& poller, const Endpoint& endpoint, uint32_t connections,
                                   uint64_t run)
    : run_(run) {
  for (uint32_t i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<HttpConnection>(
        poller, endpoint, [this](HttpConnection& connection, int status) {
          if (status != 200) ++refused_;
          if (waiting_.empty()) return idle_.push_back(&connection);
          const uint32_t next = waiting_.front();
          waiting_.pop_front();
          Post(connection, next);
        }));
    idle_.push_back(connections_.back().get());
  }
}

void WebhookPublisher::Publish(uint32_t sequence) {
  if (idle_.empty()) return waiting_.push_back(sequence);
  HttpConnection& connection = *idle_.back();
  idle_.pop_back();
  Post(connection, sequence);
}

void WebhookPublisher::Post(HttpConnection& connection, uint32_t sequence) {
  connection.Post(
      "", MakeWebhookBody(EventType::kContactReplied, kWorkspaces[0], run_, {sequence, NowNs()}));
}

}  // namespace tw::bench
