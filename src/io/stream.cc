#include "io/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>

#include "io/loop_impl.h"
#include "io/socket_stream.h"
#include "io/tls_wire.h"
#include "telemetry/log.h"

namespace tw::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

using TcpStream = SocketStream<PlainWire>;

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
  TcpListener(Loop& loop, tcp::acceptor acceptor, Function<void(std::unique_ptr<Stream>)> accept,
              const TlsSlot* tls)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        retry_(loop.impl().context),
        tls_(tls),
        accept_(std::move(accept)) {
    AcceptNext();
  }
  ~TcpListener() override {
    *alive_ = false;
    if (reserve_ >= 0) close(reserve_);
  }

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
      accept_(MakeStream(std::move(socket)));
      AcceptNext();
    });
  }

  std::unique_ptr<Stream> MakeStream(tcp::socket socket) {
    if (tls_ == nullptr) return std::make_unique<TcpStream>(loop_, std::move(socket));
    return std::make_unique<SocketStream<TlsWire>>(loop_, std::move(socket), *tls_);
  }

  // Out of descriptors or memory: accepting again at once would spin.
  void Retry(const boost::system::error_code& cause) {
    telemetry::Log(telemetry::Level::kError, "AcceptFailed", "cannot accept a connection",
                   {{"error", cause.message()}});
    if (cause == asio::error::no_descriptors) RefuseOne();
    retry_.expires_after(std::chrono::milliseconds{100});
    retry_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
      if (*alive && !error) AcceptNext();
    });
  }

  // With the descriptor that was kept for this: who waits learns that there is no room.
  void RefuseOne() {
    if (reserve_ >= 0) close(reserve_);
    const int refused = accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (refused >= 0) close(refused);
    reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }

  Loop& loop_;
  int reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  const TlsSlot* const tls_;
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
    Function<void(std::unique_ptr<Stream>)> accept, const TlsSlot* tls) {
  TW_ASSIGN_OR_RETURN(auto acceptor,
                      Bind(loop.impl().context, address, port, Sharing::kShared));
  boost::system::error_code error;
  acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    return Fail(ErrorCode::kUnavailable, "cannot listen on " + std::string(address) + ":" +
                                             std::to_string(port) + ": " + error.message());
  }
  return std::make_unique<TcpListener>(loop, std::move(acceptor), std::move(accept), tls);
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
