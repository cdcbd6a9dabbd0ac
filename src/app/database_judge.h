// Asks PostgreSQL for its verdicts on rows whose policies only it can decide, off the loops.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "io/loop.h"
#include "policy/database_tier.h"
#include "session/verdict_book.h"
#include "telemetry/metrics.h"

namespace tw::app {

// One thread with one connection, made when it is first needed and again after it was lost. Each
// loop has one question at a time before it, so that the loops take turns.
class DatabaseJudges {
 public:
  using Done = Function<void(std::vector<policy::DatabaseAnswer>)>;

  DatabaseJudges(std::string dsn, const Clock& clock, telemetry::Registry& metrics);
  ~DatabaseJudges();
  // For the reference of metrics.
  static void DeclareMetrics(telemetry::Registry& metrics);

  // Calls `done` on the judges' thread, once; not when they end before. Any thread.
  void Judge(std::vector<policy::DatabaseQuestion> questions, Done done);

 private:
  struct Question {
    std::vector<policy::DatabaseQuestion> questions;
    Done done;
  };
  void Run();
  // Again until the database has answered; nullopt: the end.
  std::optional<std::vector<policy::DatabaseAnswer>> Answer(const Question& question);
  Result<std::vector<policy::DatabaseAnswer>> Ask(const Question& question);

  const std::string dsn_;
  const Clock& clock_;
  telemetry::Counter& pairs_;
  telemetry::Counter& raised_;
  telemetry::Counter& failures_;
  telemetry::Histogram& seconds_;
  std::optional<policy::DatabaseTier> tier_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable wake_;
  std::deque<Question> questions_;
  bool stopping_ = false;
  std::thread thread_;
};

// The judges for one loop: answers are posted to it.
class LoopJudge final : public session::DatabaseJudge {
 public:
  LoopJudge(DatabaseJudges& judges, io::Loop& loop) : judges_(judges), loop_(loop) {}
  void Defer(Function<void()> soon) override { loop_.Post(std::move(soon)); }
  void Judge(std::vector<policy::DatabaseQuestion> questions,
             Function<void(std::vector<policy::DatabaseAnswer>)> done) override;

 private:
  DatabaseJudges& judges_;
  io::Loop& loop_;
};

}  // namespace tw::app
