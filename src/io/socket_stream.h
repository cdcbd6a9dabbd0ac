// A Stream over a connected TCP socket, plain or with TLS; only for .cc files of this room.
#pragma once

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/loop_impl.h"
#include "io/stream.h"

namespace tw::io {

namespace asio = boost::asio;
using asio::ip::tcp;

inline constexpr size_t kDefaultKeptBytesMax = 64 * 1024;
// Frames per writev(2); more wait for the next call of the same flush.
inline constexpr size_t kVectorsMax = 256;
// An outbox that grew beyond this gives its memory back when it is empty.
inline constexpr size_t kOutboxKeptMax = 32;
// How long a closed stream waits for the peer to end its side.
inline constexpr std::chrono::seconds kLingerMax{2};
// How long a closed stream waits for a peer that takes nothing of what is still unsent.
inline constexpr std::chrono::seconds kUnsentStallMax{10};
// How long a peer may take to open its wire: the TLS handshake.
inline constexpr std::chrono::seconds kHandshakeMax{5};

// What became of an attempt to move bytes.
enum class WireState : uint8_t {
  kMoved,      // Some bytes, at least one.
  kWantRead,   // Not before the socket can be read.
  kWantWrite,  // Not before it can be written.
  kEnded,      // The peer ended its side in order.
  kBroken,
};

struct WireResult {
  WireState state;
  size_t bytes;
};

// Plain TCP: bytes go as they are.
class PlainWire {
 public:
  explicit PlainWire(int descriptor) : descriptor_(descriptor) {}

  WireResult Send(std::span<iovec> vectors) {
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    return Told(sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT), WireState::kWantWrite);
  }
  WireResult Receive(std::span<char> buffer) {
    return Told(recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT), WireState::kWantRead);
  }
  void EndWriting() {}
  bool open() const { return true; }

 private:
  static WireResult Told(ssize_t bytes, WireState blocked) {
    if (bytes > 0) return {WireState::kMoved, static_cast<size_t>(bytes)};
    if (bytes == 0) return {WireState::kEnded, 0};
    const bool again = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return {again ? blocked : WireState::kBroken, 0};
  }
  int descriptor_;
};

