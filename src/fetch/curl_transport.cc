#include "fetch/curl_transport.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "fetch/curl_transfer.h"

namespace tw::fetch {
namespace {

// How often deadlines that curl does not watch are looked at.
constexpr int kPollMilliseconds = 100;
constexpr int kIdlePollMilliseconds = 10'000;

struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

// curl_global_init is not safe from several threads before it has run once.
CURLcode InitialiseOnce() {
  static const CURLcode kCode = curl_global_init(CURL_GLOBAL_DEFAULT);
  return kCode;
}

}  // namespace

class CurlTransport::Worker {
 public:
  Worker(CurlOptions options, const Clock& clock, telemetry::Registry& metrics)
      : options_(std::move(options)),
        clock_(clock),
        multi_(curl_multi_init()),
        ok_(Outcome(metrics, "ok")),
        refused_(Outcome(metrics, "refused")),
        failed_(Outcome(metrics, "failed")) {}

  bool usable() const { return multi_ != nullptr; }
  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    stopping_.store(true);
    curl_multi_wakeup(multi_.get());
    if (thread_.joinable()) thread_.join();
  }

  void Send(Request request, Done done) {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() < options_.waiting_max && !stopping_.load()) {
        waiting_.push_back({std::move(request), std::move(done)});
      }
    }
    if (done) {
      failed_.Add();
      done(Fail(ErrorCode::kResourceExhausted, "too many requests wait to be sent"));
      return;
    }
    curl_multi_wakeup(multi_.get());
  }

 private:
  struct Waiting {
    Request request;
    Done done;
  };

  static telemetry::Counter& Outcome(telemetry::Registry& metrics, const char* outcome) {
    return metrics.GetCounter("tidewire_fetch_total", "Requests that we made, by outcome.",
                              {{"outcome", outcome}});
  }

  void Run() {
    while (!stopping_.load()) {
      Begin();
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      Reap();
      EndLate();
      const int wait = transfers_.empty() ? kIdlePollMilliseconds : kPollMilliseconds;
      curl_multi_poll(multi_.get(), nullptr, 0, wait, nullptr);
    }
    const auto stopped = [] { return Fail(ErrorCode::kUnavailable, "the transport stops"); };
    for (auto& [handle, transfer] : transfers_) {
      curl_multi_remove_handle(multi_.get(), handle);
      transfer->Complete(stopped());
    }
    transfers_.clear();
    const std::lock_guard lock(mutex_);
    for (Waiting& waiting : waiting_) waiting.done(stopped());
    waiting_.clear();
  }

  void Begin() {
    while (transfers_.size() < options_.transfers_max) {
      Waiting next;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      Add(std::make_unique<CurlTransfer>(std::move(next.request), std::move(next.done), options_,
                                         clock_.Mono()));
    }
  }

  void Add(std::unique_ptr<CurlTransfer> transfer) {
    if (const Status prepared = transfer->Prepare(); !prepared.ok()) {
      return End(*transfer, std::unexpected(prepared.error()));
    }
    CURL* handle = transfer->handle();
    if (curl_multi_add_handle(multi_.get(), handle) != CURLM_OK) {
      return End(*transfer, Fail(ErrorCode::kInternal, "libcurl takes no more transfers"));
    }
    transfers_.emplace(handle, std::move(transfer));
  }

  void Reap() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      auto transfer = Remove(message->easy_handle);
      if (transfer == nullptr) continue;
      const auto redirect = transfer->Finish(code);
      if (!redirect.ok()) {
        End(*transfer, std::unexpected(redirect.error()));
      } else if (*redirect) {
        Add(std::move(transfer));
      } else {
        End(*transfer, transfer->TakeResponse());
      }
    }
  }

  void EndLate() {
    std::vector<CURL*> late;
    for (const auto& [handle, transfer] : transfers_) {
      if (transfer->Late(clock_.Mono())) late.push_back(handle);
    }
    for (CURL* handle : late) {
      const auto transfer = Remove(handle);
      End(*transfer, std::unexpected(transfer->ErrorOf(CURLE_OPERATION_TIMEDOUT)));
    }
  }

  std::unique_ptr<CurlTransfer> Remove(CURL* handle) {
    const auto found = transfers_.find(handle);
    if (found == transfers_.end()) return nullptr;
    curl_multi_remove_handle(multi_.get(), handle);
    auto transfer = std::move(found->second);
    transfers_.erase(found);
    return transfer;
  }

  void End(CurlTransfer& transfer, Result<Response> result) {
    const bool refused = !result.ok() && result.error().code == ErrorCode::kPermissionDenied;
    (result.ok() ? ok_ : refused ? refused_ : failed_).Add();
    transfer.Complete(std::move(result));
  }

  const CurlOptions options_;
  const Clock& clock_;
  std::unique_ptr<CURLM, MultiDeleter> multi_;
  telemetry::Counter& ok_;
  telemetry::Counter& refused_;
  telemetry::Counter& failed_;
  std::unordered_map<CURL*, std::unique_ptr<CurlTransfer>> transfers_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // Guards waiting_.
  std::deque<Waiting> waiting_;
  std::thread thread_;
};

Result<std::unique_ptr<CurlTransport>> CurlTransport::Start(CurlOptions options, const Clock& clock,
                                                            telemetry::Registry& metrics) {
  if (InitialiseOnce() != CURLE_OK) return Fail(ErrorCode::kInternal, "libcurl cannot be used");
  auto worker = std::make_unique<Worker>(std::move(options), clock, metrics);
  if (!worker->usable()) return Fail(ErrorCode::kInternal, "libcurl has no memory");
  worker->Start();
  return std::unique_ptr<CurlTransport>(new CurlTransport(std::move(worker)));
}

CurlTransport::CurlTransport(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
CurlTransport::~CurlTransport() { worker_->Stop(); }

void CurlTransport::Send(Request request, Done done) {
  worker_->Send(std::move(request), std::move(done));
}

}  // namespace tw::fetch
