#include "query/write/postgres_writer.h"

#include <algorithm>

#include "base/strings.h"
#include "json/json.h"
#include "query/acting_session.h"
#include "query/write/write_schema.h"
#include "telemetry/log.h"

namespace tw::query {
namespace {

using postgres::Parameter;
using postgres::QuoteIdentifier;

constexpr std::chrono::minutes kTrimInterval{10};
constexpr std::string_view kLostAtCommit =
    "the connection was lost during the commit: the write may have been made";

std::string NameOf(const Relation& relation) {
  return QuoteIdentifier(relation.schema) + "." + QuoteIdentifier(relation.table);
}

std::string ListOf(const Relation& relation, const std::vector<size_t>& columns) {
  std::string list;
  for (const size_t column : columns) {
    list += (list.empty() ? "" : ", ") + QuoteIdentifier(relation.columns[column].name);
  }
  return list;
}

std::unexpected<WriteError> Refuse(int status, std::string code, std::string message,
                                   std::string details = {}) {
  return std::unexpected(
      WriteError{status, std::move(code), std::move(message), std::move(details), {}});
}

std::string OnConflict(const TableWrite& write, const std::vector<size_t>& columns) {
  if (write.on_conflict == TableWrite::OnConflict::kError) return "";
  std::string sql = " on conflict";
  if (!write.conflict_columns.empty()) {
    sql += " (" + ListOf(*write.relation, write.conflict_columns) + ")";
  }
  if (write.on_conflict == TableWrite::OnConflict::kIgnore || columns.empty()) {
    return sql + " do nothing";
  }
  std::string sets;
  for (const size_t column : columns) {
    const std::string name = QuoteIdentifier(write.relation->columns[column].name);
    sets += (sets.empty() ? "" : ", ") + name + " = excluded." + name;
  }
  return sql + " do update set " + sets;
}

}  // namespace

// What the statements of one write have done.
struct PostgresWriter::Written {
  uint64_t rows = 0;
  uint64_t returned = 0;
  std::string json;
};

int StatusOfSqlState(std::string_view sqlstate) {
  static constexpr std::pair<std::string_view, int> kStatuses[] = {
      {"25006", 405}, {"21000", 400}, {"22023", 400}, {"23503", 409}, {"23505", 409},
      {"42883", 404}, {"42P01", 404}, {"42P17", 500}, {"42501", 403}, {"P0001", 400},
      {"57014", 503}, {"53400", 500}, {"08", 503},    {"09", 500},    {"0L", 403},
      {"0P", 403},    {"25", 500},    {"28", 403},    {"2D", 500},    {"38", 500},
      {"39", 500},    {"3B", 500},    {"40", 500},    {"53", 503},    {"54", 413},
      {"55", 500},    {"57", 503},    {"58", 500},    {"F0", 500},    {"HV", 500},
      {"P0", 500},    {"XX", 500}};
  for (const auto& [prefix, status] : kStatuses) {
    if (sqlstate.starts_with(prefix)) return status;
  }
  return 400;
}

WriteOr<WriteResult> PostgresWriter::Execute(const TableWrite& write) {
  // A connection that has been idle may be found lost only now.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Status connected = OpenToAct({.dsn = options_.dsn,
                                        .application_name = "tidewire writer",
                                        .statement_timeout = options_.statement_timeout,
                                        .settings = {}},
                                       connection_, types_);
    if (!connected.ok()) return Refuse(503, "PGRST000", connected.error().message);
    if (connection_->Execute("begin").ok()) break;
    connection_.reset();
  }
  if (!connection_) return Refuse(503, "PGRST000", "the connection to the database was lost");
  auto result = Run(write);
  if (connection_->in_transaction()) (void)connection_->Execute("rollback");
  if (connection_->broken()) connection_.reset();
  return result;
}

