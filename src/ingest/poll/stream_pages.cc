// StreamRun: what an answer's page says, and where the next one is.
#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "ingest/poll/stream_file.h"
#include "ingest/poll/stream_run.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::ingest {
namespace {

// Records of one slice that are kept until it is complete.
constexpr size_t kSliceRecordsMax = 200'000;

bool HasRule(const std::vector<StopRule>& rules, StopRule rule) {
  return std::ranges::find(rules, rule) != rules.end();
}

}  // namespace

void StreamRun::OnPage(const fetch::Response& answer) {
  if (phase_ == Phase::kEnter) {
    attempts_ = 0;
    phase_ = Phase::kSettle;
    return;
  }
  if (plan().csv) {
    if (phase_ != Phase::kDownload) {
      if (OnExportAnswer(answer, now_)) attempts_ = 0;
      return;
    }
    file_ = std::make_unique<File>(setup_.download_path, *plan().csv, source(), plan());
    phase_ = Phase::kFile;
    return;
  }
  auto document = json::Parse(answer.body);
  if (!document.ok()) {
    // Cut off, or an error page with a friendly status: worth another try.
    healthy_ = false;
    return OnRetry(Verdict::kRetry,
                   Fail(ErrorCode::kUnavailable, "the answer is not JSON: " +
                                                     document.error().message),
                   now_);
  }
  attempts_ = 0;
  if (const Status ours = CheckTenant(document->root()); !ours.ok()) {
    return Conclude(RunStatus::kRefused, ours.error().message);
  }
  if (setup_.check) return OnTotals(document->root());
  auto shared = std::make_shared<json::Document>(*std::move(document));
  auto records = plan().records.Select(shared->root());
  ++pages_;
  records_ += records.size();
  if (const auto tag = answer.Find("etag")) etag_ = *tag;
  NoteCursor(records);
  const Status followed = FollowPages(shared->root(), records.size(), answer.body);
  if (!followed.ok()) {
    --pages_;
    records_ -= records.size();
    const bool loop = followed.error().code == ErrorCode::kOutOfRange;
    return Conclude(loop ? RunStatus::kLoop : RunStatus::kRefused, followed.error().message);
  }
  if (setup_.since && plan().cursor) {
    // Its page reaches further back than what is read again.
    std::erase_if(records, [&](const mapping::Selected& record) {
      const auto text = plan()
                            .cursor->field
                            ->Evaluate({.record = record.item, .parent = record.parent})
                            .value.ToText();
      const auto time = text ? ParseTimestamp(*text) : Fail(ErrorCode::kInvalidArgument, "");
      return time.ok() && *time < *setup_.since;
    });
  }
  documents_.push_back(std::move(shared));
  pending_.insert(pending_.end(), records.begin(), records.end());
  if (plan().replace_slice && !last_page_) {
    if (pending_.size() > kSliceRecordsMax) {
      return Conclude(RunStatus::kFailed, "a slice has too many records");
    }
    phase_ = Phase::kAsk;  // A slice is applied as a whole.
    return;
  }
  phase_ = Phase::kStore;
}

Status StreamRun::CheckTenant(const json::Value& root) const {
  if (!http().enter_tenant || !http().enter_tenant->verify) return {};
  const VerifyTenantConfig& verify = *http().enter_tenant->verify;
  const std::string& wanted = *verify.equals == "tenant.name" ? setup_.tenant.tenant.name
                                                              : setup_.tenant.tenant.id;
  const mapping::Datum found = verify.at->Evaluate({.record = root}).value;
  std::vector<mapping::Datum> named;
  if (const mapping::List* list = found.AsList()) {
    named = *list;
  } else if (!found.is_null()) {
    named.push_back(found);
  }
  size_t present = 0;
  for (const mapping::Datum& name : named) {
    const auto text = name.ToText();
    if (!text) continue;
    ++present;
    if (*text != wanted) {
      return Fail(ErrorCode::kPermissionDenied,
                  "tenant_mismatch: the answer is of tenant " + *text + ", not " + wanted);
    }
  }
  if (present == 0 && !verify.when_present) {
    return Fail(ErrorCode::kPermissionDenied, "tenant_mismatch: the answer names no tenant");
  }
  return {};
}

void StreamRun::NoteCursor(const std::vector<mapping::Selected>& records) {
  if (!plan().cursor) return;
  std::optional<WallTime> oldest;
  for (const mapping::Selected& record : records) {
    const auto text =
        plan().cursor->field->Evaluate({.record = record.item, .parent = record.parent})
            .value.ToText();
    const auto time = text ? ParseTimestamp(*text) : Fail(ErrorCode::kInvalidArgument, "");
    if (!time.ok()) continue;
    if (!seen_ || *time > *seen_) seen_ = *time;
    if (!oldest || *time < *oldest) oldest = *time;
  }
  // Everything further back was read before.
  const bool newest_first = plan().order == StreamOrder::kNewestFirst;
  if (newest_first && bound_ && oldest && *oldest < *bound_) last_page_ = true;
}

