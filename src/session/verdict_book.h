// What the database says of rows whose policies only it can decide: asked once for all channels of
// a loop with equal rights, and kept until they have passed.
//
//   Channel ──Ask──▶ gathered ──one question at a time──▶ DatabaseJudge ──▶ known ──wakes──▶
//   Channel
//
// What is asked while an answer is awaited goes together in the next question: the slower the
// database, the larger the batches.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/function.h"
#include "model/change.h"
#include "policy/database_tier.h"
#include "telemetry/metrics.h"

namespace tw::session {

// Implemented by app. One per loop.
class DatabaseJudge {
 public:
  virtual ~DatabaseJudge() = default;
  // Calls `soon` in a later turn of the loop.
  virtual void Defer(Function<void()> soon) = 0;
  // Calls `done` later, on the caller's loop, with an answer per question. While the database is
  // away it is asked again and again: nothing is decided without it.
  virtual void Judge(std::vector<policy::DatabaseQuestion> questions,
                     Function<void(std::vector<policy::DatabaseAnswer>)> done) = 0;
};

class VerdictBook final : public policy::RowVerdicts {
 public:
  // Rows times readers of one question.
  static constexpr size_t kPairsMax = 20'000;
  // Waiting for an answer; beyond it channels ask for little ahead (busy).
  static constexpr size_t kWaitingMax = 100'000;
  // Answers that are kept; the oldest are forgotten, and asked again where they are still needed.
  static constexpr size_t kKeptMax = 20'000;

  VerdictBook(DatabaseJudge& judge, telemetry::Registry& metrics);
  ~VerdictBook() override;
  // For the reference of metrics.
  static void DeclareMetrics(telemetry::Registry& metrics) { (void)WaitingGauge(metrics); }

  std::optional<policy::RowVerdict> Of(const policy::Access& access, const Row& row) const override;
  // What the reader's policies raised last; empty: nothing.
  std::string ErrorOf(const policy::Access& access) const;

  // Asks unless it is known or asked. `row` is of `batch`.
  void Ask(const policy::AccessPtr& access, const BatchPtr& batch, const Row& row);
  // Calls `wake` once, after the next answer.
  void WhenAnswered(Function<void()> wake) { waiting_.push_back(std::move(wake)); }
  bool busy() const { return asked_ > kWaitingMax; }

 private:
  static telemetry::Gauge& WaitingGauge(telemetry::Registry& metrics);
  struct Reader {
    policy::DatabaseQuestion gathered;
    std::unordered_map<const Row*, std::optional<policy::RowVerdict>> rows;
    std::string error;
  };
  // Answered rows, oldest first.
  struct Kept {
    std::string key;
    std::vector<const Row*> rows;
    std::vector<BatchPtr> owners;
  };

  void Flush();
  void OnAnswers(std::vector<policy::DatabaseAnswer> answers);
  void ForgetOldest();

  DatabaseJudge& judge_;
  telemetry::Gauge& waiting_rows_;
  std::map<std::string, Reader, std::less<>> readers_;  // By Access::key.
  std::deque<std::string> order_;  // Of the readers that have gathered something.
  std::vector<Kept> in_flight_;    // Parallel to the questions that are being answered.
  std::deque<Kept> kept_;
  size_t kept_rows_ = 0;
  size_t asked_ = 0;  // Rows without an answer.
  bool flush_due_ = false;
  std::vector<Function<void()>> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tw::session
