// The inside of the puller. Private to ingest/poll.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingest/apply/local_day.h"
#include "ingest/poll/gate.h"
#include "ingest/poll/job.h"
#include "ingest/poll/puller.h"
#include "ingest/poll/stream_run.h"

namespace tw::ingest {

// What other threads tell the puller. Outlives it in their hands; then it takes nothing any more.
class Mailbox {
 public:
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}
  void Post(Function<void()> event);
  std::vector<Function<void()>> Take();
  void Close();
  bool empty() const;

 private:
  std::function<void()> wake_;
  mutable std::mutex mutex_;  // Guards the rest.
  bool closed_ = false;
  std::vector<Function<void()>> events_;
};

struct PullMetrics {
  explicit PullMetrics(telemetry::Registry& registry);
  telemetry::Counter& Runs(RunStatus status);
  telemetry::Registry& registry;
  telemetry::Counter& requests;
  telemetry::Counter& records;
  telemetry::Counter& missed;
  telemetry::Counter& reconciliations;
  telemetry::Counter& adjusted;
  // Of the last looks: the largest difference between a source and us, in millionths.
  telemetry::Gauge& Drift(const std::string& source, const std::string& check);
  telemetry::Counter& skipped;
  telemetry::Gauge& active;
};

// A run that is under way, and whose turn it is.
struct ActiveRun {
  uint64_t id = 0;
  Job* job = nullptr;
  TenantTask task;
  std::unique_ptr<StreamRun> run;
  std::string credential;     // Of the gate.
  std::string exclusive;      // Held by one run at a time; empty: none.
  std::optional<fetch::Request> ready;  // Waits for the gate.
};

struct Puller::Parts {
  Parts(Wiring w, PullerOptions o, std::vector<std::unique_ptr<Job>> all);
  ~Parts();

  bool idle() const;
  MonoTime Turn();
  MonoTime NextDue() const;
  void TakeView(std::shared_ptr<const PullView> next);
  void TakeRequest(const OperatorRequest& request);
  void Raise(AlertLevel level, std::string rule, std::string source, std::string tenant,
             std::string text, bool resolved = false);

  // Jobs: puller_jobs.cc.
  void TurnJob(Job& job, WallTime now);
  void Begin(Job& job, WallTime now);
  void OnClaimed(Job& job, const std::string& run_id, Result<Claimed> claimed);
  void MakeTasks(Job& job);
  bool CanBegin(const Job& job) const;
  void BeginTasks(Job& job);
  void EndJob(Job& job);
  void CheckLate(Job& job, WallTime now);
  const PulledTenant* FindTenant(uint16_t source, std::string_view id) const;
  std::string KeyOf(const StreamRef& ref, std::string_view tenant) const;

  // Checks: puller_checks.cc.
  // Whose reconciliation begins; empty: everyone's.
  StringSet Chosen(Job& job);
  void TellChecked(const ActiveRun& active, RunStatus status, const std::string& error);
  void TellDrift(const ActiveRun& active, const CheckPlan& check, const Compared& worst);
  Job* ReconcileJobOf(uint16_t source);

  // Runs: puller_runs.cc.
  void BeginRun(Job& job, TenantTask task);
  void Advance(uint64_t id);
  void AdvanceWaiting();
  void SendReady(ActiveRun& active);
  void OnAnswer(uint64_t id, Result<fetch::Response> answer);
  void OnStored(uint64_t id, Result<PullResult> result);
  void Finish(uint64_t id, RunStatus status, const std::string& error);
  void AlertOf(const ActiveRun& active, RunStatus status, const std::string& error);
  void TellMissed(const ActiveRun& active);
  void WaitUntil(uint64_t id, MonoTime time);
  std::string CredentialOf(const StreamRun& run) const;

  Wiring wiring;
  const PullerOptions options;
  std::vector<std::unique_ptr<Job>> jobs;
  const std::string owner;
  std::shared_ptr<Mailbox> mailbox;
  PullMetrics metrics;
  std::shared_ptr<const PullView> view;
  std::set<int64_t> taken;  // Requests that some job has.
  Gate gate;
  Zones zones;
  uint64_t next_id = 1;
  std::map<uint64_t, std::unique_ptr<ActiveRun>> runs;
  std::multimap<MonoTime, uint64_t> waiting;
  std::map<std::string, bool> alerts;      // Those that fired (true) or were resolved.
  std::set<std::string> held;              // Exclusive credentials.
  std::map<std::string, double> drifts;    // By source, check, tenant.
  std::map<std::string, MonoTime> paused;  // Credentials that were refused, until when.
};

}  // namespace tw::ingest