Status StreamRun::FollowPages(const json::Value& root, size_t records, const std::string& body) {
  const PagesConfig& pages = plan().pages;
  const auto integer = [&](const PollFormula& at) -> std::optional<int64_t> {
    if (!at.where.known()) return std::nullopt;
    return at->Evaluate({.record = root}).value.AsInt();
  };
  if (const auto total = integer(pages.total)) {
    if (!first_total_) first_total_ = total;
    last_total_ = total;
  }
  if (const auto last = integer(pages.last)) last_number_ = last;
  const bool linked = pages.next.where.known();
  const PollFormula& at = linked ? pages.next : pages.cursor_from;
  std::string next;
  if (at.where.known()) next = at->Evaluate({.record = root}).value.ToText().value_or("");
  if (next.empty()) last_page_ = true;
  if (records == 0 && HasRule(pages.stop, StopRule::kEmptyPage)) last_page_ = true;
  if (last_page_) return {};
  TW_RETURN_IF_ERROR(Guard(next, body));
  if (linked) {
    auto followed = BuildLink(source(), plan().request, Values(), next);
    if (!followed.ok() && followed.error().code == ErrorCode::kPermissionDenied) {
      return std::unexpected(followed.error());
    }
  }
  next_ = std::move(next);
  return {};
}

// What a source whose pages never end is known by. Errors: kOutOfRange.
Status StreamRun::Guard(const std::string& next, const std::string& body) {
  const auto loop = [](std::string text) {
    return Fail(ErrorCode::kOutOfRange, "loop: " + std::move(text));
  };
  if (!tokens_.insert(next).second) return loop("the next page was there before");
  if (!page_hashes_.insert(std::string(crypto::Sha256(body).view())).second) {
    return loop("the same page came twice");
  }
  if (pages_ >= plan().pages.loop_guard.max_pages) {
    return loop("more than " + std::to_string(plan().pages.loop_guard.max_pages) + " pages");
  }
  return {};
}

// A pass that ended by the rules, against what the source says of itself.
void StreamRun::CrossCheck() {
  status_ = RunStatus::kSuccess;
  if (bound_ && plan().order == StreamOrder::kNewestFirst) return;  // Only its beginning was read.
  const auto partial = [&](std::string text) {
    status_ = RunStatus::kPartial;
    error_ = std::move(text);
    next_.clear();
    pages_ = 0;
    records_ = 0;
  };
  if (last_total_) {
    // The list may have grown or shrunk while it was read.
    const int64_t drift = std::abs(*last_total_ - *first_total_);
    const auto read = static_cast<int64_t>(records_);
    if (read + drift < *last_total_) {
      return partial("read " + std::to_string(read) + " of " + std::to_string(*last_total_) +
                     " records");
    }
  }
  if (last_number_ && slices_.size() == 1 && static_cast<int64_t>(pages_) < *last_number_) {
    return partial("read " + std::to_string(pages_) + " of " + std::to_string(*last_number_) +
                   " pages");
  }
}

// Create: remember what it said. Poll: ready, failed, or wait. True when that went on well.
bool StreamRun::OnExportAnswer(const fetch::Response& answer, WallTime now) {
  const ExportPlan& plan_of = *plan().export_file;
  const auto document = json::Parse(answer.body);
  if (!document.ok()) {
    OnRetry(Verdict::kRetry, Fail(ErrorCode::kUnavailable, "the answer is not JSON"), now);
    return false;
  }
  if (phase_ == Phase::kAsk) {
    for (const json::Member& member : document->root().members()) {
      if (const auto text = mapping::Datum(member.value).ToText()) {
        names_["create." + std::string(member.key)] = *text;
      }
    }
    export_since_ = now;
    retried_ = Phase::kExportPoll;
    wait_ = plan_of.every;
    phase_ = Phase::kRetry;
    return true;
  }
  const mapping::Input input{.record = document->root()};
  if (plan_of.ready.Test(input)) {
    file_url_ = plan_of.url_at.Evaluate(input).value.ToText().value_or("");
    if (file_url_.empty()) {
      Conclude(RunStatus::kFailed, "the export is ready but has no address");
      return false;
    }
    phase_ = Phase::kDownload;
    return true;
  }
  if (plan_of.failed.Test(input)) {
    Conclude(RunStatus::kFailed, "the export failed at the source");
    return false;
  }
  if (now - export_since_ >= plan_of.up_to) {
    Conclude(RunStatus::kFailed, "the export was not ready in time");
    return false;
  }
  retried_ = Phase::kExportPoll;
  wait_ = plan_of.every;
  phase_ = Phase::kRetry;
  return true;
}

StreamRun::Step StreamRun::StoreRows(WallTime now) {
  auto rows = file_->Read(before_.rows);
  if (!rows.ok()) {
    Conclude(rows.error().code == ErrorCode::kFailedPrecondition ? RunStatus::kRefused
                                                                 : RunStatus::kFailed,
             rows.error().message);
    return StoreEnd(now);
  }
  records_ += rows->size();
  stored_ = NewWork();
  stored_.page = PulledPage{.rows = *std::move(rows),
                            .requested_at = requested_at_,
                            .applied_sequence = requested_sequence_};
  if (file_->done()) {
    ended_ = true;
    status_ = RunStatus::kSuccess;
    pages_ = 1;
    StreamState state;
    FillState(state);
    state.etag.clear();
    stored_.state = state.Encode();
    stored_.end = EndOf(now);
    if (const std::string remarks = file_->remarks(); !remarks.empty()) {
      telemetry::Log(telemetry::Level::kInfo, "CsvRemarks", "a file was read with remarks",
                     {{"source", source().name},
                      {"stream", plan().name},
                      {"tenant", setup_.tenant.tenant.name},
                      {"remarks", remarks}});
    }
    file_.reset();
  }
  phase_ = Phase::kFile;
  return Store{stored_};
}

}  // namespace tw::ingest
