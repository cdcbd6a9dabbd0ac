// Asks PostgreSQL for the values of claims expressions, off the loops.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/function.h"
#include "base/result.h"
#include "io/loop.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/claims_values.h"
#include "postgres/connection.h"
#include "session/rights_source.h"
#include "telemetry/metrics.h"

namespace tw::app {

struct ClaimsEvaluatorOptions {
  std::string dsn;
  std::chrono::milliseconds statement_timeout{5'000};
  size_t queue_max = 10'000;     // Waiting questions; beyond it a question is refused.
  size_t remembered_max = 16'384;  // Answers kept, by catalogue, role and claims.
};

// One thread with one connection, made when it is first needed and again after it was lost.
class ClaimsEvaluator {
 public:
  using Done = Function<void(Result<policy::ClaimsValuesPtr>)>;

  ClaimsEvaluator(ClaimsEvaluatorOptions options, telemetry::Registry& metrics);
  // For the reference of metrics.
  static void DeclareMetrics(telemetry::Registry& metrics) {
    (void)EvaluatedCounter(metrics);
    (void)RefusedCounter(metrics);
  }
  ~ClaimsEvaluator();

  // Calls `done` on the evaluator's thread, once. Any thread. Errors: kUnavailable (the database
  // cannot be reached), kResourceExhausted (too many wait), kPermissionDenied (our role may not
  // become the claims').
  void Evaluate(policy::CatalogPtr catalog, ClaimsPtr claims, Done done);

 private:
  static telemetry::Counter& EvaluatedCounter(telemetry::Registry& metrics);
  static telemetry::Counter& RefusedCounter(telemetry::Registry& metrics);
  struct Question {
    policy::CatalogPtr catalog;
    ClaimsPtr claims;
    Done done;
  };
  void Run();
  Result<policy::ClaimsValuesPtr> Answer(const Question& question);

  const ClaimsEvaluatorOptions options_;
  telemetry::Counter& evaluated_;
  telemetry::Counter& refused_;
  std::optional<postgres::Connection> connection_;
  // Answers of one catalogue; forgotten together when they are too many.
  policy::CatalogPtr remembered_for_;
  std::map<std::string, policy::ClaimsValuesPtr> remembered_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable wake_;
  std::deque<Question> questions_;
  bool stopping_ = false;
  std::thread thread_;
};

// The evaluator for one loop: answers are posted to it.
class LoopRights final : public session::RightsSource {
 public:
  LoopRights(ClaimsEvaluator& evaluator, io::Loop& loop) : evaluator_(evaluator), loop_(loop) {}
  void Evaluate(policy::CatalogPtr catalog, ClaimsPtr claims,
                Function<void(Result<policy::ClaimsValuesPtr>)> done) override;

 private:
  ClaimsEvaluator& evaluator_;
  io::Loop& loop_;
};

}  // namespace tw::app