// Within the transaction that Execute has begun.
WriteOr<WriteResult> PostgresWriter::Run(const TableWrite& write) {
  auto replayed = TakeMutation(write);
  if (!replayed) return std::unexpected(replayed.error());
  if (*replayed) return **std::move(replayed);
  Written written;
  if (auto done = Change(write, written); !done) return std::unexpected(done.error());
  if (write.single && write.representation && written.returned != 1) {
    return Refuse(406, "PGRST116", "Cannot coerce the result to a single JSON object",
                  "The result contains " + std::to_string(written.returned) + " rows");
  }
  WriteResult result{.rows = written.rows};
  const bool insert = write.kind == TableWrite::Kind::kInsert;
  result.status = insert ? 201 : write.representation ? 200 : 204;
  if (write.representation) {
    result.json = write.single ? std::move(written.json) : "[" + written.json + "]";
  }
  const auto xid = Settle(write, result);
  if (!xid) return std::unexpected(xid.error());
  const auto mark = place_.Now();
  if (const Status committed = connection_->Execute("commit"); !committed.ok()) {
    if (connection_->broken()) return Refuse(503, "08007", std::string(kLostAtCommit));
    return std::unexpected(Refusal(committed.error()));
  }
  const auto position =
      *xid ? place_.OfCommit(*connection_, mark, **xid) : place_.OfNow(*connection_);
  if (position.ok()) {
    result.position = *position;
    KeepPosition(write, *position);
  }
  return result;
}

// Takes the write's id, waiting for whoever is using it now; nothing without one. A result: the id
// was used before, and this is what was answered then.
WriteOr<std::optional<WriteResult>> PostgresWriter::TakeMutation(const TableWrite& write) {
  if (write.mutation.empty()) return std::nullopt;
  if (!std::exchange(has_schema_, true)) {
    if (const Status made = CreatePostgresWriteSchema(*connection_); !made.ok()) {
      has_schema_ = false;
      return std::unexpected(Refusal(made.error()));
    }
  }
  const auto taken = connection_->Query(
      "insert into tidewire.mutation(id, caller) values($1, $2) on conflict do nothing returning "
      "id",
      {Parameter(write.mutation), Parameter(write.caller)});
  if (!taken.ok()) {
    has_schema_ = false;  // Somebody may have dropped it.
    return std::unexpected(Refusal(taken.error()));
  }
  if (!taken->empty()) return std::nullopt;
  const auto known = connection_->Query(
      "select caller, status, response, position from tidewire.mutation where id = $1",
      {Parameter(write.mutation)});
  if (!known.ok()) return std::unexpected(Refusal(known.error()));
  if (known->empty()) return Refuse(503, "40001", "the mutation id was just removed; try again");
  if (known->Text(0, 0) != write.caller) {
    return Refuse(409, "PGRST116", "this mutation id belongs to somebody else");
  }
  WriteResult result{.status = static_cast<int>(known->Int(0, 1)),
                     .json = std::string(known->Text(0, 2)),
                     .replayed = true};
  if (const auto position = ParsePosition(known->Text(0, 3)); position.ok()) {
    result.position = *position;
    return result;
  }
  // Nobody noted it: then as of now.
  if (const Status ended = connection_->Execute("rollback"); !ended.ok()) {
    return std::unexpected(Refusal(ended.error()));
  }
  if (const auto position = place_.OfNow(*connection_); position.ok()) result.position = *position;
  return result;
}

