#include "app/claims_evaluator.h"

#include <utility>

namespace tw::app {

telemetry::Counter& ClaimsEvaluator::EvaluatedCounter(telemetry::Registry& metrics) {
  return metrics.GetCounter("tidewire_policy_claims_evaluated_total",
                            "Sets of claims whose expressions PostgreSQL evaluated.");
}

telemetry::Counter& ClaimsEvaluator::RefusedCounter(telemetry::Registry& metrics) {
  return metrics.GetCounter("tidewire_policy_claims_refused_total",
                            "Questions about claims refused because too many waited.");
}

ClaimsEvaluator::ClaimsEvaluator(ClaimsEvaluatorOptions options, telemetry::Registry& metrics)
    : options_(std::move(options)),
      evaluated_(EvaluatedCounter(metrics)),
      refused_(RefusedCounter(metrics)),
      thread_([this] { Run(); }) {}

ClaimsEvaluator::~ClaimsEvaluator() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ClaimsEvaluator::Evaluate(policy::CatalogPtr catalog, ClaimsPtr claims, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (questions_.size() < options_.queue_max && !stopping_) {
      questions_.push_back({std::move(catalog), std::move(claims), std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  refused_.Add();
  done(Fail(ErrorCode::kResourceExhausted, "too many readers' rights are being looked up"));
}

void ClaimsEvaluator::Run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    question.done(Answer(question));
  }
}

Result<policy::ClaimsValuesPtr> ClaimsEvaluator::Answer(const Question& question) {
  const std::string& role = question.claims->role;
  const auto& expressions = question.catalog->claims_sql(role);
  if (expressions.empty()) return std::make_shared<const policy::ClaimsValues>();
  if (remembered_for_ != question.catalog || remembered_.size() >= options_.remembered_max) {
    remembered_.clear();
    remembered_for_ = question.catalog;
  }
  const std::string key = role + "\n" + question.claims->text;
  if (const auto found = remembered_.find(key); found != remembered_.end()) return found->second;
  // A connection that has died is noticed by its first use: once more on a new one.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!connection_ || connection_->broken()) {
      TW_ASSIGN_OR_RETURN(connection_, postgres::Connection::Open(
                                           {.dsn = options_.dsn,
                                            .application_name = "tidewire claims",
                                            .statement_timeout = options_.statement_timeout}));
    }
    auto values =
        policy::EvaluateClaims(*connection_, role, question.claims->text, expressions);
    if (values.ok()) {
      evaluated_.Add();
      auto shared = std::make_shared<const policy::ClaimsValues>(std::move(*values));
      remembered_.emplace(key, shared);
      return shared;
    }
    if (!connection_->broken()) return std::unexpected(values.error());
  }
  return Fail(ErrorCode::kUnavailable, "the database cannot be asked for this reader's rights");
}

void LoopRights::Evaluate(policy::CatalogPtr catalog, ClaimsPtr claims,
                          Function<void(Result<policy::ClaimsValuesPtr>)> done) {
  auto shared =
      std::make_shared<Function<void(Result<policy::ClaimsValuesPtr>)>>(std::move(done));
  evaluator_.Evaluate(std::move(catalog), std::move(claims),
                      [this, shared](Result<policy::ClaimsValuesPtr> values) {
                        loop_.Post([shared, values = std::move(values)]() mutable {
                          (*shared)(std::move(values));
                        });
                      });
}

}  // namespace tw::app
