#include "app/revocation_book.h"

#include <vector>

namespace tw::app {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

// Each write takes a higher id, so that the highest id and the number of rows tell of any change.
constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_revocation(
  id integer primary key autoincrement,
  claim text not null,
  value text not null,
  revoked_at integer not null,
  expires_at integer not null,
  unique(claim, value) on conflict replace
) strict;
create index if not exists tidewire_revocation_expires on tidewire_revocation(expires_at);
)sql";

int64_t Micros(WallTime time) {
  return duration_cast<microseconds>(time.time_since_epoch()).count();
}

}  // namespace

RevocationBook::RevocationBook(sqlite::Database& database, const Clock& clock,
                               telemetry::Registry& metrics)
    : database_(database),
      clock_(clock),
      kept_(metrics.GetGauge("tidewire_auth_revocations",
                             "Users, sessions and tokens that are revoked.")) {}

Result<std::unique_ptr<RevocationBook>> RevocationBook::Open(sqlite::Database& database,
                                                             const Clock& clock,
                                                             telemetry::Registry& metrics) {
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  return std::unique_ptr<RevocationBook>(new RevocationBook(database, clock, metrics));
}

Status RevocationBook::Add(sqlite::Database& database, const auth::Revocation& revocation) {
  if (revocation.value.empty() || revocation.value.size() > auth::kRevokedValueBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "what is revoked must have 1 to " + std::to_string(auth::kRevokedValueBytesMax) +
                    " bytes");
  }
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  TW_ASSIGN_OR_RETURN(const int64_t count,
                      database.QueryInt("select count(*) from tidewire_revocation"));
  if (count >= static_cast<int64_t>(auth::kRevocationsMax)) {
    return Fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(auth::kRevocationsMax) +
                    " are revoked; change the key that signs tokens instead");
  }
  TW_ASSIGN_OR_RETURN(auto write,
                      database.Prepare("insert into tidewire_revocation(claim, value, revoked_at, "
                                       "expires_at) values (?1, ?2, ?3, ?4)"));
  write.BindText(1, auth::ToString(revocation.by));
  write.BindText(2, revocation.value);
  write.BindInt(3, Micros(revocation.revoked_at));
  write.BindInt(4, Micros(revocation.expires_at));
  return write.Run();
}

Result<auth::RevocationsPtr> RevocationBook::Poll() {
  TW_ASSIGN_OR_RETURN(const int64_t expired,
                      database_.QueryInt("select count(*) from tidewire_revocation where expires_at"
                                         " <= " + std::to_string(Micros(clock_.Wall()))));
  if (expired > 0) {
    TW_RETURN_IF_ERROR(database_.Execute("delete from tidewire_revocation where expires_at <= " +
                                         std::to_string(Micros(clock_.Wall()))));
  }
  TW_ASSIGN_OR_RETURN(const int64_t version,
                      database_.QueryInt("select coalesce(max(id), 0) * 1000000 + count(*) from"
                                         " tidewire_revocation"));
  if (version == seen_) return auth::RevocationsPtr();
  TW_ASSIGN_OR_RETURN(auto revocations, Read());
  seen_ = version;
  kept_.Set(static_cast<int64_t>(revocations->size()));
  return revocations;
}

Result<auth::RevocationsPtr> RevocationBook::Read() {
  TW_ASSIGN_OR_RETURN(auto read, database_.Prepare("select claim, value, revoked_at, expires_at from"
                                                   " tidewire_revocation"));
  std::vector<auth::Revocation> all;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) break;
    const auto by = auth::ParseRevokedBy(read.ColumnText(0));
    if (!by) continue;
    all.push_back({.by = *by,
                   .value = std::string(read.ColumnText(1)),
                   .revoked_at = WallTime{microseconds{read.ColumnInt(2)}},
                   .expires_at = WallTime{microseconds{read.ColumnInt(3)}}});
  }
  return std::make_shared<const auth::Revocations>(all);
}

}  // namespace tw::app
