#include "app/database_judge.h"

#include <utility>

#include "telemetry/log.h"

namespace tw::app {
namespace {

constexpr std::chrono::milliseconds kRetryDelayMin{100};
constexpr std::chrono::milliseconds kRetryDelayMax{5'000};

telemetry::Counter& PairsOf(telemetry::Registry& metrics) {
  return metrics.GetCounter("tidewire_policy_database_rows_total",
                            "Rows times readers that the database judged.");
}
telemetry::Counter& RaisedOf(telemetry::Registry& metrics) {
  return metrics.GetCounter(
      "tidewire_policy_database_raised_total",
      "Rows times readers whose policies raised: hidden, and the reader told.");
}
telemetry::Counter& FailuresOf(telemetry::Registry& metrics) {
  return metrics.GetCounter("tidewire_policy_database_failures_total",
                            "Times that the database could not be asked; it is asked again.");
}
telemetry::Histogram& SecondsOf(telemetry::Registry& metrics) {
  return metrics.GetHistogram("tidewire_policy_database_seconds",
                              "From a question about rows to the database's answer.");
}

}  // namespace

DatabaseJudges::DatabaseJudges(std::string dsn, const Clock& clock, telemetry::Registry& metrics)
    : dsn_(std::move(dsn)),
      clock_(clock),
      pairs_(PairsOf(metrics)),
      raised_(RaisedOf(metrics)),
      failures_(FailuresOf(metrics)),
      seconds_(SecondsOf(metrics)),
      thread_([this] { Run(); }) {}

DatabaseJudges::~DatabaseJudges() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void DatabaseJudges::DeclareMetrics(telemetry::Registry& metrics) {
  (void)PairsOf(metrics);
  (void)RaisedOf(metrics);
  (void)FailuresOf(metrics);
  (void)SecondsOf(metrics);
}

void DatabaseJudges::Judge(std::vector<policy::DatabaseQuestion> questions, Done done) {
  const std::lock_guard lock(mutex_);
  questions_.push_back({std::move(questions), std::move(done)});
  wake_.notify_one();
}

void DatabaseJudges::Run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    const MonoTime start = clock_.Mono();
    auto answers = Answer(question);
    if (!answers) return;
    seconds_.Observe(clock_.Mono() - start);
    for (const policy::DatabaseAnswer& answer : *answers) {
      pairs_.Add(answer.rows.size());
      for (const policy::RowVerdict verdict : answer.rows) {
        if (verdict == policy::RowVerdict::kRaised) raised_.Add();
      }
    }
    question.done(*std::move(answers));
  }
}

std::optional<std::vector<policy::DatabaseAnswer>> DatabaseJudges::Answer(
    const Question& question) {
  std::chrono::milliseconds delay = kRetryDelayMin;
  for (bool told = false;; told = true) {
    auto answers = Ask(question);
    if (answers.ok()) return *std::move(answers);
    failures_.Add();
    // A connection that has died is noticed by its first use: at once on a new one.
    const bool stale = !told && tier_ && tier_->broken();
    tier_.reset();
    if (stale) continue;
    if (delay == kRetryDelayMin) {
      telemetry::Log(telemetry::Level::kWarning, "PolicyDatabaseAway",
                     "rows whose policies only the database can decide wait until it can be asked",
                     {{"error", answers.error().message}});
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, delay, [&] { return stopping_; })) return std::nullopt;
    delay = std::min(2 * delay, kRetryDelayMax);
  }
}

Result<std::vector<policy::DatabaseAnswer>> DatabaseJudges::Ask(const Question& question) {
  if (!tier_ || tier_->broken()) {
    tier_.reset();
    TW_ASSIGN_OR_RETURN(tier_, policy::DatabaseTier::Open(dsn_));
  }
  return tier_->Ask(question.questions);
}

void LoopJudge::Judge(std::vector<policy::DatabaseQuestion> questions,
                      Function<void(std::vector<policy::DatabaseAnswer>)> done) {
  auto shared =
      std::make_shared<Function<void(std::vector<policy::DatabaseAnswer>)>>(std::move(done));
  judges_.Judge(std::move(questions), [this, shared](std::vector<policy::DatabaseAnswer> answers) {
    loop_.Post([shared, answers = std::move(answers)]() mutable { (*shared)(std::move(answers)); });
  });
}

}  // namespace tw::app
