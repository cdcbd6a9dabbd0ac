#include "session/verdict_book.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tw::session {

VerdictBook::VerdictBook(DatabaseJudge& judge, telemetry::Registry& metrics)
    : judge_(judge), waiting_rows_(WaitingGauge(metrics)) {}

telemetry::Gauge& VerdictBook::WaitingGauge(telemetry::Registry& metrics) {
  return metrics.GetGauge("tidewire_policy_database_waiting",
                          "Rows times readers that wait for the database's verdict.");
}

VerdictBook::~VerdictBook() {
  *alive_ = false;
  waiting_rows_.Add(-static_cast<int64_t>(asked_));
}

std::optional<policy::RowVerdict> VerdictBook::Of(const policy::Access& access,
                                                  const Row& row) const {
  const auto reader = readers_.find(access.key());
  if (reader == readers_.end()) return std::nullopt;
  const auto found = reader->second.rows.find(&row);
  return found == reader->second.rows.end() ? std::nullopt : found->second;
}

std::string VerdictBook::ErrorOf(const policy::Access& access) const {
  const auto reader = readers_.find(access.key());
  return reader == readers_.end() ? std::string() : reader->second.error;
}

void VerdictBook::Ask(const policy::AccessPtr& access, const BatchPtr& batch, const Row& row) {
  Reader& reader = readers_[access->key()];
  if (!reader.rows.try_emplace(&row).second) return;
  policy::DatabaseQuestion& question = reader.gathered;
  if (question.rows.empty()) {
    question.reader = access;
    order_.push_back(access->key());
  }
  question.rows.push_back(&row);
  if (question.owners.empty() || question.owners.back() != batch) question.owners.push_back(batch);
  ++asked_;
  waiting_rows_.Add(1);
  // Behind all that is asked in this turn.
  if (!in_flight_.empty() || std::exchange(flush_due_, true)) return;
  judge_.Defer([this, alive = alive_] {
    if (!*alive) return;
    flush_due_ = false;
    if (in_flight_.empty()) Flush();
  });
}

void VerdictBook::Flush() {
  std::vector<policy::DatabaseQuestion> questions;
  size_t pairs = 0;
  while (!order_.empty() && pairs < kPairsMax) {
    std::string key = std::move(order_.front());
    order_.pop_front();
    policy::DatabaseQuestion question = std::exchange(readers_.find(key)->second.gathered, {});
    pairs += question.rows.size();
    in_flight_.push_back({std::move(key), question.rows, question.owners});
    questions.push_back(std::move(question));
  }
  if (questions.empty()) return;
  judge_.Judge(std::move(questions),
               [this, alive = alive_](std::vector<policy::DatabaseAnswer> answers) {
                 if (*alive) OnAnswers(std::move(answers));
               });
}

void VerdictBook::OnAnswers(std::vector<policy::DatabaseAnswer> answers) {
  TW_CHECK(answers.size() == in_flight_.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    Kept& asked = in_flight_[i];
    Reader& reader = readers_.find(asked.key)->second;
    TW_CHECK(answers[i].rows.size() == asked.rows.size());
    for (size_t row = 0; row < asked.rows.size(); ++row) {
      reader.rows[asked.rows[row]] = answers[i].rows[row];
    }
    if (answers[i].error) reader.error = std::move(answers[i].error->message);
    asked_ -= asked.rows.size();
    waiting_rows_.Add(-static_cast<int64_t>(asked.rows.size()));
    kept_rows_ += asked.rows.size();
    kept_.push_back(std::move(asked));
  }
  in_flight_.clear();
  // What they ask next is gathered; nothing that was just answered is forgotten before.
  for (Function<void()>& wake : std::exchange(waiting_, {})) wake();
  while (kept_rows_ > kKeptMax && kept_.size() > 1) ForgetOldest();
  if (!flush_due_) Flush();
}

void VerdictBook::ForgetOldest() {
  const Kept& oldest = kept_.front();
  const auto reader = readers_.find(oldest.key);
  for (const Row* const row : oldest.rows) reader->second.rows.erase(row);
  kept_rows_ -= oldest.rows.size();
  if (reader->second.rows.empty()) readers_.erase(reader);
  kept_.pop_front();
}

}  // namespace tw::session
