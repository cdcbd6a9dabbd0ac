#include "io/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "io/loop_impl.h"
#include "telemetry/log.h"

namespace tw::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr size_t kDefaultKeptBytesMax = 64 * 1024;
// Frames per writev(2); more wait for the next call of the same flush.
constexpr size_t kVectorsMax = 256;
// An outbox that grew beyond this gives its memory back when it is empty.
constexpr size_t kOutboxKeptMax = 32;
// How long a closed stream waits for the peer to end its side.
constexpr std::chrono::seconds kLingerMax{2};
// How long a closed stream waits for a peer that takes nothing of what is still unsent.
constexpr std::chrono::seconds kUnsentStallMax{10};

// A stream over a connected socket. Deletion is deferred by `alive`: handlers of pending waits hold
// a weak flag, since Asio runs them after the socket is gone.
class TcpStream final : public Stream {
 public:
  TcpStream(Loop& loop, tcp::socket socket)
      : loop_(loop), socket_(std::move(socket)), alive_(std::make_shared<bool>(true)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  ~TcpStream() override {
    *alive_ = false;
    loop_.ForgetFlush(*this);
  }

  void Start(StreamHandler& handler) override {
    handler_ = &handler;
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

  void Close() override {
    if (closing_) return;
    closing_ = true;
    if (outbox_.empty()) return Linger();
    loop_.timers().Arm<&TcpStream::OnLingerEnd>(linger_, kUnsentStallMax, this);
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
      msghdr message{};
      message.msg_iov = vectors.data();
      message.msg_iovlen = count;
      const ssize_t sent = sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return WaitWritable();
        closing_ = true;
        DropOutbox();
        return FinishSoon(CloseCause::kPeerReset);
      }
      Advance(static_cast<size_t>(sent));
      if (closing_) loop_.timers().Arm<&TcpStream::OnLingerEnd>(linger_, kUnsentStallMax, this);
    }
    ResetOutbox();
    if (closing_) return Linger();
    if (handler_ != nullptr) handler_->OnDrained();
  }

 private:
  void Advance(size_t sent) {
    unsent_bytes_ -= sent;
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
  }

  void WaitWritable() {
    waiting_writable_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [this, alive = alive_](const boost::system::error_code&) {
                         if (!*alive || closed_) return;
                         waiting_writable_ = false;
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
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    std::vector<char>().swap(kept_);
    loop_.timers().Arm<&TcpStream::OnLingerEnd>(linger_, kLingerMax, this);
    WaitReadable();
  }

  void OnLingerEnd() { FinishSoon(CloseCause::kLocal); }

  void OnReadable() {
    auto& buffer = loop_.impl().read_buffer;
    const ssize_t got = recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return WaitReadable();
      return FinishSoon(CloseCause::kPeerReset);
    }
    if (got == 0) return FinishSoon(closing_ ? CloseCause::kLocal : CloseCause::kPeerClosed);
    const std::span<char> bytes(buffer.data(), static_cast<size_t>(got));
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
  StreamHandler* handler_ = nullptr;
  std::shared_ptr<bool> alive_;
  std::vector<SharedBytes> outbox_;
  std::vector<char> kept_;  // Input that the handler has not used yet.
  Timer linger_;
  size_t unsent_bytes_ = 0;
  size_t kept_bytes_max_ = kDefaultKeptBytesMax;
  uint32_t sent_frames_ = 0;    // Frames at the front of outbox_ that are gone.
  uint32_t sent_of_first_ = 0;  // Bytes gone of the frame after them.
  bool waiting_writable_ = false;
  bool waiting_readable_ = false;
  bool closing_ = false;  // No more input is used, no more output is taken.
  bool ended_ = false;    // Our side is shut down.
  bool closed_ = false;
};

Result<asio::ip::address> ParseAddress(std::string_view text) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(text), error);
  if (error) {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text) + "' is not an IP address; write e.g. 127.0.0.1");
  }
  return address;
}

