#include "ingest/apply/postgres_session.h"

#include "ingest/apply/postgres_schema.h"

namespace tw::ingest {

using postgres::Connection;
using postgres::Parameter;
using postgres::QuoteIdentifier;
using postgres::Rows;

namespace {

// Of pg_try_advisory_lock, within one database: "tidewire" in ASCII.
constexpr std::string_view kLockKey = "8387229097218761317";

}  // namespace

Status PostgresSession::Connect() {
  if (pipeline_ && pipeline_->broken()) {
    if (in_transaction_) {
      return Fail(ErrorCode::kUnavailable, "the connection was lost within a transaction");
    }
    Drop();
  }
  if (stale_ && !in_transaction_) Drop();
  if (pipeline_) return {};
  if (clock_.Mono() < next_attempt_) return std::unexpected(last_error_);
  const Status opened = Open();
  if (!opened.ok()) {
    last_error_ = opened.error();
    next_attempt_ = clock_.Mono() + options_.retry_delay;
  }
  return opened;
}

Status PostgresSession::Open() {
  TW_ASSIGN_OR_RETURN(auto connection,
                      Connection::Open({.dsn = options_.dsn,
                                        .application_name = "tidewire ingest",
                                        .connect_timeout = options_.connect_timeout,
                                        .statement_timeout = options_.statement_timeout,
                                        .settings = {{"client_min_messages", "error"}}}));
  TW_RETURN_IF_ERROR(Prepare(connection));
  TW_ASSIGN_OR_RETURN(pipeline_, postgres::Pipeline::Enter(std::move(connection)));
  ++connections_;
  return {};
}

Status PostgresSession::Prepare(Connection& connection) {
  TW_ASSIGN_OR_RETURN(
      const Rows locked,
      connection.Query("select pg_try_advisory_lock(" + std::string(kLockKey) + ")"));
  if (!locked.Bool(0, 0)) {
    return Fail(ErrorCode::kUnavailable,
                "another Tidewire process applies its sources to this database, or has only just"
                " ended");
  }
  // The inbox forgets what is committed here, so a commit must be on disk before it counts.
  TW_RETURN_IF_ERROR(connection.Execute(
      "select set_config('synchronous_commit', 'on', false) "
      "where current_setting('synchronous_commit') = 'off'"));
  TW_RETURN_IF_ERROR(postgres::UseOwnSearchPath(connection));
  return CreatePostgresApplySchema(connection);
}

void PostgresSession::Drop() {
  round_trips_before_ += Trips();
  pipeline_.reset();
  types_.clear();
  stale_ = false;
}

// Only the statement's SQLSTATE tells whose fault it is.
std::unexpected<Error> PostgresSession::Judge(Error error) {
  const std::string_view state = pipeline_->sqlstate();
  // A plan that no longer fits, a statement that the server has forgotten, a table that changed.
  if (state == "0A000" || state == "26000" || state == "42P01" || state == "42703") stale_ = true;
  // Exceptions of triggers, values that are too large for an index, views' check options. Of class
  // 42 only what a policy refuses would be an event's; the rest is the schema's.
  if (state.starts_with("P0") || state.starts_with("54") || state.starts_with("44")) {
    error.code = ErrorCode::kInvalidArgument;
  } else if (state.starts_with("42") && error.code == ErrorCode::kInvalidArgument) {
    error.code = ErrorCode::kFailedPrecondition;
  }
  return std::unexpected(std::move(error));
}

Status PostgresSession::Begin() {
  TW_RETURN_IF_ERROR(Connect());
  TW_RETURN_IF_ERROR(pipeline_->Send("begin"));
  in_transaction_ = true;
  return {};
}

Status PostgresSession::Commit() {
  // What was sent before must have succeeded: a server answers the commit of a failed transaction
  // with a successful rollback.
  TW_RETURN_IF_ERROR(Sync());
  if (Status sent = Send("commit"); !sent.ok()) return sent;
  const Status committed = Sync();
  if (committed.ok()) in_transaction_ = false;
  return committed;
}

void PostgresSession::Rollback() {
  in_transaction_ = false;
  if (!pipeline_) return;
  (void)pipeline_->Sync();
  if (!pipeline_->broken()) {
    (void)pipeline_->Send("rollback");
    (void)pipeline_->Sync();
  }
  if (pipeline_->broken() || pipeline_->in_transaction()) Drop();
}

Status PostgresSession::Send(const std::string& sql, std::span<const Parameter> parameters,
                             postgres::Expected expected) {
  TW_RETURN_IF_ERROR(Connect());
  if (Status sent = pipeline_->Send(sql, parameters, expected); !sent.ok()) {
    return Judge(sent.error());
  }
  return {};
}

Result<Rows> PostgresSession::Query(const std::string& sql, std::span<const Parameter> parameters) {
  TW_RETURN_IF_ERROR(Connect());
  auto rows = pipeline_->Query(sql, parameters);
  if (!rows.ok()) return Judge(rows.error());
  return rows;
}

Status PostgresSession::Sync() {
  TW_RETURN_IF_ERROR(Connect());
  if (Status synced = pipeline_->Sync(); !synced.ok()) return Judge(synced.error());
  return {};
}

Result<std::string> PostgresSession::TypeOf(std::string_view table, std::string_view column) {
  const std::string name = QualifiedName(table);
  std::string key = name + "." + std::string(column);
  if (const auto found = types_.find(key); found != types_.end()) return found->second;
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      Query("select pg_catalog.format_type(atttypid, atttypmod) from pg_catalog.pg_attribute "
            "where attrelid = pg_catalog.to_regclass($1) and attname = $2 and attnum > 0 "
            "and not attisdropped",
            {Parameter(name), Parameter(column)}));
  std::string type(rows.empty() ? "" : rows.Text(0, 0));
  types_.emplace(std::move(key), type);
  return type;
}

std::string QualifiedName(std::string_view table) {
  const size_t dot = table.find('.');
  if (dot == std::string_view::npos) return "public." + QuoteIdentifier(table);
  return QuoteIdentifier(table.substr(0, dot)) + "." + QuoteIdentifier(table.substr(dot + 1));
}

std::string StorableText(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool utf8 = IsUtf8(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool kept = c != '\0' && (utf8 || static_cast<unsigned char>(c) < 0x80);
    if (kept) {
      out += c;
    } else {
      out += kReplacement;
    }
  }
  return out;
}

}  // namespace tw::ingest
