#include "ingest/poll/stream_run.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "ingest/apply/local_day.h"
#include "ingest/poll/stream_file.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

using std::chrono::milliseconds;

// A run that was cut off longer ago begins anew: its pages have moved on.
constexpr std::chrono::hours kResumeAgeMax{24};

bool Contains(const std::vector<int64_t>& list, int64_t value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

StreamRun::StreamRun(Setup setup, WallTime now, Random& random)
    : setup_(std::move(setup)), random_(random), started_(now), before_(StreamState::Decode(
          setup_.state)), now_(now) {
  SetNames();
  if (setup_.check) {
    before_ = {};  // What is kept for a check is no place in pages.
    SetCheckDays(now);
    if (http().enter_tenant && check()->request.enter_tenant) phase_ = Phase::kEnter;
    return;
  }
  SetSlices(now);
  const auto& resume = before_.resume;
  const bool resumable = resume && now - resume->started < kResumeAgeMax &&
                         resume->slice < slices_.size() && !plan().csv;
  pass_ = plan().mode == StreamMode::kSnapshot ? before_.pass + 1 : 0;
  if (resumable) {
    next_ = resume->next;
    pages_ = resume->pages;
    records_ = resume->records;
    slice_ = resume->slice;
    seen_ = resume->seen;
    if (pass_ > 0) pass_ = resume->pass;
  }
  if (plan().cursor) {
    const CursorConfig& cursor = *plan().cursor;
    if (setup_.since) {
      bound_ = setup_.since;
    } else if (before_.done) {
      const WallTime begun = *before_.done - cursor.lag;
      bound_ = std::min(before_.seen.value_or(begun), begun) - cursor.lookback;
    } else if (plan().order == StreamOrder::kNewestFirst) {
      // The first look of a stream that cannot be asked for a time; history is backfill's.
      bound_ = now - cursor.lookback;
    }
    if (bound_) names_["cursor"] = FormatTimestampMs(*bound_);
  }
  const HttpPlan& client = http();
  if (client.enter_tenant && plan().request.enter_tenant) phase_ = Phase::kEnter;
}

StreamRun::~StreamRun() = default;

const HttpPlan& StreamRun::http() const { return setup_.source->http[plan().request.http]; }

void StreamRun::SetNames() { names_ = RequestNames(source(), setup_.tenant); }

// The local days of the window, the oldest first.
void StreamRun::SetSlices(WallTime now) {
  if (!plan().window || plan().window->slice.count() == 0) {
    slices_.emplace_back();
    return;
  }
  const date::time_zone& zone = plan().window_zone ? *plan().window_zone : *setup_.zone;
  const auto days = std::chrono::duration_cast<std::chrono::days>(plan().window->lookback).count();
  const auto noon = NoonOf(zone, LocalDay(zone, now));
  for (int64_t back = days; back >= 0; --back) {
    const std::string day = LocalDay(zone, *noon - std::chrono::hours(24 * back));
    slices_.push_back({day, day});
  }
}

TemplateValues StreamRun::Values() const {
  TemplateValues values{.names = &names_};
  values.zone = plan().window_zone ? plan().window_zone : setup_.zone;
  if (const Days& days = slices_[slice_]; !days.from.empty()) {
    values.window_from = *NoonOf(*values.zone, days.from);
    values.window_to = *NoonOf(*values.zone, days.to);
  } else if (plan().window) {
    values.window_from = started_ - plan().window->lookback;
    values.window_to = started_;
  }
  return values;
}

void StreamRun::Conclude(RunStatus status, std::string error) {
  if (ended_) return;
  ended_ = true;
  status_ = status;
  error_ = std::move(error);
  phase_ = Phase::kEnd;
}

void StreamRun::Cancel(std::string reason, RunStatus status) {
  if (!cancelled_.empty()) return;
  cancelled_ = std::move(reason);
  cancelled_as_ = status;
}

std::optional<std::chrono::seconds> StreamRun::TakePause() {
  return std::exchange(pause_, std::nullopt);
}

StreamRun::Step StreamRun::Next(WallTime now, uint64_t applied_sequence) {
  now_ = now;
  if (!cancelled_.empty() && phase_ != Phase::kStore && phase_ != Phase::kDone) {
    Conclude(cancelled_as_, cancelled_);
  }
  switch (phase_) {
    case Phase::kRetry:
      phase_ = retried_;
      return Wait{wait_};
    case Phase::kSettle:
      phase_ = Phase::kAsk;
      return Wait{http().enter_tenant->settle};
    case Phase::kEnter:
    case Phase::kAsk:
    case Phase::kExportPoll:
    case Phase::kDownload:
      return Ask(now, applied_sequence);
    case Phase::kStore:
      return setup_.check ? StoreCounted() : StorePage();
    case Phase::kFile:
      return StoreRows(now);
    case Phase::kEnd:
      return StoreEnd(now);
    case Phase::kAsked:
    case Phase::kDone:
      break;
  }
  return Finished{status_, error_};
}

Result<fetch::Request> StreamRun::BuildNext() {
  if (phase_ == Phase::kEnter) {
    return BuildRequest(source(), http().enter_tenant->request, Values());
  }
  if (phase_ == Phase::kExportPoll) {
    return BuildRequest(source(), plan().export_file->poll, Values());
  }
  if (phase_ == Phase::kDownload) {
    fetch::Request request;
    if (plan().export_file) {
      request.url = file_url_;  // The provider's storage; its address is credential enough.
      request.deadlines.total = std::chrono::hours(1);
    } else {
      TW_ASSIGN_OR_RETURN(request, BuildRequest(source(), plan().request, Values()));
    }
    request.save_to = setup_.download_path;
    request.response_bytes_max = plan().csv->max_bytes.bytes;
    return request;
  }
  if (setup_.check) return BuildRequest(source(), check()->request, Values());
  const bool linked = !next_.empty() && plan().pages.next.where.known();
  if (linked) return BuildLink(source(), plan().request, Values(), next_);
  TW_ASSIGN_OR_RETURN(auto request, BuildRequest(source(), plan().request, Values()));
  if (!next_.empty()) AddQuery(request.url, plan().pages.cursor_to.query, next_);
  const bool first = pages_ == 0 && slices_.size() == 1;
  if (first && !before_.etag.empty()) request.headers.push_back({"If-None-Match", before_.etag});
  return request;
}

StreamRun::Step StreamRun::Ask(WallTime now, uint64_t applied_sequence) {
  // A plain CSV is downloaded at once; an export is asked for first.
  if (phase_ == Phase::kAsk && plan().csv && !plan().export_file) phase_ = Phase::kDownload;
  auto request = BuildNext();
  if (!request.ok()) {
    const bool elsewhere = request.error().code == ErrorCode::kPermissionDenied;
    Conclude(elsewhere ? RunStatus::kRefused : RunStatus::kFailed, request.error().message);
    return StoreEnd(now);
  }
  requested_at_ = now;
  requested_sequence_ = applied_sequence;
  retried_ = phase_;
  phase_ = Phase::kAsked;
  ++attempts_;
  return Send{*std::move(request)};
}

StreamRun::Verdict StreamRun::Judge(const Result<fetch::Response>& answer, WallTime now) {
  if (!answer.ok()) {
    healthy_ = false;
    const bool retry = answer.error().code == ErrorCode::kUnavailable;
    return retry ? Verdict::kRetry : Verdict::kFailed;
  }
  healthy_ = answer->status < 500;
  fetch::Response obeyed;
  for (const std::string& name : http().rate_limit.obey) {
    if (const auto value = answer->Find(name)) obeyed.headers.push_back({name, std::string(*value)});
  }
  const auto wait = fetch::RetryAfter(obeyed, now);
  // An empty budget is obeyed before the source has to say so.
  if (answer->Find("x-ratelimit-remaining") == "0") {
    pause_ = wait.value_or(std::chrono::seconds(1));
  }
  const RetryConfig& retry = http().retry;
  if (retry.json_code) {
    if (const auto document = json::Parse(answer->body); document.ok()) {
      const auto code = retry.json_code->at->Evaluate({.record = document->root()}).value.AsInt();
      if (code && Contains(retry.json_code->rate_limited, *code)) return Verdict::kRateLimited;
      if (code && Contains(retry.json_code->fatal, *code)) return Verdict::kUnauthorized;
    }
  }
  if (answer->status == 304) return Verdict::kUnchanged;
  if (answer->status == 401 || answer->status == 403) return Verdict::kUnauthorized;
  if (answer->status == 429) return Verdict::kRateLimited;
  if (Contains(retry.statuses, answer->status)) return Verdict::kRetry;
  return answer->status >= 200 && answer->status < 300 ? Verdict::kGood : Verdict::kFailed;
}

void StreamRun::OnAnswer(Result<fetch::Response> answer, WallTime now) {
  TW_CHECK(phase_ == Phase::kAsked);
  now_ = now;
  const std::string status = answer.ok() ? "status " + std::to_string(answer->status)
                                         : answer.error().message;
  switch (const Verdict verdict = Judge(answer, now)) {
    case Verdict::kGood:
      phase_ = retried_;
      return OnPage(*answer);
    case Verdict::kUnchanged:
      return Conclude(RunStatus::kUnchanged, "");
    case Verdict::kUnauthorized:
      return Conclude(RunStatus::kUnauthorized, status);
    case Verdict::kFailed: {
      const bool refused =
          !answer.ok() && answer.error().code == ErrorCode::kPermissionDenied;
      return Conclude(refused ? RunStatus::kRefused : RunStatus::kFailed, status);
    }
    case Verdict::kRetry:
    case Verdict::kRateLimited:
      return OnRetry(verdict, answer, now);
  }
}

void StreamRun::OnRetry(Verdict verdict, const Result<fetch::Response>& answer, WallTime now) {
  const RetryConfig& retry = http().retry;
  std::optional<std::chrono::seconds> told;
  if (answer.ok()) told = fetch::RetryAfter(*answer, now);
  if (told && *told > http().rate_limit.give_up_above) {
    pause_ = told;
    return Conclude(RunStatus::kDeferred, "the source asks to wait " +
                                              std::to_string(told->count()) + " s");
  }
  if (attempts_ >= retry.max_attempts) {
    const std::string status = answer.ok() ? "status " + std::to_string(answer->status)
                                           : answer.error().message;
    return Conclude(pages_ > 0 ? RunStatus::kPartial : RunStatus::kFailed,
                    status + " after " + std::to_string(attempts_) + " attempts");
  }
  if (told) {
    wait_ = *told;
    pause_ = told;
  } else {
    const uint64_t doubled = static_cast<uint64_t>(retry.base.count())
                             << std::min(attempts_ - 1, 20u);
    const uint64_t most = std::min<uint64_t>(doubled, static_cast<uint64_t>(retry.cap.count()));
    wait_ = milliseconds(1 + random_.Below(std::max<uint64_t>(most, 1)));
  }
  (void)verdict;
  phase_ = Phase::kRetry;
}

void StreamRun::OnStored(const Result<PullResult>& result) {
  if (!result.ok()) {
    // Nothing of it was written: the next run goes on from the last page.
    phase_ = Phase::kDone;
    status_ = RunStatus::kFailed;
    error_ = result.error().message;
    return;
  }
  total_.records += result->records;
  total_.changed += result->changed;
  total_.dead += result->dead;
  total_.swept += result->swept;
  total_.sweep_refused = total_.sweep_refused || result->sweep_refused;
  for (const auto& [kind, count] : result->new_facts) total_.new_facts[kind] += count;
  for (const auto& [kind, count] : result->missed) total_.missed[kind] += count;
  if (setup_.check) {
    total_.compared = result->compared;
    total_.reconciled = result->reconciled;
    total_.adjusted = result->adjusted;
  }
  if (result->lease_lost) {
    phase_ = Phase::kDone;
    status_ = RunStatus::kCancelled;
    error_ = "another process has the job";
    return;
  }
  if (stored_.end) {
    phase_ = Phase::kDone;
  } else if (phase_ != Phase::kFile) {
    phase_ = Phase::kAsk;
  }
}

PullWork StreamRun::NewWork() const {
  return {.source = setup_.source_index,
          .stream = setup_.stream_index,
          .tenant = setup_.tenant.tenant.id,
          .run_id = setup_.run_id,
          // What compares at the end of a reconciliation is no second one.
          .purpose = setup_.check ? PullPurpose::kCheck : setup_.purpose,
          .place = setup_.place};
}

RunEnd StreamRun::EndOf(WallTime now) const {
  const bool complete = status_ == RunStatus::kSuccess;
  return {.job = setup_.job,
          .status = status_,
          .error = error_,
          .started_at = started_,
          .ended_at = now,
          .next_due = setup_.next_due,
          .records = total_.records,
          .changed = total_.changed,
          // Rows of this pass and of the complete one before it are there.
          .sweep_before = complete && pass_ > 1 ? pass_ - 1 : 0};
}

void StreamRun::FillState(StreamState& state) const {
  state = before_;
  if (ended_ && status_ == RunStatus::kSuccess) {
    state.done = before_.resume && pages_ > 0 && before_.resume->run_id != setup_.run_id
                     ? std::min(started_, before_.resume->started)
                     : started_;
    if (seen_ && (!state.seen || *seen_ > *state.seen)) state.seen = seen_;
    if (pass_ > 0) state.pass = pass_;
    state.etag = pages_ == 1 ? etag_ : "";
    state.rows = records_;
    state.resume.reset();
    return;
  }
  if (ended_ && status_ == RunStatus::kUnchanged) {
    state.done = started_;
    state.resume.reset();
    return;
  }
  // A loop would only be walked into again.
  if (ended_ && (status_ == RunStatus::kLoop || status_ == RunStatus::kRefused)) {
    state.resume.reset();
    return;
  }
  if (pages_ == 0 && slice_ == 0) return;
  state.resume = StreamState::Resume{.run_id = setup_.run_id,
                                     .started = before_.resume ? before_.resume->started : started_,
                                     .next = next_,
                                     .pages = pages_,
                                     .records = records_,
                                     .pass = pass_,
                                     .slice = static_cast<uint32_t>(slice_),
                                     .seen = seen_};
}

StreamRun::Step StreamRun::StoreEnd(WallTime now) {
  stored_ = NewWork();
  if (setup_.check) {
    stored_.counted = Counted{.check = *setup_.check, .windows = {}};
  } else {
    StreamState state;
    FillState(state);
    stored_.state = state.Encode();
  }
  stored_.end = EndOf(now);
  phase_ = Phase::kStore;
  return Store{stored_};
}

StreamRun::Step StreamRun::StorePage() {
  stored_ = NewWork();
  PulledPage page{.documents = std::exchange(documents_, {}),
                  .records = std::exchange(pending_, {}),
                  .requested_at = requested_at_,
                  .applied_sequence = requested_sequence_,
                  .pass = pass_,
                  .count_missed = setup_.purpose == PullPurpose::kReconcile ||
                                  (before_.done.has_value() &&
                                   setup_.purpose != PullPurpose::kBackfill)};
  if (plan().replace_slice) page.slice_day = slices_[slice_].from;
  stored_.page = std::move(page);
  if (last_page_) {
    next_.clear();
    tokens_.clear();
    page_hashes_.clear();
    last_page_ = false;
    if (slice_ + 1 < slices_.size()) {
      ++slice_;
    } else if (!ended_) {
      ended_ = true;
      CrossCheck();
    }
  }
  StreamState state;
  FillState(state);
  stored_.state = state.Encode();
  // The freshness row comes with the data that it speaks of.
  if (ended_) stored_.end = EndOf(now_);
  return Store{stored_};
}

}  // namespace tw::ingest
