#include "client/driver.h"

#include <map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/percent.h"
#include "client/wire.h"

namespace tw::client {
namespace {

namespace asio = boost::asio;

class AsioDriver final : public Driver {
 public:
  AsioDriver(DriverOptions options, Address address, Observer& observer, Random& random)
      : options_(std::move(options)),
        address_(std::move(address)),
        observer_(observer),
        random_(random),
        tls_(asio::ssl::context::tls_client),
        machine_(options_.limits) {}

  Status LoadTrust() {
    boost::system::error_code error;
    tls_.set_default_verify_paths(error);
    if (options_.ca_file.empty()) return {};
    tls_.load_verify_file(options_.ca_file, error);
    if (!error) return {};
    return Fail(ErrorCode::kInvalidArgument, options_.ca_file + ": " + error.message());
  }

  void Subscribe(std::string id, Binding binding, std::optional<std::string> since) override {
    Dispatch(event::Subscribe{std::move(id), std::move(binding), std::move(since)});
  }
  std::optional<std::string> PositionOf(std::string_view id) const override {
    return machine_.PositionOf(id);
  }
  void Run() override {
    const auto work = asio::make_work_guard(io_);
    io_.run();
  }
  void Stop() override {
    asio::post(io_, [this] {
      Dispatch(event::Close{});
      // What is said to the server leaves first.
      asio::post(io_, [this] { io_.stop(); });
    });
  }

 private:
  void Dispatch(const Event& event) {
    const Env env{.now = SystemClock().Wall().time_since_epoch(), .random = random_.Unit()};
    const Phase before = machine_.phase();
    for (const Effect& effect : machine_.Step(event, env)) {
      std::visit([this](const auto& what) { Perform(what); }, effect);
    }
    if (machine_.phase() != before) observer_.OnPhase(machine_.phase(), machine_.error());
  }
  // In a turn of its own: the step under way is finished first.
  void Later(Event event) {
    asio::post(io_, [this, event = std::move(event)] { Dispatch(event); });
  }

  void Perform(const effect::AskToken&) {
    auto token = options_.token();
    if (token.ok()) return Later(event::Token{std::move(*token)});
    Later(event::TokenFailed{token.error().message});
  }
  void Perform(const effect::Connect& connect) {
    const uint64_t conn = connect.conn;
    const std::string& key = options_.apikey.empty() ? connect.token : options_.apikey;
    wire_ = OpenWire(
        io_, tls_, random_,
        {.address = address_,
         .target = address_.path + "/realtime/v1/websocket?vsn=2.0.0&apikey=" + PercentEncode(key),
         .message_bytes_max = options_.message_bytes_max},
        {.opened = [this, conn] { Dispatch(event::Opened{conn}); },
         .message = [this, conn](std::string_view text) { Dispatch(event::Frame{conn, text}); },
         .lost =
             [this, conn](int code, std::string reason) {
               Dispatch(event::Lost{conn, code, std::move(reason)});
             },
         .refused = [this](int status) { observer_.OnRefused(status); }});
  }
  void Perform(const effect::Disconnect& disconnect) {
    if (wire_ == nullptr) return;
    wire_->Close(disconnect.code, disconnect.reason);
    // It may be the caller.
    asio::post(io_, [wire = std::shared_ptr<Wire>(std::move(wire_))] {});
  }
  void Perform(const effect::Send& send) {
    if (wire_ != nullptr) wire_->Send(send.frame);
  }
  void Perform(const effect::SetTimer& set) {
    if (!set.delay) {
      timers_.erase(set.name);
      return;
    }
    auto timer = std::make_unique<asio::steady_timer>(io_);
    timer->expires_after(std::chrono::duration_cast<std::chrono::microseconds>(*set.delay));
    // One that had expired when it was replaced or cleared still comes here.
    timer->async_wait([this, name = set.name, own = timer.get()](const auto& error) {
      const auto found = timers_.find(name);
      if (!error && found != timers_.end() && found->second.get() == own) {
        timers_.erase(found);
        Dispatch(event::Timer{name});
      }
    });
    timers_[set.name] = std::move(timer);
  }
  void Perform(const effect::Deliver& deliver) { observer_.OnChange(deliver.id, deliver.change); }
  void Perform(const effect::Tell& tell) { observer_.OnVerdict(tell.id, tell.verdict); }
  void Perform(const effect::Channel& channel) {
    observer_.OnChannel(channel.id, channel.phase, channel.error);
  }

  const DriverOptions options_;
  const Address address_;
  Observer& observer_;
  Random& random_;
  asio::io_context io_;
  asio::ssl::context tls_;
  Machine machine_;
  std::map<std::string, std::unique_ptr<asio::steady_timer>> timers_;
  std::unique_ptr<Wire> wire_;
};

}  // namespace

Result<std::unique_ptr<Driver>> Driver::Create(DriverOptions options, Observer& observer,
                                               Random& random) {
  TW_ASSIGN_OR_RETURN(Address address, ParseAddress(options.url));
  auto driver =
      std::make_unique<AsioDriver>(std::move(options), std::move(address), observer, random);
  TW_RETURN_IF_ERROR(driver->LoadTrust());
  return driver;
}

}  // namespace tw::client