// A stream over a connected socket; a Wire moves the bytes, so that TLS costs the plain way nothing.
// Deletion is deferred by `alive`: handlers of pending waits hold
// a weak flag, since Asio runs them after the socket is gone.
template <typename Wire>
class SocketStream final : public Stream {
 public:
  SocketStream(Loop& loop, tcp::socket socket, auto&&... wire)
      : loop_(loop),
        socket_(std::move(socket)),
        wire_(socket_.native_handle(), std::forward<decltype(wire)>(wire)...),
        alive_(std::make_shared<bool>(true)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  ~SocketStream() override {
    *alive_ = false;
    loop_.ForgetFlush(*this);
  }

  void Start(StreamHandler& handler) override {
    handler_ = &handler;
    if (!wire_.open()) {
      loop_.timers().template Arm<&SocketStream::OnHandshakeEnd>(linger_, kHandshakeMax, this);
    }
    WaitReadable();
  }

  void Send(SharedBytes bytes) override {
    if (closing_ || bytes.size() == 0) return;
    unsent_bytes_ += bytes.size();
    outbox_.push_back(std::move(bytes));
    if (!waiting_writable_) loop_.FlushAtEndOfTurn(*this);
  }

  size_t unsent_bytes() const override { return unsent_bytes_; }
  void set_kept_bytes_max(size_t bytes) override { kept_bytes_max_ = bytes; }

  void ResumeReading() override {
    if (closed_ || (kept_.empty() && waiting_readable_)) return;
    // Offered again in a turn of its own: the caller may be inside OnBytes.
    asio::post(socket_.get_executor(), [this, alive = alive_] {
      if (!*alive || closed_) return;
      if (!kept_.empty()) OfferKept({});
      // A handler that uses little at a time must not make the kept bytes grow.
      if (*alive && !closed_ && kept_.size() < kept_bytes_max_) WaitReadable();
    });
  }

  void set_unsent_limit(const UnsentLimit& limit) override { unsent_limit_ = limit; }

  void set_unacknowledged_max(std::chrono::milliseconds time) override {
    const unsigned value = static_cast<unsigned>(time.count());
    (void)setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
  }

  void Close() override {
    if (closing_) return;
    closing_ = true;
    if (outbox_.empty()) return Linger();
    loop_.timers().template Arm<&SocketStream::OnLingerEnd>(linger_, kUnsentStallMax, this);
    if (!waiting_writable_) loop_.FlushAtEndOfTurn(*this);
  }

  void Abort() override {
    closing_ = true;
    DropOutbox();
    FinishSoon(CloseCause::kLocal);
  }

  std::string remote_address() const override {
    boost::system::error_code error;
    const auto endpoint = socket_.remote_endpoint(error);
    return error ? std::string() : endpoint.address().to_string();
  }

  void Flush() override {
    while (sent_frames_ < outbox_.size()) {
      std::array<iovec, kVectorsMax> vectors;
      const size_t count = std::min(kVectorsMax, outbox_.size() - sent_frames_);
      for (size_t i = 0; i < count; ++i) {
        const std::string_view bytes = outbox_[sent_frames_ + i].view();
        vectors[i] = {const_cast<char*>(bytes.data()), bytes.size()};
      }
      vectors[0].iov_base = static_cast<char*>(vectors[0].iov_base) + sent_of_first_;
      vectors[0].iov_len -= sent_of_first_;
      const WireResult sent = wire_.Send(std::span(vectors).first(count));
      if (sent.state != WireState::kMoved) return OnUnsent(sent.state);
      Advance(sent.bytes);
      if (closing_) loop_.timers().template Arm<&SocketStream::OnLingerEnd>(linger_, kUnsentStallMax, this);
    }
    ResetOutbox();
    if (closing_) return Linger();
    if (handler_ != nullptr) handler_->OnDrained();
  }

 private:
  void OnUnsent(WireState why) {
    switch (why) {
      case WireState::kWantWrite: return WaitWritable();
      case WireState::kWantRead: flush_after_read_ = true; return WaitReadable();
      case WireState::kMoved:
      case WireState::kEnded:
      case WireState::kBroken: break;
    }
    closing_ = true;
    DropOutbox();
    FinishSoon(CloseCause::kPeerReset);
  }

  void Advance(size_t sent) {
    unsent_bytes_ -= sent;
    marked_bytes_ -= std::min(marked_bytes_, sent);
    while (sent > 0) {
      SharedBytes& frame = outbox_[sent_frames_];
      const size_t left = frame.size() - sent_of_first_;
      if (sent < left) {
        sent_of_first_ += static_cast<uint32_t>(sent);
        return;
      }
      sent -= left;
      sent_of_first_ = 0;
      frame = SharedBytes();
      ++sent_frames_;
    }
  }

  void ResetOutbox() {
    outbox_.clear();
    sent_frames_ = 0;
    sent_of_first_ = 0;
    if (outbox_.capacity() > kOutboxKeptMax) std::vector<SharedBytes>().swap(outbox_);
  }

  void DropOutbox() {
    ResetOutbox();
    unsent_bytes_ = 0;
    marked_bytes_ = 0;
  }

  // What has to go before the limit's time is over; a new mark once it is gone.
  void MarkUnsent() {
    if (marked_bytes_ > 0 || closing_ || unsent_limit_.age_max.count() == 0) return;
    marked_bytes_ = std::min(unsent_bytes_, unsent_limit_.bytes_min);
    loop_.timers().template Arm<&SocketStream::OnUnsentAge>(linger_, unsent_limit_.age_max, this);
  }

  void OnUnsentAge() {
    if (marked_bytes_ > 0 && !closing_) handler_->OnUnsentTooOld();
  }

  void WaitWritable() {
    MarkUnsent();
    if (waiting_writable_) return;
    waiting_writable_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [this, alive = alive_](const boost::system::error_code&) {
                         if (!*alive || closed_) return;
                         waiting_writable_ = false;
                         if (std::exchange(read_after_write_, false)) WaitReadable();
                         loop_.FlushAtEndOfTurn(*this);
                       });
  }

  void WaitReadable() {
    if (waiting_readable_) return;
    waiting_readable_ = true;
    socket_.async_wait(tcp::socket::wait_read,
                       [this, alive = alive_](const boost::system::error_code& error) {
                         if (!*alive || closed_) return;
                         waiting_readable_ = false;
                         if (error) return FinishSoon(CloseCause::kPeerReset);
                         OnReadable();
                       });
  }

