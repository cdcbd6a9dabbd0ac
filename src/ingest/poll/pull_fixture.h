// Test-only: a puller on a database, with a scripted provider in the place of the network and a
// clock that moves only when told.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fetch/transport.h"
#include "ingest/apply/pull_applier.h"
#include "ingest/outreach_fixture.h"
#include "ingest/poll/puller.h"

namespace tw::ingest {

// Answers at once by a function of the request.
class ScriptedTransport final : public fetch::Transport {
 public:
  using Script = std::function<Result<fetch::Response>(const fetch::Request&)>;
  void Send(fetch::Request request, fetch::Done done) override {
    urls.push_back(request.url);
    requests.push_back(request);
    auto answer = script(request);
    if (answer.ok() && !request.save_to.empty() && answer->status == 200) {
      std::ofstream(request.save_to, std::ios::binary) << answer->body;
      answer->body.clear();
    }
    done(std::move(answer));
  }

  Script script;
  std::vector<std::string> urls;
  std::vector<fetch::Request> requests;
};

inline fetch::Response Json(std::string body, std::vector<fetch::Header> headers = {}) {
  return {.status = 200, .headers = std::move(headers), .body = std::move(body)};
}
inline fetch::Response Answered(int status, std::vector<fetch::Header> headers = {},
                                std::string body = "") {
  return {.status = status, .headers = std::move(headers), .body = std::move(body)};
}

// The store, in the caller's own turn.
class DirectStore final : public PullStore {
 public:
  explicit DirectStore(PullApplier& applier) : applier_(applier) {}
  void Claim(ClaimRequest request, Function<void(Result<Claimed>)> done) override {
    done(applier_.Claim(request));
  }
  void Apply(PullWork work, Function<void(Result<PullResult>)> done) override {
    if (die_before_apply > 0 && --die_before_apply == 0) return;  // The process is gone.
    done(applier_.Apply(work));
  }
  void End(JobEnd end, Function<void(Status)> done) override { done(applier_.End(end)); }
  void Raise(Alert alert) override {
    MustOk(applier_.Raise(alert));
    if (!alert.resolved) alerts.push_back(alert.rule + ": " + alert.text);
  }

  std::vector<std::string> alerts;
  int die_before_apply = 0;  // That many calls from now never return.

 private:
  PullApplier& applier_;
};

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-pull-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    db_.emplace(directory_);
  }
  ~PullTest() override {
    puller_.reset();
    store_.reset();
    applier_.reset();
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Runs `schema`, compiles the sources of `yaml`, starts a puller.
  void Load(const std::string& schema, const std::string& yaml) {
    MustOk(db_->Execute(schema));
    sources_.clear();
    for (const SourceConfig& config : Must(LoadSourceConfigs(yaml, "test.yaml", environment_))) {
      sources_.push_back(Must(CompileSource(config, yaml, *db_)));
    }
    Start();
  }
  // As after a kill, when something ran before.
  void Start() {
    puller_.reset();
    store_.reset();
    applier_.reset();
    applier_ = Must(db_->MakeApplier(sources_, clock_, metrics_, applier_options_));
    store_ = std::make_unique<DirectStore>(applier_->pull());
    puller_ = Must(Puller::Create({.sources = sources_,
                                   .transport = transport_,
                                   .store = *store_,
                                   .clock = clock_,
                                   .random = random_,
                                   .metrics = metrics_,
                                   .applied_sequence = [this] { return applier_->applied_sequence(); },
                                   .wake = {}},
                                  {.download_directory = directory_, .owner = owner_}));
    MustOk(applier_->pull().AddJobs(puller_->JobRows()));
    Look();
  }
  void Look() {
    puller_->OnView(Must(applier_->pull().ReadView()));
    next_ = puller_->Turn();
  }
  // Lets time pass; what is due in between happens at its time.
  void Pass(std::chrono::nanoseconds time) {
    const MonoTime until = clock_.Mono() + time;
    while (next_ <= until) {
      clock_.Advance(std::max<std::chrono::nanoseconds>(next_ - clock_.Mono(),
                                                        std::chrono::milliseconds(1)));
      Look();
    }
    if (clock_.Mono() < until) clock_.Advance(until - clock_.Mono());
    Look();
  }
  // Runs a job now, as `tidewire jobs run` does, to its end.
  void Run(const std::string& job) {
    MustOk(db_->Execute("insert into tidewire_request(verb, argument) values('run', '" + job +
                        "')"));
    Look();
    for (int i = 0; i < 10'000 && !puller_->idle(); ++i) {
      Pass(std::max<std::chrono::nanoseconds>(next_ - clock_.Mono(), std::chrono::milliseconds(1)));
    }
    EXPECT_TRUE(puller_->idle());
  }
  std::string Query(const std::string& sql) { return db_->Query(sql); }
  std::string LastRun() {
    return Query("select status, error from tidewire_run order by rowid desc limit 1");
  }

  std::string directory_;
  FixedEnvironment environment_;
  testing::FakeClock clock_;
  SeededRandom random_{1};
  telemetry::Registry metrics_;
  std::optional<TestStore> db_;
  std::vector<std::shared_ptr<const Source>> sources_;
  ApplierOptions applier_options_;
  std::string owner_;
  std::unique_ptr<Applier> applier_;
  ScriptedTransport transport_;
  std::unique_ptr<DirectStore> store_;
  std::unique_ptr<Puller> puller_;
  MonoTime next_{};
};

}  // namespace tw::ingest
