#include "ingest/apply/pull_batch.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/hash.h"
#include "ingest/apply/row_writer.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

constexpr size_t kHashBytes = 16;
constexpr int kSweptMax = 100'000;  // Rows of one sweep; the rest waits for the next pass.

bool IsPermanent(const Error& error) { return error.code == ErrorCode::kInvalidArgument; }

std::string TextOfRow(const CsvRow& row) {
  json::Writer writer;
  writer.Object();
  for (size_t i = 0; i < row.header->names.size() && i < row.values.size(); ++i) {
    writer.Key(row.header->names[i]);
    if (row.values[i]) {
      writer.String(*row.values[i]);
    } else {
      writer.Null();
    }
  }
  writer.End();
  return writer.Take();
}

std::vector<Value> KeyOfText(std::string_view text) {
  std::vector<Value> key;
  const auto document = json::Parse(text);
  if (!document.ok()) return key;
  for (const json::Value& part : document->root().items()) key.emplace_back(part.GetString());
  return key;
}

}  // namespace

std::string PullBatch::Scope() const {
  return StreamStateKey(source().name, stream().name, work_.tenant);
}

Result<PullResult> PullBatch::Run() {
  if (work_.lease) {
    TW_ASSIGN_OR_RETURN(const bool ours, Prolong());
    if (!ours) {
      result_.lease_lost = true;
      return result_;
    }
  }
  TW_ASSIGN_OR_RETURN(const TenantContext* tenant,
                      state_.tenants.Resolve(work_.source, work_.tenant));
  if (tenant == nullptr) {
    return Fail(ErrorCode::kNotFound, "tenant " + work_.tenant + " is not in the registry any more");
  }
  tenant_ = *tenant;
  if (work_.page) TW_RETURN_IF_ERROR(ApplyPage(*work_.page));
  TW_RETURN_IF_ERROR(state_.counters.Flush(now_));
  if (work_.counted) TW_RETURN_IF_ERROR(ApplyCounted(*work_.counted));
  if (!work_.state.empty()) {
    TW_RETURN_IF_ERROR(effects_.WriteState(
        PlaceKey(source().name, stream().name, work_.tenant, work_.place), work_.state));
  }
  if (work_.end) TW_RETURN_IF_ERROR(WriteEnd(*work_.end));
  return result_;
}

// A lease in the database, so that of two processes one works.
Result<bool> PullBatch::Prolong() {
  const Lease& lease = *work_.lease;
  const std::string key = "lease\x1f" + lease.job;
  TW_ASSIGN_OR_RETURN(const std::string stored, effects_.ReadState(key));
  const auto document = json::Parse(stored);
  if (!document.ok() || document->root()["owner"].AsString() != lease.owner) return false;
  json::Writer writer;
  writer.Object().Key("owner").String(lease.owner).Key("until").Int(
      lease.until.time_since_epoch().count());
  writer.End();
  TW_RETURN_IF_ERROR(effects_.WriteState(key, writer.Take()));
  return true;
}

Status PullBatch::ApplyPage(const PulledPage& page) {
  const auto apply = [&](const mapping::Selected& selected) -> Status {
    const BindingInput input{.source = &source(), .tenant = &tenant_};
    const auto id = EvaluateOn(stream().id, selected.item, selected.parent, input).value.ToText();
    const std::string text = selected.item.ToText();
    return ApplyRecord(page, selected.item, selected.parent, nullptr, id.value_or(""), text);
  };
  // In the order in which it happened: neighbours in time then pair with the nearest.
  if (stream().order == StreamOrder::kNewestFirst) {
    for (auto it = page.records.rbegin(); it != page.records.rend(); ++it) {
      TW_RETURN_IF_ERROR(apply(*it));
    }
  } else {
    for (const mapping::Selected& selected : page.records) TW_RETURN_IF_ERROR(apply(selected));
  }
  for (const CsvRow& row : page.rows) {
    const std::string text = TextOfRow(row);
    TW_RETURN_IF_ERROR(ApplyRecord(page, {}, {}, &row, "", text));
  }
  if (!page.slice_day.empty()) return ReplaceSlice(page);
  return {};
}

