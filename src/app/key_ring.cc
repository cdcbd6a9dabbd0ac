#include "app/key_ring.h"

#include <algorithm>
#include <utility>

#include "app/auth_keys.h"
#include "auth/jwks.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

constexpr uint64_t kSetBytesMax = 256u << 10;
constexpr fetch::Deadlines kDeadlines{.connect = std::chrono::milliseconds{3'000},
                                      .first_byte = std::chrono::milliseconds{5'000},
                                      .total = std::chrono::milliseconds{10'000}};

telemetry::Counter& FetchCounter(telemetry::Registry& metrics, const char* outcome) {
  return metrics.GetCounter("tidewire_auth_jwks_fetches_total",
                            "Issuers' key sets that were asked for, by outcome.",
                            {{"outcome", outcome}});
}

}  // namespace

Result<auth::JwtKey> ReadPublishedKeys(std::string_view issuer, const fetch::Response& response) {
  // No redirect is followed: who may speak for the issuer is the configuration's word.
  if (response.status != 200) {
    return Fail(ErrorCode::kUnavailable, "the answer's status is " +
                                             std::to_string(response.status));
  }
  TW_ASSIGN_OR_RETURN(auth::JwtKey keys, auth::ParseJwks(response.body));
  if (keys.holds_secret()) {
    return Fail(ErrorCode::kInvalidArgument, "the set holds a shared secret (oct)");
  }
  keys.BindTo(issuer);
  return keys;
}

KeyRing::KeyRing(auth::JwtKey own, fetch::Transport* transport, const Clock& clock,
                 telemetry::Registry& metrics, const KeyRingOptions& options)
    : options_(options),
      transport_(transport),
      clock_(clock),
      fetched_(FetchCounter(metrics, "ok")),
      failed_(FetchCounter(metrics, "failed")),
      own_(std::move(own)) {}

Result<std::unique_ptr<KeyRing>> KeyRing::Create(const AuthConfig& config,
                                                 fetch::Transport* transport,
                                                 const Clock& clock,
                                                 telemetry::Registry& metrics,
                                                 const KeyRingOptions& options) {
  TW_ASSIGN_OR_RETURN(auth::JwtKey own, MakeKey(config));
  std::unique_ptr<KeyRing> ring(
      new KeyRing(std::move(own), transport, clock, metrics, options));
  for (const IssuerConfig& issuer : config.issuers) {
    Issuer& added = ring->issuers_.emplace_back();
    added.name = issuer.issuer;
    added.url = issuer.jwks_url;
  }
  return ring;
}

KeyRing::~KeyRing() { Stop(); }

void KeyRing::Start() {
  if (issuers_.empty()) return;
  thread_ = std::thread([this] { Run(); });
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, options_.first_wait, [this] {
    return std::ranges::all_of(issuers_, [](const Issuer& issuer) { return issuer.answered; });
  });
}

void KeyRing::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    publish_ = nullptr;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

auth::JwtKey KeyRing::All() const {
  auth::JwtKey all = own_;
  for (const Issuer& issuer : issuers_) all.Add(issuer.keys);
  return all;
}

auth::JwtKey KeyRing::keys() const {
  const std::lock_guard lock(mutex_);
  return All();
}

void KeyRing::OnChange(Publish publish) {
  const std::lock_guard lock(mutex_);
  publish_ = std::move(publish);
  publish_(All());
}

void KeyRing::WantUnknown() {
  {
    const std::lock_guard lock(mutex_);
    if (wanted_ || issuers_.empty()) return;
    wanted_ = true;
  }
  wake_.notify_all();
}

Status KeyRing::Reload(const AuthConfig& config) {
  TW_ASSIGN_OR_RETURN(auth::JwtKey own, MakeKey(config));
  {
    const std::lock_guard lock(mutex_);
    own_ = std::move(own);
    fetched_at_ = {};
    wanted_ = !issuers_.empty();
  }
  Tell();
  wake_.notify_all();
  return {};
}

// `publish_` only posts, so it may be called with the lock held; it is not called after Stop.
void KeyRing::Tell() {
  const std::lock_guard lock(mutex_);
  changed_ = false;
  if (publish_) publish_(All());
}

void KeyRing::Run() {
  for (;;) {
    FetchAll();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    const bool failed = std::ranges::any_of(issuers_, &Issuer::failed);
    const MonoTime due = fetched_at_ + (failed ? options_.retry : options_.refresh);
    // Tokens with made-up key ids must not make us ask more often than this.
    const auto ready = [&] {
      if (stopping_ || fetched_at_ == MonoTime{}) return true;
      return wanted_ && clock_.Mono() >= fetched_at_ + options_.unknown_wait;
    };
    while (!ready() && clock_.Mono() < due) {
      const MonoTime until = wanted_ ? std::min(due, fetched_at_ + options_.unknown_wait) : due;
      wake_.wait_for(lock, std::max<std::chrono::nanoseconds>(until - clock_.Mono(),
                                                              std::chrono::milliseconds{1}));
    }
    if (stopping_) return;
  }
}

void KeyRing::FetchAll() {
  std::vector<std::string> urls;
  {
    const std::lock_guard lock(mutex_);
    fetched_at_ = clock_.Mono();
    wanted_ = false;
    waiting_ = issuers_.size();
    for (const Issuer& issuer : issuers_) urls.push_back(issuer.url);
  }
  for (size_t i = 0; i < urls.size(); ++i) {
    transport_->Send({.url = urls[i],
                      .headers = {{"Accept", "application/json"}},
                      .body = {},
                      .deadlines = kDeadlines,
                      .response_bytes_max = kSetBytesMax,
                      .redirects_max = 0,
                      .credential_headers = {},
                      .save_to = {}},
                     [this, i](Result<fetch::Response> response) {
                       OnAnswer(i, std::move(response));
                     });
  }
  bool changed = false;
  {
    std::unique_lock lock(mutex_);
    // Each request ends by its deadline.
    wake_.wait(lock, [this] { return waiting_ == 0 || stopping_; });
    changed = changed_ && !stopping_;
  }
  if (changed) Tell();
}

void KeyRing::OnAnswer(size_t index, Result<fetch::Response> response) {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    name = issuers_[index].name;
  }
  auto keys = response.ok() ? ReadPublishedKeys(name, *response)
                            : Result<auth::JwtKey>(std::unexpected(response.error()));
  if (!keys.ok()) {
    telemetry::Log(telemetry::Level::kError, "JwksNotFetched",
                   "an issuer's keys could not be had; its former keys stay",
                   {{"issuer", name}, {"error", keys.error().message}});
  }
  (keys.ok() ? fetched_ : failed_).Add();
  {
    const std::lock_guard lock(mutex_);
    Issuer& issuer = issuers_[index];
    issuer.answered = true;
    issuer.failed = !keys.ok();
    if (keys.ok() && response->body != issuer.set) {
      issuer.keys = std::move(*keys);
      issuer.set = std::move(response->body);
      changed_ = true;
    }
    --waiting_;
  }
  wake_.notify_all();
}

}  // namespace tw::app