  // Ends our side, then reads and drops until the peer ends its own: closing with unread input
  // would make the kernel reset the connection, and the peer could lose our last bytes.
  void Linger() {
    if (closed_ || ended_) return;
    ended_ = true;
    wire_.EndWriting();
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    std::vector<char>().swap(kept_);
    loop_.timers().template Arm<&SocketStream::OnLingerEnd>(linger_, kLingerMax, this);
    WaitReadable();
  }

  void OnLingerEnd() { FinishSoon(CloseCause::kLocal); }

  void OnHandshakeEnd() {
    if (!wire_.open()) FinishSoon(CloseCause::kPeerReset);
  }

  void OnReadable() {
    auto& buffer = loop_.impl().read_buffer;
    // What comes behind our end is dropped unread: it needs no wire.
    const WireResult got = ended_ ? PlainWire(socket_.native_handle()).Receive(buffer)
                                  : wire_.Receive(buffer);
    if (std::exchange(flush_after_read_, false)) loop_.FlushAtEndOfTurn(*this);
    switch (got.state) {
      case WireState::kMoved: break;
      case WireState::kWantRead: return WaitReadable();
      case WireState::kWantWrite: read_after_write_ = true; return WaitWritable();
      case WireState::kEnded:
        // Who has said all may still read: what is due in this turn is for it.
        if (!outbox_.empty() && !waiting_writable_) Flush();
        return FinishSoon(closing_ ? CloseCause::kLocal : CloseCause::kPeerClosed);
      case WireState::kBroken: return FinishSoon(CloseCause::kPeerReset);
    }
    const std::span<char> bytes(buffer.data(), got.bytes);
    if (closing_) return WaitReadable();
    if (kept_.empty()) {
      const std::shared_ptr<bool> alive = alive_;
      const size_t used = handler_->OnBytes(bytes);
      if (!*alive || closed_) return;
      TW_CHECK(used <= bytes.size());
      kept_.assign(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
    } else if (!OfferKept(bytes)) {
      return;
    }
    if (kept_.empty()) std::vector<char>().swap(kept_);
    if (kept_.size() < kept_bytes_max_) WaitReadable();
  }

  // Appends `more` and offers everything kept. False when the stream is gone.
  bool OfferKept(std::span<const char> more) {
    kept_.insert(kept_.end(), more.begin(), more.end());
    const std::shared_ptr<bool> alive = alive_;
    // Out of reach of Close, which the handler may call.
    std::vector<char> offered = std::exchange(kept_, {});
    const size_t used = handler_->OnBytes(offered);
    if (!*alive || closed_) return false;
    TW_CHECK(used <= offered.size());
    offered.erase(offered.begin(), offered.begin() + static_cast<ptrdiff_t>(used));
    if (!closing_) kept_ = std::move(offered);
    return true;
  }

  // OnClosed always comes in a turn of its own, so that no caller of ours is destroyed under itself.
  void FinishSoon(CloseCause cause) {
    if (closed_) return;
    closed_ = true;
    closing_ = true;
    linger_.Cancel();
    DropOutbox();
    loop_.ForgetFlush(*this);
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    asio::post(socket_.get_executor(), [this, alive = alive_, cause] {
      if (*alive && handler_ != nullptr) handler_->OnClosed(cause);
    });
  }

  Loop& loop_;
  tcp::socket socket_;
  [[no_unique_address]] Wire wire_;
  StreamHandler* handler_ = nullptr;
  std::shared_ptr<bool> alive_;
  std::vector<SharedBytes> outbox_;
  std::vector<char> kept_;  // Input that the handler has not used yet.
  // The deadline of what is pending: the handshake's, then unsent bytes', then the end's.
  Timer linger_;
  UnsentLimit unsent_limit_;
  size_t unsent_bytes_ = 0;
  size_t marked_bytes_ = 0;  // Of those, what must go within unsent_limit_.age_max.
  size_t kept_bytes_max_ = kDefaultKeptBytesMax;
  uint32_t sent_frames_ = 0;    // Frames at the front of outbox_ that are gone.
  uint32_t sent_of_first_ = 0;  // Bytes gone of the frame after them.
  bool waiting_writable_ = false;
  bool waiting_readable_ = false;
  bool flush_after_read_ = false;  // A TLS handshake crosses the two directions.
  bool read_after_write_ = false;
  bool closing_ = false;  // No more input is used, no more output is taken.
  bool ended_ = false;    // Our side is shut down.
  bool closed_ = false;
};

}  // namespace tw::io
