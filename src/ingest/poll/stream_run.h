// One run of one stream for one tenant, from its first request to its end. No I/O: it says what it
// wants next and is told what came of it.
//
//              ┌────────────── enter_tenant? ──────────────┐
//   start ─────┴▶ Send ──answer──▶ judged ──page──▶ Store ──┴─▶ next page … ──last──▶ Finished
//                  ▲                  │
//                  └── Wait (retry) ──┘       anything that cannot be trusted ───────▶ Finished
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "fetch/transport.h"
#include "ingest/poll/pull_work.h"
#include "ingest/poll/request_builder.h"
#include "ingest/poll/stream_state.h"
#include "ingest/source.h"

namespace tw::ingest {

class StreamRun {
 public:
  struct Setup {
    std::shared_ptr<const Source> source;
    uint16_t source_index = 0;
    uint16_t stream_index = 0;
    PulledTenant tenant;
    const date::time_zone* zone = nullptr;  // The tenant's.
    std::string state;                      // As stored.
    std::string run_id;
    std::string job;
    PullPurpose purpose = PullPurpose::kPoll;
    std::optional<WallTime> next_due;
    std::string download_path;  // Of a file, while it is read.
    std::string place;          // What the state is kept for; see PlaceKey.
    // Asks what the source counts, in the place of records.
    std::optional<uint16_t> check;  // Index into ConsistencyPlan::checks.
    // Reads what happened since then, whatever was read before.
    std::optional<WallTime> since;
  };
  StreamRun(Setup setup, WallTime now, Random& random);
  ~StreamRun();

  struct Send {
    fetch::Request request;
  };
  struct Wait {
    std::chrono::milliseconds time;
  };
  struct Store {
    PullWork work;
  };
  // Nothing is left to do; `work`, when there is one, was the last Store.
  struct Finished {
    RunStatus status = RunStatus::kSuccess;
    std::string error;
  };
  using Step = std::variant<Send, Wait, Store, Finished>;

  // What to do now; to be called again after what it said is done. `applied_sequence`: of the inbox.
  Step Next(WallTime now, uint64_t applied_sequence);
  void OnAnswer(Result<fetch::Response> answer, WallTime now);
  void OnStored(const Result<PullResult>& result);
  // Ends it after what is under way; the next run goes on from the last page.
  void Cancel(std::string reason, RunStatus status = RunStatus::kCancelled);

  const HttpPlan& http() const;
  const Source& source() const { return *setup_.source; }
  const Setup& setup() const { return setup_; }
  // What the source asked for beyond this run: pause this credential. Cleared by reading.
  std::optional<std::chrono::seconds> TakePause();
  // Whether the last answer shows a source that works.
  bool healthy() const { return healthy_; }
  const PullResult& total() const { return total_; }

 private:
  enum class Phase : uint8_t {
    kEnter, kSettle, kAsk, kAsked, kRetry, kStore, kExportPoll, kDownload, kFile, kEnd, kDone,
  };
  enum class Verdict : uint8_t { kGood, kRetry, kRateLimited, kUnauthorized, kUnchanged, kFailed };

  const StreamPlan& plan() const { return setup_.source->streams[setup_.stream_index]; }
  TemplateValues Values() const;
  void SetNames();
  void SetSlices(WallTime now);
  void SetCheckDays(WallTime now);
  const CheckPlan* check() const;
  void OnTotals(const json::Value& root);
  Step StoreCounted();

  Step Ask(WallTime now, uint64_t applied_sequence);
  Result<fetch::Request> BuildNext();
  Verdict Judge(const Result<fetch::Response>& answer, WallTime now);
  void OnPage(const fetch::Response& answer);
  void OnRetry(Verdict verdict, const Result<fetch::Response>& answer, WallTime now);
  bool OnExportAnswer(const fetch::Response& answer, WallTime now);
  Status CheckTenant(const json::Value& root) const;
  // Finds the next page, and whether this was the last. Errors: the run ends.
  Status FollowPages(const json::Value& root, size_t records, const std::string& body);
  Status Guard(const std::string& next, const std::string& body);
  void NoteCursor(const std::vector<mapping::Selected>& records);
  void CrossCheck();
  Step StorePage();
  Step StoreEnd(WallTime now);
  Step StoreRows(WallTime now);
  RunEnd EndOf(WallTime now) const;
  void FillState(StreamState& state) const;
  void Conclude(RunStatus status, std::string error);
  PullWork NewWork() const;

  Setup setup_;
  Random& random_;
  const WallTime started_;
  StreamState before_;
  StringMap<std::string> names_;
  Phase phase_ = Phase::kAsk;
  Phase retried_ = Phase::kAsk;  // The phase that a retry goes back to.
  WallTime now_;
  RunStatus status_ = RunStatus::kSuccess;
  std::string error_;
  bool ended_ = false;  // status_ is final.
  std::string cancelled_;  // Why; empty: it goes on.
  RunStatus cancelled_as_ = RunStatus::kCancelled;

  // Pages.
  std::string next_;
  uint32_t pages_ = 0;
  uint64_t records_ = 0;
  uint64_t pass_ = 0;
  bool last_page_ = false;
  std::optional<WallTime> bound_;  // Older records are known.
  std::optional<WallTime> seen_;
  std::optional<int64_t> first_total_;
  std::optional<int64_t> last_total_;
  std::optional<int64_t> last_number_;
  StringSet tokens_;
  StringSet page_hashes_;
  std::string etag_;
  WallTime requested_at_;
  uint64_t requested_sequence_ = 0;

  // Slices: local days, inclusive; one empty entry without days.
  struct Days {
    std::string from;
    std::string to;
    bool closed_day = false;  // Of a check that may adjust it.
  };
  std::vector<Days> slices_;
  size_t slice_ = 0;

  // What waits to be stored.
  std::vector<std::shared_ptr<const json::Document>> documents_;
  std::vector<mapping::Selected> pending_;
  PullWork stored_;
  Counted counted_;

  // Files.
  class File;
  std::unique_ptr<File> file_;
  WallTime export_since_;
  std::string file_url_;

  // Retries.
  uint32_t attempts_ = 0;
  std::chrono::milliseconds wait_{0};
  std::optional<std::chrono::seconds> pause_;
  bool healthy_ = true;
  PullResult total_;
};

}  // namespace tw::ingest