// The write itself, as the role of who asks.
WriteOr<void> PostgresWriter::Change(const TableWrite& write, Written& written) {
  const Relation& relation = *write.relation;
  std::string record;
  if (write.kind == TableWrite::Kind::kUpdate && !write.columns.empty()) {
    auto described = RecordOf(write, write.columns);
    if (!described.ok()) return std::unexpected(Refusal(described.error()));
    record = *std::move(described);
  }
  const Status acting = connection_->Execute(ActAs(write.as_role->role, write.as_role->claims));
  if (!acting.ok()) {
    WriteError error = Refusal(acting.error());
    if (error.status == 400) error.status = 403;  // There is no such role.
    return std::unexpected(std::move(error));
  }
  WriteOr<void> done;
  switch (write.kind) {
    case TableWrite::Kind::kInsert:
      done = Insert(write, written);
      break;
    case TableWrite::Kind::kUpdate: {
      if (write.columns.empty()) break;
      const std::string list = ListOf(relation, write.columns);
      done = Take(write,
                  "update " + NameOf(relation) + " set (" + list + ") = (select " + list +
                      " from json_to_record($1::json) as " + record + ") where " +
                      write.filter.ToSql(relation),
                  write.objects.front(), written);
      break;
    }
    case TableWrite::Kind::kDelete:
      done =
          Take(write, "delete from " + NameOf(relation) + " where " + write.filter.ToSql(relation),
               {}, written);
      break;
  }
  if (!done) return done;
  if (written.rows > kWriteRowsMax) {
    return Refuse(413, "54000", "more than " + std::to_string(kWriteRowsMax) + " rows match");
  }
  // What constraints and triggers put off until the commit is theirs as well, not ours.
  for (const char* const sql : {"set constraints all immediate", "set local role none"}) {
    if (const Status ended = connection_->Execute(sql); !ended.ok()) {
      return std::unexpected(Refusal(ended.error()));
    }
  }
  return {};
}

// Rows that give the same columns go in one statement; the order of rows is kept.
WriteOr<void> PostgresWriter::Insert(const TableWrite& write, Written& written) {
  const std::string into = "insert into " + NameOf(*write.relation);
  for (size_t first = 0; first < write.objects.size();) {
    std::vector<size_t> columns;
    for (size_t i = 0; i < write.columns.size(); ++i) {
      if (write.given[first][i]) columns.push_back(write.columns[i]);
    }
    std::string json = "[";
    size_t next = first;
    for (; next < write.objects.size() && write.given[next] == write.given[first]; ++next) {
      if (columns.empty() && next > first) break;
      json += (next > first ? "," : "") + write.objects[next];
    }
    json += "]";
    WriteOr<void> done;
    if (columns.empty()) {
      done = Take(write, into + " default values" + OnConflict(write, columns), {}, written);
    } else {
      const auto record = RecordOf(write, columns);
      if (!record.ok()) return std::unexpected(Refusal(record.error()));
      const std::string list = ListOf(*write.relation, columns);
      done = Take(write,
                  into + "(" + list + ") select " + list + " from json_to_recordset($1::json) as " +
                      *record + OnConflict(write, columns),
                  json, written);
    }
    if (!done) return done;
    first = next;
  }
  return {};
}

// "tidewire_given(a integer, b text)": how JSON objects become values of these columns.
Result<std::string> PostgresWriter::RecordOf(const TableWrite& write,
                                             const std::vector<size_t>& columns) {
  const std::string name = NameOf(*write.relation);
  TW_ASSIGN_OR_RETURN(
      const auto types,
      connection_->Query("select attname, pg_catalog.format_type(atttypid, null)"
                         " from pg_catalog.pg_attribute where attrelid = $1::regclass"
                         " and attnum > 0 and not attisdropped",
                         {Parameter(name)}));
  std::string record;
  for (const size_t column : columns) {
    const std::string& wanted = write.relation->columns[column].name;
    std::string type = "text";  // A column that has just gone is an error of the statement itself.
    for (size_t row = 0; row < types.size(); ++row) {
      if (types.Text(row, 0) == wanted) type = types.Text(row, 1);
    }
    record += (record.empty() ? "tidewire_given(" : ", ") + QuoteIdentifier(wanted) + " " + type;
  }
  return record + ")";
}