Status PullBatch::ApplyRecord(const PulledPage& page, const json::Value& record,
                              const json::Value& parent, const mapping::Variables* columns,
                              std::string_view id, std::string_view text) {
  ++result_.records;
  const std::string hashed(id.empty() ? crypto::Sha256(text).view().substr(0, kHashBytes) : id);
  const EventOrigin origin{.source = work_.source,
                           .channel = stream().name,
                           .stamp_channel = ChannelOf(work_.purpose),
                           .private_id = hashed,
                           .received_at = page.requested_at,
                           .sequence = page.applied_sequence,
                           .now = now_,
                           .yields_to_newer = true};
  bool first = true;
  for (const uint16_t index : stream().observes) {
    const EventPlan& plan = source().event_plans[index];
    TW_RETURN_IF_ERROR(Observe(origin, plan, record, parent, columns, text));
    if (std::exchange(first, false)) TW_RETURN_IF_ERROR(Remember(page));
  }
  return {};
}

Status PullBatch::Observe(const EventOrigin& origin, const EventPlan& plan,
                          const json::Value& record, const json::Value& parent,
                          const mapping::Variables* columns, std::string_view text) {
  const bool isolated = isolation_ == Isolation::kIsolated;
  if (isolated) {
    TW_RETURN_IF_ERROR(state_.counters.Flush(now_));
    TW_RETURN_IF_ERROR(state_.effects->Savepoint());
  }
  auto applied = state_.events.ApplyRecord(origin, plan, tenant_, record, parent, columns);
  if (isolated && applied.ok()) {
    Status sums = state_.counters.Flush(now_);
    // A database may tell only now what it thinks of the record.
    if (sums.ok()) sums = state_.effects->Release();
    if (!sums.ok()) applied = std::unexpected(sums.error());
  }
  if (!applied.ok()) {
    if (!isolated || !IsPermanent(applied.error())) return std::unexpected(applied.error());
    state_.counters.Clear();
    TW_RETURN_IF_ERROR(state_.effects->RollbackToSavepoint());
    EventResult dead;
    dead.status = EventStatus::kDead;
    dead.reason = "constraint";
    dead.error = applied.error().message;
    applied = std::move(dead);
  }
  if (applied->status == EventStatus::kDead) {
    ++result_.dead;
    return effects_.BuryRecord({.source = source().name,
                                .stream = stream().name,
                                .tenant = tenant_.tenant.id,
                                .record_id = origin.private_id,
                                .reason = applied->reason,
                                .error = applied->error,
                                .config_version = source().version,
                                .record = text,
                                .at = now_});
  }
  if (applied->changed) ++result_.changed;
  if (applied->new_fact) CountFact(plan, *applied, *work_.page);
  return {};
}

void PullBatch::CountFact(const EventPlan& plan, const EventResult& result,
                          const PulledPage& page) {
  const std::string& kind = source().facts[*plan.fact].name;
  ++result_.new_facts[kind];
  if (!page.count_missed || !source().fallback || !source().webhook) return;
  if (result.occurred_at > now_ - source().fallback->settle) return;
  // Only what webhooks report can be missed by them.
  const bool pushed = std::ranges::any_of(source().event_by_type, [&](const auto& entry) {
    return source().event_plans[entry.second].fact == plan.fact;
  });
  if (pushed) ++result_.missed[kind];
}

// What a pass has seen, and what a slice still has.
Status PullBatch::Remember(const PulledPage& page) {
  if (page.pass == 0 && page.slice_day.empty()) return {};
  const EventPlan& plan = source().event_plans[stream().observes.front()];
  if (plan.upserts.empty()) return {};
  const std::string key = RowKeyText(state_.events.first_key());
  if (!page.slice_day.empty()) slice_keys_.insert(key);
  if (page.pass == 0) return {};
  TW_ASSIGN_OR_RETURN(const bool swept, effects_.MarkSeen(Scope(), key, page.pass));
  if (!swept || !stream().sweep) return {};
  std::vector<ColumnValue> back;
  for (const auto& [column, expression] : stream().sweep->set) back.push_back({column, Value()});
  return state_.effects->UpdateRow({work_.source, plan.upserts.front()},
                                   state_.events.first_key(), back);
}

Status PullBatch::ReplaceSlice(const PulledPage& page) {
  const uint16_t index = source().event_plans[stream().observes.front()].upserts.front();
  const TablePlan& table = source().tables[index];
  TW_ASSIGN_OR_RETURN(std::vector<ColumnValue> where, TenantColumns(table));
  where.push_back({stream().slice_column, Value(page.slice_day)});
  TW_ASSIGN_OR_RETURN(const auto keys, effects_.KeysWhere({work_.source, index}, where));
  for (const std::vector<Value>& key : keys) {
    if (slice_keys_.contains(RowKeyText(key))) continue;
    TW_RETURN_IF_ERROR(effects_.DeleteRow({work_.source, index}, key));
    ++result_.changed;
  }
  return {};
}

