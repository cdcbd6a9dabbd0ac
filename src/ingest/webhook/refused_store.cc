#include "ingest/webhook/refused_store.h"

#include "json/json.h"

namespace tw::ingest {
namespace {

constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_refused(
  id integer primary key,
  source text not null,
  reason text not null,
  received_at integer not null,
  remote_address text not null,
  method text not null,
  query text not null,
  headers text not null,
  body blob not null,
  bytes integer not null
) strict;
create index if not exists tidewire_refused_received on tidewire_refused(received_at);
)sql";

std::string HeadersJson(const Delivery& delivery) {
  json::Writer writer;
  writer.Object();
  for (const auto& [name, value] : delivery.headers) writer.Key(name).String(value);
  writer.End();
  return writer.Take();
}

}  // namespace

RefusedStore::RefusedStore(sqlite::Database& database, const Clock& clock,
                           telemetry::Registry& metrics, const RefusedLimits& limits)
    : database_(database),
      clock_(clock),
      limits_(limits),
      kept_(metrics.GetCounter("tidewire_hooks_refused_kept_total",
                               "Refused deliveries that were kept.")),
      dropped_(metrics.GetCounter("tidewire_hooks_refused_dropped_total",
                                  "Refused deliveries over the limit, counted only.")) {}

Result<std::unique_ptr<RefusedStore>> RefusedStore::Create(sqlite::Database& database,
                                                           const Clock& clock,
                                                           telemetry::Registry& metrics,
                                                           const RefusedLimits& limits) {
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  std::unique_ptr<RefusedStore> store(new RefusedStore(database, clock, metrics, limits));
  TW_ASSIGN_OR_RETURN(const int64_t bytes,
                      database.QueryInt("select coalesce(sum(bytes), 0) from tidewire_refused"));
  store->bytes_ = static_cast<uint64_t>(bytes);
  return store;
}

bool RefusedStore::Admit() {
  const int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.Mono().time_since_epoch()).count();
  if (second != second_) {
    second_ = second;
    kept_in_second_ = 0;
  }
  return kept_in_second_++ < limits_.per_second_max;
}

Status RefusedStore::Keep(const Delivery& delivery, std::string_view reason) {
  const uint64_t bytes = DeliveryBytes(delivery);
  if (!Admit() || bytes > limits_.bytes_max) {
    dropped_.Add();
    return {};
  }
  if (bytes_ + bytes > limits_.bytes_max) {
    TW_RETURN_IF_ERROR(RemoveOldest(bytes_ + bytes - limits_.bytes_max));
  }
  TW_ASSIGN_OR_RETURN(
      auto insert,
      database_.Prepare("insert into tidewire_refused(source, reason, received_at, remote_address,"
                        " method, query, headers, body, bytes) values(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::string headers = HeadersJson(delivery);
  insert.BindText(1, delivery.source);
  insert.BindText(2, reason);
  insert.BindInt(3, delivery.received_at.time_since_epoch().count());
  insert.BindText(4, delivery.remote_address);
  insert.BindText(5, delivery.method);
  insert.BindText(6, delivery.query);
  insert.BindText(7, headers);
  insert.BindBlob(8, delivery.body);
  insert.BindInt(9, static_cast<int64_t>(bytes));
  TW_RETURN_IF_ERROR(insert.Run());
  bytes_ += bytes;
  kept_.Add();
  return {};
}

Status RefusedStore::RemoveOldest(uint64_t bytes) {
  TW_ASSIGN_OR_RETURN(auto oldest,
                      database_.Prepare("select id, bytes from tidewire_refused order by id"));
  uint64_t freed = 0;
  int64_t last = 0;
  while (freed < bytes) {
    TW_ASSIGN_OR_RETURN(const bool row, oldest.Step());
    if (!row) break;
    last = oldest.ColumnInt(0);
    freed += static_cast<uint64_t>(oldest.ColumnInt(1));
  }
  oldest.Reset();
  TW_ASSIGN_OR_RETURN(auto remove, database_.Prepare("delete from tidewire_refused where id <= ?"));
  remove.BindInt(1, last);
  TW_RETURN_IF_ERROR(remove.Run());
  bytes_ -= freed;
  return {};
}

Result<std::vector<RefusedDelivery>> RefusedStore::Read(const RefusedFilter& filter, int64_t after,
                                                        int max) {
  TW_ASSIGN_OR_RETURN(
      auto read,
      database_.Prepare("select id, source, received_at, remote_address, method, query, headers, "
                        "body from tidewire_refused where id > ?1 and (?2 = '' or source = ?2) "
                        "and (?3 = '' or reason = ?3) and (?4 = '' or id = cast(?4 as integer)) "
                        "order by id limit ?5"));
  read.BindInt(1, after);
  read.BindText(2, filter.source);
  read.BindText(3, filter.reason);
  read.BindText(4, filter.id);
  read.BindInt(5, max);
  std::vector<RefusedDelivery> found;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return found;
    RefusedDelivery& refused = found.emplace_back();
    refused.id = read.ColumnInt(0);
    Delivery& delivery = refused.delivery;
    delivery.source = read.ColumnText(1);
    delivery.received_at = WallTime(std::chrono::microseconds(read.ColumnInt(2)));
    delivery.remote_address = read.ColumnText(3);
    delivery.method = read.ColumnText(4);
    delivery.query = read.ColumnText(5);
    TW_ASSIGN_OR_RETURN(const auto headers, json::Parse(read.ColumnText(6)));
    for (const auto& [name, value] : headers.root().members()) {
      delivery.headers.emplace_back(name, value.GetString());
    }
    delivery.body = read.ColumnBlob(7);
  }
}

Status RefusedStore::Remove(int64_t id) {
  TW_ASSIGN_OR_RETURN(auto remove, database_.Prepare("delete from tidewire_refused where id = ?1 "
                                                     "returning bytes"));
  remove.BindInt(1, id);
  TW_ASSIGN_OR_RETURN(const bool removed, remove.Step());
  if (!removed) return {};
  bytes_ -= static_cast<uint64_t>(remove.ColumnInt(0));
  remove.Reset();
  return {};
}

Status RefusedStore::Trim() {
  TW_ASSIGN_OR_RETURN(auto remove,
                      database_.Prepare("delete from tidewire_refused where received_at < ?"));
  remove.BindInt(1, (clock_.Wall() - limits_.keep).time_since_epoch().count());
  TW_RETURN_IF_ERROR(remove.Run());
  if (database_.ChangedRows() == 0) return {};
  TW_ASSIGN_OR_RETURN(const int64_t bytes,
                      database_.QueryInt("select coalesce(sum(bytes), 0) from tidewire_refused"));
  bytes_ = static_cast<uint64_t>(bytes);
  return {};
}

}  // namespace tw::ingest
