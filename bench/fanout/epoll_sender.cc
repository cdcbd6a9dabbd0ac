// The reference of the fan-out benchmark: the least that a correct sender can do. A bare epoll
// server that accepts WebSocket handshakes, answers every join with ok, and sends each broadcast
// it receives to all other sockets: framed once, shared, one writev per socket and turn.
//
// One thread, no timers, no limits but kPendingBytesMax, no protocol beyond what the load
// generator speaks: it is a yardstick, not a server.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/net.h"
#include "bench/common/websocket.h"

namespace tw::bench {
namespace {

using SharedFrame = std::shared_ptr<const std::string>;

constexpr size_t kReadBytesMax = 256 * 1024;
constexpr size_t kPendingBytesMax = 16 << 20;  // A socket that is further behind is closed.

// What a socket could not take at once. Allocated only then, so that an idle socket is small.
struct Backlog {
  std::deque<SharedFrame> frames;
  size_t front_offset = 0;
  size_t bytes = 0;
};

class Server;

class Socket final : public Pollable {
 public:
  Socket(Server& server, int fd) : server_(server), fd_(fd) {}
  ~Socket() override { close(fd_); }

  void OnReady(uint32_t events) override;

  // Writes the turn's frames, all in one call. `from` must not be this socket.
  void SendTurn(const std::vector<SharedFrame>& frames, const std::vector<iovec>& vectors,
                size_t total);
  void SendNow(std::string_view bytes);

  int fd() const { return fd_; }
  size_t index = 0;  // Its place in the server's dense array.

 private:
  void Receive();
  size_t TakeFrames(char* data, size_t size);
  void TakeMessage(std::string_view text);
  void FlushBacklog();
  void Close();

  Server& server_;
  const int fd_;
  bool upgraded_ = false;
  bool closing_ = false;
  std::unique_ptr<std::string> rest_;
  std::unique_ptr<Backlog> backlog_;
};

struct Broadcast {
  SharedFrame frame;
  const Socket* from;
};

class Server final : public Pollable {
 public:
  explicit Server(uint16_t port) : listener_(Listen(port)), buffer_(kReadBytesMax) {
    poller_.Add(listener_.fd, EPOLLIN, this);
  }

  uint16_t port() const { return listener_.port; }