// Gone is what two complete passes in a row did not have: a row that moved to another page while
// the first of them was reading is still there in the second.
Status PullBatch::Sweep(uint64_t before) {
  TW_ASSIGN_OR_RETURN(const int64_t known, effects_.CountSeen(Scope()));
  TW_ASSIGN_OR_RETURN(const auto gone, effects_.Unseen(Scope(), before, kSweptMax));
  if (gone.empty()) return {};
  if (static_cast<double>(gone.size()) > static_cast<double>(known) * stream().sweep->refuse_above) {
    result_.sweep_refused = true;
    return {};
  }
  const uint16_t index = source().event_plans[stream().observes.front()].upserts.front();
  const BindingInput input{.source = &source(), .tenant = &tenant_, .now = now_, .at = now_};
  std::vector<ColumnValue> values;
  for (const auto& [column, expression] : stream().sweep->set) {
    values.push_back({column, EvaluateOn(expression, {}, {}, input).value.ToValue()});
  }
  for (const std::string& key : gone) {
    TW_RETURN_IF_ERROR(
        state_.effects->UpdateRow({work_.source, index}, KeyOfText(key), values));
    TW_RETURN_IF_ERROR(effects_.MarkSwept(Scope(), key));
    ++result_.swept;
  }
  return {};
}

Status PullBatch::WriteEnd(const RunEnd& end) {
  if (end.sweep_before > 0 && stream().sweep) TW_RETURN_IF_ERROR(Sweep(end.sweep_before));
  TW_RETURN_IF_ERROR(effects_.InsertRun({.id = work_.run_id,
                                         .job = end.job,
                                         .source = source().name,
                                         .stream = stream().name,
                                         .tenant = work_.tenant,
                                         .purpose = ToString(work_.purpose),
                                         .status = ToString(end.status),
                                         .error = end.error,
                                         .started_at = end.started_at,
                                         .ended_at = end.ended_at,
                                         .records = end.records + result_.records,
                                         .changed = end.changed + result_.changed}));
  // Freshness is of the stream's own runs.
  return work_.place.empty() ? WriteFreshness(end) : Status();
}

Status PullBatch::WriteFreshness(const RunEnd& end) {
  if (!source().freshness || source().freshness->sync_columns.empty()) return {};
  const FreshnessPlan& plan = *source().freshness;
  const uint64_t changed = end.changed + result_.changed;
  const bool success = IsSuccess(end.status);
  if (plan.touch_when == Touch::kChanged && success && changed == 0) return {};
  std::vector<ColumnValue> key;
  const BindingInput input{.source = &source(), .tenant = &tenant_, .now = now_};
  for (const ColumnBinding& column : plan.sync_key) {
    TW_ASSIGN_OR_RETURN(Value value, Evaluate(column, input));
    key.push_back({column.column, std::move(value)});
  }
  if (key.empty()) {
    if (!success) return {};
    key.push_back({plan.key_column, Value(tenant_.tenant.name)});
  }
  std::vector<ColumnValue> values;
  if (!plan.tenant_id_column.empty()) {
    values.push_back({plan.tenant_id_column, Value(tenant_.tenant.id)});
  }
  for (const auto& [column, kind] : plan.sync_columns) {
    switch (kind) {
      case FreshValue::kLastPollAt:
      case FreshValue::kLastSuccessAt:
        if (success) values.push_back({column, Value(FormatTimestampMs(end.ended_at))});
        break;
      case FreshValue::kPollCount: {
        TW_ASSIGN_OR_RETURN(const int64_t count,
                            effects_.RunsSince(source().name, work_.tenant,
                                               now_ - std::chrono::hours(24)));
        values.push_back({column, Value(count)});
        break;
      }
      case FreshValue::kStatus:
        values.push_back({column, Value(ToString(end.status))});
        break;
      case FreshValue::kError:
        values.push_back({column, end.error.empty() ? Value() : Value(end.error)});
        break;
      case FreshValue::kRows:
        values.push_back({column, Value(static_cast<int64_t>(changed))});
        break;
      case FreshValue::kNextDue:
        if (end.next_due) values.push_back({column, Value(FormatTimestampMs(*end.next_due))});
        break;
      case FreshValue::kRunId:
        values.push_back({column, Value(work_.run_id)});
        break;
    }
  }
  return effects_.UpsertFreshness(work_.source, key, values);
}

}  // namespace tw::ingest
