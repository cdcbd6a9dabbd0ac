#include "session/channel_follow.h"

#include <algorithm>

#include "policy/inner_plan.h"
#include "policy/program.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;

namespace {

// Rows asked about ahead of the one that is due.
constexpr size_t kRowsAheadMax = 1'000;
// While much is asked of the database already.
constexpr size_t kRowsAheadBusy = 16;
// Older changes are not judged by what the database says now, where that may be another answer.
constexpr std::chrono::seconds kLatenessMax{5};

}  // namespace

bool Channel::live() const {
  return state_ == ChannelState::kLive && (following_ == nullptr || following_->at_rest);
}

void Channel::JoinStream() {
  LiveFeed& feed = session_.services_.feed;
  if (!spec_.AsksDatabase()) {
    following_.reset();
    if (spec_.bindings.empty()) {
      membership_.Leave();
    } else {
      feed.router().Join(spec_, session_.transport_, membership_);
    }
    return;
  }
  membership_.Leave();
  missed_.clear();
  following_ = std::make_unique<Following>(*this);
  FollowTables();
}

// Those whose changes it tells, and those that decide about them.
void Channel::FollowTables() {
  std::vector<std::string> tables;
  const auto add = [&](const std::string& table) {
    if (std::ranges::find(tables, table) == tables.end()) tables.push_back(table);
  };
  LiveFeed& feed = session_.services_.feed;
  const policy::InnerTables* const inner = feed.router().inner_tables();
  for (const router::TableBinding& binding : spec_.bindings) {
    add(binding.relation->table);
    if (binding.access->asks_database()) {
      for (const auto& [schema, table] : binding.access->program().database()->reads) add(table);
    }
    if (inner == nullptr || !binding.access->reads_tables()) continue;
    for (const auto& table : inner->plan().tables()) add(table.relation->table);
  }
  feed.Follow(*following_, std::move(tables));
}

void Channel::OnFollowed(const Batch& batch) {
  if (std::exchange(following_->at_rest, false)) replayed_ = batch.after;
  ContinueReplay();
}

void Channel::Follow() {
  if (following_->at_rest || !SendMissed()) return;
  following_->at_rest = true;
  if (std::exchange(following_->truncated, false)) {
    SendSystem("tidewire", ReplyStatus::kOk, "truncated");
  }
  if (!spec_.AsksDatabase()) JoinStream();
}

void Channel::RebindAtHead() {
  if (!following_->rebind_at || replayed_ < *following_->rebind_at) return;
  following_->rebind_at.reset();
  const std::vector<std::string> before = binding_errors_;
  Resolve();
  FollowTables();
  if (binding_errors_ != before) TellBindings();
}

bool Channel::Judged(const router::ChannelSpec& spec, const Batch& batch,
                     router::Router::Range range) {
  VerdictBook* const book = session_.services_.verdicts;
  if (book == nullptr || !spec.AsksDatabase()) return true;
  bool known = true;
  bool unknown_value = false;
  std::string raised;
  session_.services_.feed.router().ForEachToJudge(
      spec, batch, range, [&](const policy::AccessPtr& access, const Row& row) {
        const auto verdict = book->Of(*access, row);
        if (!verdict) {
          known = false;
        } else if (*verdict == policy::RowVerdict::kRaised) {
          raised = book->ErrorOf(*access);
        } else if (*verdict == policy::RowVerdict::kUnknown) {
          unknown_value = true;
        }
      });
  if (!known) {
    AskVerdicts();
    return false;
  }
  // It reads the row again, where it knows how.
  rights_touched_ |= unknown_value && spec.TellsAccess();
  if (!raised.empty() && raised != raised_) {
    SendSystem("postgres_changes", ReplyStatus::kError, raised);
    raised_ = std::move(raised);
  }
  return true;
}

void Channel::AskVerdicts() {
  VerdictBook& book = *session_.services_.verdicts;
  router::Router& router = session_.services_.feed.router();
  size_t left = book.busy() ? kRowsAheadBusy : kRowsAheadMax;
  uint64_t after = replayed_;
  for (const BatchPtr& batch : missed_) {
    // Change by change: all rows of one are needed at a time.
    for (size_t i = FirstChangeAfter(*batch, after); i < batch->changes.size() && left > 0;) {
      const uint64_t last = batch->changes[i].offset;
      const router::ChannelSpec& spec = SpecAt(last);
      router.ForEachToJudge(spec, *batch, {after, last},
                            [&](const policy::AccessPtr& access, const Row& row) {
                              book.Ask(access, batch, row);
                              left -= left > 0 ? 1 : 0;
                            });
      after = last;
      i = FirstChangeAfter(*batch, after);
    }
    if (left == 0) break;
  }
  if (std::exchange(awaiting_verdicts_, true)) return;
  book.WhenAnswered([this, alive = alive_] {
    if (!*alive) return;
    awaiting_verdicts_ = false;
    ContinueReplay();
  });
}

bool Channel::TooLateToJudge() const {
  if (!spec_.AsksDatabase()) return false;
  const router::Router& router = session_.services_.feed.router();
  const WallTime oldest = session_.services_.clock.Wall() - kLatenessMax;
  bool asks = false;
  bool touched = false;
  for (const BatchPtr& batch : missed_) {
    if (batch->changes.back().committed_at >= oldest) continue;
    touched |= router.TouchesRights(spec_, *batch, {replayed_, batch->position.offset});
    for (size_t i = FirstChangeAfter(*batch, replayed_); i < batch->changes.size(); ++i) {
      for (const router::TableBinding& binding : spec_.bindings) {
        if (!binding.access->asks_database()) continue;
        if (binding.relation->id != batch->changes[i].relation->id) continue;
        asks = true;
        touched |= binding.access->program().database()->reads_more;
      }
    }
  }
  return asks && touched;
}

}  // namespace tw::session
