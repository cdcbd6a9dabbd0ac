// The keys that tokens are verified with: those of the configuration, and those that issuers publish,
// fetched from the addresses that the configuration names.
//
//   every `refresh` · an unknown key id, at most every `unknown_wait` · Reload (SIGHUP)
//      └─▶ GET each issuer's set ─▶ read ─▶ publish(all keys)
//               └─ fails: its former keys stay, again after `retry`
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/config.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/result.h"
#include "fetch/transport.h"
#include "telemetry/metrics.h"

namespace tw::app {

struct KeyRingOptions {
  std::chrono::milliseconds refresh{600'000};
  std::chrono::milliseconds unknown_wait{30'000};
  std::chrono::milliseconds retry{10'000};
  // Start waits this long for the first answers, so that a restart refuses nobody.
  std::chrono::milliseconds first_wait{5'000};
};

// Any thread may call. Without issuers it has no thread, and only Reload changes the keys.
class KeyRing {
 public:
  using Publish = std::function<void(const auth::JwtKey&)>;

  // `transport` (may be null without issuers) ends before the ring, whose Stop comes before that;
  // `clock` and `metrics` outlive it. Errors: as MakeKey.
  static Result<std::unique_ptr<KeyRing>> Create(const AuthConfig& config,
                                                 fetch::Transport* transport,
                                                 const Clock& clock,
                                                 telemetry::Registry& metrics,
                                                 const KeyRingOptions& options);
  ~KeyRing();

  // Fetches; returns when every issuer has answered or failed, or after first_wait.
  void Start();
  void Stop();

  // All keys as they are now.
  auth::JwtKey keys() const;
  // `publish` is called with all keys now, and after each change on the ring's thread or Reload's. It
  // must only post.
  void OnChange(Publish publish);

  // A token named a key that is not there.
  void WantUnknown();
  // The `auth` section was read anew; issuers are asked again, but are those of the start. On error
  // the keys stay. Errors: as MakeKey.
  Status Reload(const AuthConfig& config);

 private:
  struct Issuer {
    std::string name;
    std::string url;
    auth::JwtKey keys;
    std::string set;        // What `keys` were read from.
    bool answered = false;  // In this round.
    bool failed = false;
  };

  KeyRing(auth::JwtKey own, fetch::Transport* transport, const Clock& clock,
          telemetry::Registry& metrics, const KeyRingOptions& options);
  void Run();
  void FetchAll();
  void OnAnswer(size_t index, Result<fetch::Response> response);
  auth::JwtKey All() const;
  void Tell();

  const KeyRingOptions options_;
  fetch::Transport* const transport_;
  const Clock& clock_;
  telemetry::Counter& fetched_;
  telemetry::Counter& failed_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable wake_;
  auth::JwtKey own_;
  std::vector<Issuer> issuers_;
  Publish publish_;
  size_t waiting_ = 0;  // Answers of this round that are still to come.
  bool changed_ = false;
  bool wanted_ = false;
  bool stopping_ = false;
  MonoTime fetched_at_{};
  std::thread thread_;
};

// What a set that was fetched holds. Errors: kInvalidArgument, also for a shared secret, which nobody
// publishes.
Result<auth::JwtKey> ReadPublishedKeys(std::string_view issuer, const fetch::Response& response);

}  // namespace tw::app