// Runs one statement that changes rows. `json` is its parameter, unless it is empty.
WriteOr<void> PostgresWriter::Take(const TableWrite& write, const std::string& sql,
                                   const std::string& json, Written& written) {
  std::string statement = sql;
  if (write.representation) {
    // No more is fetched than may be answered; how many there are is refused above it.
    statement = "with tidewire_written as (" + sql + " returning " +
                ListOf(*write.relation, write.returned) +
                ") select * from tidewire_written limit " + std::to_string(kWriteRowsMax + 1);
  }
  const Parameter parameter(json);
  const auto rows =
      connection_->Query(statement, std::span<const Parameter>(&parameter, json.empty() ? 0 : 1));
  if (!rows.ok()) return std::unexpected(Refusal(rows.error()));
  written.rows += write.representation ? rows->size() : rows->affected();
  if (!write.representation) return {};
  for (size_t r = 0; r < rows->size(); ++r) {
    if (written.returned++ > 0) written.json.push_back(',');
    char separator = '{';
    for (size_t i = 0; i < write.returned.size(); ++i) {
      const Column& column = write.relation->columns[write.returned[i]];
      written.json.push_back(separator);
      json::AppendString(written.json, column.name);
      written.json.push_back(':');
      const uint32_t type = rows->ColumnTypeOid(i);
      AppendJson(written.json, rows->IsNull(r, i) ? Value() : types_.Decode(type, rows->Text(r, i)),
                 column.type);
      separator = ',';
    }
    written.json += "}";
  }
  return {};
}

// The answer is kept and the id is told to the stream, in the write's own transaction. Its id, if
// it has one: a transaction that changed nothing may have none.
WriteOr<std::optional<uint32_t>> PostgresWriter::Settle(const TableWrite& write,
                                                        const WriteResult& result) {
  if (!write.mutation.empty()) {
    const std::string status = std::to_string(result.status);
    const bool kept = result.json.size() <= kResponseKeptMax;
    const auto told = connection_->Query(
        "with kept as (update tidewire.mutation set status = $2::int, response = $3 where id = $1)"
        " select pg_logical_emit_message(true, 'tidewire.mutation', $1)",
        {Parameter(write.mutation), Parameter(status),
         Parameter(kept ? std::string_view(result.json) : std::string_view())});
    if (!told.ok()) return std::unexpected(Refusal(told.error()));
  }
  const auto xid = connection_->Query("select pg_current_xact_id_if_assigned()");
  if (!xid.ok()) return std::unexpected(Refusal(xid.error()));
  if (xid->IsNull(0, 0)) return std::nullopt;
  // The stream has the low half.
  return static_cast<uint32_t>(ParseUint64(xid->Text(0, 0)).value_or(0));
}

// For repetitions of the write; and now and then ids that nobody repeats any more go.
void PostgresWriter::KeepPosition(const TableWrite& write, Position position) {
  if (write.mutation.empty()) return;
  const std::string text = ToString(position);
  auto kept = connection_->Query("update tidewire.mutation set position = $2 where id = $1",
                                 {Parameter(write.mutation), Parameter(text)});
  if (kept.ok() && clock_.Mono() >= next_trim_) {
    next_trim_ = clock_.Mono() + kTrimInterval;
    kept = TrimPostgresMutations(*connection_);
  }
  if (!kept.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "MutationNotKept",
                   "a repetition of this write will be answered without its exact position",
                   {{"error", kept.error().message}});
  }
}

WriteError PostgresWriter::Refusal(const Error& error) const {
  const postgres::Failure& failure = connection_->failure();
  if (failure.sqlstate.empty()) return {503, "08006", error.message, {}, {}};
  return {StatusOfSqlState(failure.sqlstate), failure.sqlstate, failure.message, failure.detail,
          failure.hint};
}

std::unique_ptr<PostgresWriters> PostgresWriters::Start(const PostgresWriterOptions& options,
                                                        capture::CommitLog& log,
                                                        capture::RecentCommits& recent,
                                                        const Clock& clock) {
  std::vector<std::unique_ptr<PostgresWriter>> writers;
  for (uint32_t i = 0; i < options.threads; ++i) {
    writers.push_back(std::make_unique<PostgresWriter>(options, log, recent, clock));
  }
  return std::unique_ptr<PostgresWriters>(
      new PostgresWriters(std::move(writers), {.queue_tasks_max = options.queue_tasks_max}));
}

}  // namespace tw::query
