#include "ingest/webhook/refused_store.h"

#include "ingest/apply/schema.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

constexpr std::chrono::minutes kTrimPeriod{1};

int64_t Micros(WallTime time) {
  return time.time_since_epoch().count();
}

}  // namespace

Result<std::unique_ptr<RefusedStore>> RefusedStore::Create(sqlite::Database& database,
                                                           std::string_view source,
                                                           const RefusedConfig& limits,
                                                           telemetry::Registry& metrics) {
  TW_RETURN_IF_ERROR(CreateApplySchema(database));
  std::unique_ptr<RefusedStore> store(
      new RefusedStore(database, std::string(source), limits, metrics));
  TW_ASSIGN_OR_RETURN(
      store->insert_,
      database.Prepare("insert into tidewire_refused(source, reason, received_at, remote_address, "
                       "headers, body) values (?1, ?2, ?3, ?4, ?5, ?6)"));
  TW_ASSIGN_OR_RETURN(
      store->expire_,
      database.Prepare("delete from tidewire_refused where source = ?1 and received_at < ?2"));
  TW_ASSIGN_OR_RETURN(store->bytes_,
                      database.Prepare("select coalesce(sum(length(headers) + length(body)), 0) "
                                       "from tidewire_refused where source = ?1"));
  TW_ASSIGN_OR_RETURN(store->oldest_,
                      database.Prepare("select id, length(headers) + length(body) from "
                                       "tidewire_refused where source = ?1 order by id"));
  TW_ASSIGN_OR_RETURN(
      store->remove_,
      database.Prepare("delete from tidewire_refused where source = ?1 and id <= ?2"));
  return store;
}

void RefusedStore::Add(Delivery delivery, std::string_view reason) {
  metrics_
      .GetCounter("tidewire_hook_refused_total", "Deliveries refused by authentication.",
                  {{"source", source_}, {"reason", std::string(reason)}})
      .Add();
  const size_t bytes = DeliveryBytes(delivery);
  if (waiting_.size() >= kWaitingMax || waiting_bytes_ + bytes > kWaitingBytesMax) {
    metrics_
        .GetCounter("tidewire_hook_refused_dropped_total",
                    "Refused deliveries that were counted but not kept.", {{"source", source_}})
        .Add();
    return;
  }
  waiting_bytes_ += bytes;
  waiting_.push_back({std::move(delivery), std::string(reason)});
}

Status RefusedStore::Flush(WallTime now) {
  const bool trims = now - trimmed_at_ >= kTrimPeriod;
  if (waiting_.empty() && !trims) return {};
  TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database_));
  for (const Waiting& waiting : waiting_) TW_RETURN_IF_ERROR(Insert(waiting));
  TW_RETURN_IF_ERROR(Trim(now));
  TW_RETURN_IF_ERROR(transaction.Commit());
  waiting_.clear();
  waiting_bytes_ = 0;
  trimmed_at_ = now;
  return {};
}

Status RefusedStore::Insert(const Waiting& waiting) {
  json::Writer headers;
  headers.Object();
  for (const auto& [name, value] : waiting.delivery.headers) headers.Key(name).String(value);
  headers.End();
  const std::string text = headers.Take();
  insert_.BindText(1, source_);
  insert_.BindText(2, waiting.reason);
  insert_.BindInt(3, Micros(waiting.delivery.received_at));
  insert_.BindText(4, waiting.delivery.remote_address);
  insert_.BindText(5, text);
  insert_.BindBlob(6, waiting.delivery.body);
  return insert_.Run();
}

Status RefusedStore::Trim(WallTime now) {
  expire_.BindText(1, source_);
  expire_.BindInt(2, Micros(now - limits_.keep));
  TW_RETURN_IF_ERROR(expire_.Run());
  bytes_.BindText(1, source_);
  TW_ASSIGN_OR_RETURN(const bool row, bytes_.Step());
  int64_t over = row ? bytes_.ColumnInt(0) - static_cast<int64_t>(limits_.keep_bytes.bytes) : 0;
  bytes_.Reset();
  if (over <= 0) return {};
  int64_t up_to = 0;
  oldest_.BindText(1, source_);
  while (over > 0) {
    TW_ASSIGN_OR_RETURN(const bool more, oldest_.Step());
    if (!more) break;
    up_to = oldest_.ColumnInt(0);
    over -= oldest_.ColumnInt(1);
  }
  oldest_.Reset();
  remove_.BindText(1, source_);
  remove_.BindInt(2, up_to);
  return remove_.Run();
}

}  // namespace tw::ingest