  [[noreturn]] void Run() {
    while (true) {
      poller_.Wait(1'000'000'000);
      SendTurn();
      for (Socket* socket : closed_) Remove(socket);
      closed_.clear();
    }
  }

  void OnReady(uint32_t) override {
    while (true) {
      const int fd = accept4(listener_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      SetNoDelay(fd);
      auto socket = std::make_unique<Socket>(*this, fd);
      socket->index = sockets_.size();
      poller_.Add(fd, EPOLLIN, socket.get());
      sockets_.push_back(std::move(socket));
    }
  }

  void Queue(const Socket* from, std::string_view text) {
    turn_.push_back(
        {std::make_shared<const std::string>(EncodeServerFrame(Opcode::kText, text)), from});
  }
  void CloseLater(Socket* socket) { closed_.push_back(socket); }
  Poller& poller() { return poller_; }
  std::vector<char>& buffer() { return buffer_; }

 private:
  // Sends what this turn has gathered, in runs of one sender: all but the sender get the same.
  void SendTurn() {
    for (size_t start = 0; start < turn_.size();) {
      const Socket* from = turn_[start].from;
      frames_.clear();
      vectors_.clear();
      size_t total = 0;
      size_t end = start;
      for (; end < turn_.size() && turn_[end].from == from && frames_.size() < IOV_MAX; ++end) {
        const SharedFrame& frame = turn_[end].frame;
        frames_.push_back(frame);
        vectors_.push_back({const_cast<char*>(frame->data()), frame->size()});
        total += frame->size();
      }
      for (const auto& socket : sockets_) {
        if (socket.get() != from) socket->SendTurn(frames_, vectors_, total);
      }
      start = end;
    }
    turn_.clear();
  }

  void Remove(Socket* socket) {
    poller_.Remove(socket->fd());
    const size_t index = socket->index;
    std::swap(sockets_[index], sockets_.back());
    sockets_[index]->index = index;
    sockets_.pop_back();
  }

  Poller poller_;
  Listener listener_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<Socket*> closed_;
  std::vector<Broadcast> turn_;
  std::vector<SharedFrame> frames_;
  std::vector<iovec> vectors_;
};

void Socket::OnReady(uint32_t events) {
  if (closing_) return;
  if ((events & EPOLLOUT) != 0 && backlog_) FlushBacklog();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0 && !closing_) Receive();
}

void Socket::Close() {
  if (closing_) return;
  closing_ = true;
  server_.CloseLater(this);
}

void Socket::Receive() {
  std::vector<char>& buffer = server_.buffer();
  const size_t kept = rest_ ? rest_->size() : 0;
  if (kept > 0) std::memcpy(buffer.data(), rest_->data(), kept);
  const ssize_t size = recv(fd_, buffer.data() + kept, buffer.size() - kept, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return Close();
  const size_t total = kept + static_cast<size_t>(size);
  const size_t used = TakeFrames(buffer.data(), total);
  if (used == total) {
    rest_.reset();
  } else {
    rest_ = std::make_unique<std::string>(buffer.data() + used, total - used);
  }
}

size_t Socket::TakeFrames(char* data, size_t size) {
  size_t used = 0;
  if (!upgraded_) {
    constexpr std::string_view kKey = "Sec-WebSocket-Key: ";
    const std::string_view request(data, size);
    const size_t end = request.find("\r\n\r\n");
    if (end == request.npos) return 0;
    const size_t key = request.find(kKey);
    if (key == request.npos) return Close(), size;
    SendNow(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " +
        AcceptFor(request.substr(key + kKey.size(), 24)) + "\r\n\r\n");
    upgraded_ = true;
    used = end + 4;
  }
  while (true) {
    const FrameView frame = ScanFrame(data + used, size - used);
    if (frame.size == 0) return used;
    char* payload = data + used + frame.payload_offset;
    if (frame.mask != nullptr) ApplyMask(frame.mask, payload, frame.payload_size);
    if (frame.opcode == Opcode::kClose) return Close(), size;
    if (frame.opcode == Opcode::kText) TakeMessage({payload, frame.payload_size});
    used += frame.size;
  }
}

void Socket::TakeMessage(std::string_view text) {
  if (text.find(",\"broadcast\",") != text.npos) return server_.Queue(this, text);
  const size_t event = text.find(",\"phx_join\",");
  if (event == text.npos) return;
  // `[join_ref,ref,topic` is answered with the same three.
  const std::string reply =
      std::string(text.substr(0, event)) +
      ",\"phx_reply\",{\"status\":\"ok\",\"response\":{\"postgres_changes\":[]}}]";
  SendNow(EncodeServerFrame(Opcode::kText, reply));
}

void Socket::SendNow(std::string_view bytes) {
  const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) Close();
}

void Socket::SendTurn(const std::vector<SharedFrame>& frames, const std::vector<iovec>& vectors,
                      size_t total) {
  if (!upgraded_ || closing_) return;
  size_t sent = 0;
  if (!backlog_) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(vectors.data());
    message.msg_iovlen = vectors.size();
    const ssize_t result = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (result < 0 && errno != EAGAIN) return Close();
    sent = result < 0 ? 0 : static_cast<size_t>(result);
    if (sent == total) return;
    backlog_ = std::make_unique<Backlog>();
    server_.poller().Modify(fd_, EPOLLIN | EPOLLOUT, this);
  }
  backlog_->bytes += total - sent;
  if (backlog_->bytes > kPendingBytesMax) return Close();
  for (const SharedFrame& frame : frames) {
    if (sent >= frame->size()) {
      sent -= frame->size();
      continue;
    }
    if (backlog_->frames.empty()) backlog_->front_offset = sent;
    sent = 0;
    backlog_->frames.push_back(frame);
  }
}

void Socket::FlushBacklog() {
  iovec vectors[64];
  size_t count = 0;
  for (const SharedFrame& frame : backlog_->frames) {
    const size_t offset = count == 0 ? backlog_->front_offset : 0;
    vectors[count++] = {const_cast<char*>(frame->data()) + offset, frame->size() - offset};
    if (count == std::size(vectors)) break;
  }
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  const ssize_t result = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (result < 0) return errno == EAGAIN ? void() : Close();
  auto sent = static_cast<size_t>(result);
  backlog_->bytes -= sent;
  while (sent > 0) {
    const size_t left = backlog_->frames.front()->size() - backlog_->front_offset;
    if (sent < left) {
      backlog_->front_offset += sent;
      return;
    }
    sent -= left;
    backlog_->front_offset = 0;
    backlog_->frames.pop_front();
  }
  if (!backlog_->frames.empty()) return;
  backlog_.reset();
  server_.poller().Modify(fd_, EPOLLIN, this);
}

int Main(int argc, char** argv) {
  Flags flags(
      "Reference fan-out server: bare epoll, shared frames, one writev per socket and turn.",
      {{"port", "0", "port on 127.0.0.1; 0 picks one"}});
  flags.Parse(argc, argv);
  RaiseDescriptorLimit();
  Server server(static_cast<uint16_t>(flags.Count("port")));
  std::printf("{\"realtime_url\":\"ws://127.0.0.1:%u/realtime/v1\"}\n", server.port());
  std::fflush(stdout);
  server.Run();
}

}  // namespace
}  // namespace tw::bench

int main(int argc, char** argv) {
  return tw::bench::Main(argc, argv);
}