class TcpListener final : public Listener {
 public:
  TcpListener(Loop& loop, tcp::acceptor acceptor, Function<void(std::unique_ptr<Stream>)> accept)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        retry_(loop.impl().context),
        accept_(std::move(accept)) {
    AcceptNext();
  }
  ~TcpListener() override { *alive_ = false; }

  uint16_t port() const override { return acceptor_.local_endpoint().port(); }

  void Stop() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }

 private:
  void AcceptNext() {
    acceptor_.async_accept([this, alive = alive_](const boost::system::error_code& error,
                                                  tcp::socket socket) {
      if (!*alive || error == asio::error::operation_aborted) return;
      if (error) return Retry(error);
      accept_(std::make_unique<TcpStream>(loop_, std::move(socket)));
      AcceptNext();
    });
  }

  // Out of descriptors or memory: accepting again at once would spin.
  void Retry(const boost::system::error_code& cause) {
    telemetry::Log(telemetry::Level::kError, "AcceptFailed", "cannot accept a connection",
                   {{"error", cause.message()}});
    retry_.expires_after(std::chrono::milliseconds{100});
    retry_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
      if (*alive && !error) AcceptNext();
    });
  }

  Loop& loop_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  Function<void(std::unique_ptr<Stream>)> accept_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

namespace {

enum class Sharing : uint8_t { kAlone, kShared };

// A bound acceptor that does not listen yet.
Result<tcp::acceptor> Bind(asio::io_context& context, std::string_view address, uint16_t port,
                           Sharing sharing) {
  TW_ASSIGN_OR_RETURN(const auto ip, ParseAddress(address));
  const tcp::endpoint endpoint(ip, port);
  tcp::acceptor acceptor(context);
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  const int on = 1;
  if (!error && sharing == Sharing::kShared &&
      setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    error.assign(errno, boost::system::system_category());
  }
  if (!error) acceptor.bind(endpoint, error);
  if (error) {
    return Fail(ErrorCode::kUnavailable, "cannot listen on " + std::string(address) + ":" +
                                             std::to_string(port) + ": " + error.message());
  }
  return acceptor;
}

}  // namespace

Status Listener::CheckFree(std::string_view address, uint16_t port) {
  asio::io_context context;
  TW_ASSIGN_OR_RETURN(auto acceptor, Bind(context, address, port, Sharing::kAlone));
  // With SO_REUSEADDR a bind succeeds beside a listener that has it too; listening does not.
  boost::system::error_code error;
  if (port != 0) acceptor.listen(1, error);
  if (error) {
    return Fail(ErrorCode::kUnavailable, "cannot listen on " + std::string(address) + ":" +
                                             std::to_string(port) + ": " + error.message());
  }
  return {};
}

Result<std::unique_ptr<Listener>> Listener::Listen(
    Loop& loop, std::string_view address, uint16_t port,
    Function<void(std::unique_ptr<Stream>)> accept) {
  TW_ASSIGN_OR_RETURN(auto acceptor,
                      Bind(loop.impl().context, address, port, Sharing::kShared));
  boost::system::error_code error;
  acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    return Fail(ErrorCode::kUnavailable, "cannot listen on " + std::string(address) + ":" +
                                             std::to_string(port) + ": " + error.message());
  }
  return std::make_unique<TcpListener>(loop, std::move(acceptor), std::move(accept));
}

void Connect(Loop& loop, std::string_view address, uint16_t port,
             Function<void(Result<std::unique_ptr<Stream>>)> done) {
  const auto ip = ParseAddress(address);
  if (!ip.ok()) return done(std::unexpected(ip.error()));
  auto socket = std::make_shared<tcp::socket>(loop.impl().context);
  socket->async_connect(
      tcp::endpoint(*ip, port),
      [&loop, socket, done = std::move(done)](const boost::system::error_code& error) mutable {
        if (error) return done(Fail(ErrorCode::kUnavailable, "connect: " + error.message()));
        done(std::make_unique<TcpStream>(loop, std::move(*socket)));
      });
}

}  // namespace tw::io
