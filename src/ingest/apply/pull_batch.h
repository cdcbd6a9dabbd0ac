// One transaction of a run of the pull side: see PullWork.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/apply/batch.h"
#include "ingest/apply/ingest_state.h"
#include "ingest/apply/pull_effects.h"
#include "ingest/poll/pull_work.h"

namespace tw::ingest {

class PullBatch {
 public:
  PullBatch(IngestState& state, PullEffects& effects, const PullWork& work, Isolation isolation)
      : state_(state),
        effects_(effects),
        work_(work),
        isolation_(isolation),
        now_(state.clock.Wall()) {}

  // Within an open transaction. Errors: those of Effects; kNotFound when the tenant is gone.
  Result<PullResult> Run();

 private:
  const Source& source() const { return *state_.sources[work_.source]; }
  const StreamPlan& stream() const { return source().streams[work_.stream]; }
  std::string Scope() const;

  Result<bool> Prolong();
  Status ApplyPage(const PulledPage& page);
  Status ApplyRecord(const PulledPage& page, const json::Value& record, const json::Value& parent,
                     const mapping::Variables* columns, std::string_view id,
                     std::string_view text);
  Status Observe(const EventOrigin& origin, const EventPlan& plan, const json::Value& record,
                 const json::Value& parent, const mapping::Variables* columns,
                 std::string_view text);
  void CountFact(const EventPlan& plan, const EventResult& result, const PulledPage& page);
  Status Remember(const PulledPage& page);
  Status ReplaceSlice(const PulledPage& page);
  Status Sweep(uint64_t before);
  // Checks: pull_checks.cc.
  Status ApplyCounted(const Counted& counted);
  Status WriteUnknown(const CheckPlan& plan);
  Status Compare(const CheckPlan& plan, const Counted::Window& window);
  Status FollowDays(const Counted& counted);
  Result<std::vector<ColumnValue>> TenantColumns(const TablePlan& table);
  Status WriteEnd(const RunEnd& end);
  Status WriteFreshness(const RunEnd& end);

  IngestState& state_;
  PullEffects& effects_;
  const PullWork& work_;
  const Isolation isolation_;
  const WallTime now_;
  TenantContext tenant_;
  PullResult result_;
  StringSet slice_keys_;
};

}  // namespace tw::ingest
