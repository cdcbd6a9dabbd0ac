#include "postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/strings.h"
#include "postgres/server_error.h"

namespace tw::postgres {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kCanonicalSettings = {{
    {"timezone", "UTC"},
    {"datestyle", "ISO"},
    {"intervalstyle", "postgres"},
    {"extra_float_digits", "3"},
    {"bytea_output", "hex"},
    {"search_path", ""},
}};

// One "-c name=value" of the startup option `options`, where white space and backslashes need a
// backslash.
void AppendOption(std::string& options, std::string_view name, std::string_view value) {
  options.append(options.empty() ? "-c " : " -c ").append(name).append("=");
  for (const char c : value) {
    if (c == ' ' || c == '\\') options += '\\';
    options += c;
  }
}

// Keywords and values for PQconnectdbParams.
struct Keywords {
  std::vector<std::pair<std::string, std::string>> pairs;
  void Set(std::string name, std::string value) {
    const auto same = [&](const auto& pair) { return pair.first == name; };
    if (const auto found = std::ranges::find_if(pairs, same); found != pairs.end()) {
      found->second = std::move(value);
    } else {
      pairs.emplace_back(std::move(name), std::move(value));
    }
  }
  void SetDefault(const std::string& name, std::string value) {
    if (Get(name).empty()) Set(name, std::move(value));
  }
  std::string_view Get(std::string_view name) const {
    for (const auto& [key, value] : pairs) {
      if (key == name) return value;
    }
    return {};
  }
};

Result<Keywords> ParseDsn(const std::string& dsn) {
  char* message = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(dsn.c_str(), &message);
  // libpq's message may quote a part of the text, and with it a password: it is not passed on.
  if (message != nullptr) PQfreemem(message);
  if (parsed == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                "the DSN is not a PostgreSQL connection string; write"
                " postgres://user@host:5432/database or host=… dbname=… user=… (special characters"
                " of a password percent-encoded in the first form)");
  }
  Keywords keywords;
  for (const PQconninfoOption* option = parsed; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) keywords.pairs.emplace_back(option->keyword, option->val);
  }
  PQconninfoFree(parsed);
  return keywords;
}

std::string SessionOptions(const Keywords& keywords, const ConnectOptions& options) {
  std::string text(keywords.Get("options"));
  for (const auto& [name, value] : kCanonicalSettings) AppendOption(text, name, value);
  // A walsender knows no statement timeout of its own; the stream has one of its own.
  if (options.statement_timeout.count() > 0 && options.purpose == Purpose::kSql) {
    AppendOption(text, "statement_timeout", std::to_string(options.statement_timeout.count()));
  }
  for (const auto& [name, value] : options.settings) AppendOption(text, name, value);
  return text;
}

// A failed start has no SQLSTATE in libpq 15: its text must do.
ErrorCode CodeOfStartMessage(std::string_view message) {
  static constexpr std::pair<std::string_view, ErrorCode> kTexts[] = {
      {"password authentication failed", ErrorCode::kUnauthenticated},
      {"no password supplied", ErrorCode::kUnauthenticated},
      {"authentication failed", ErrorCode::kUnauthenticated},
      {"no pg_hba.conf entry", ErrorCode::kUnauthenticated},
      {"is not permitted to log in", ErrorCode::kPermissionDenied},
      {"must be superuser or replication role", ErrorCode::kPermissionDenied},
      {"permission denied", ErrorCode::kPermissionDenied},
      {"does not exist", ErrorCode::kNotFound},
      {"too many connections", ErrorCode::kUnavailable},
      {"remaining connection slots are reserved", ErrorCode::kUnavailable},
      {"unrecognized configuration parameter", ErrorCode::kInvalidArgument},
      {"invalid value for parameter", ErrorCode::kInvalidArgument},
      {"invalid port number", ErrorCode::kInvalidArgument},
      {"invalid sslmode value", ErrorCode::kInvalidArgument},
  };
  for (const auto& [text, code] : kTexts) {
    if (message.find(text) != std::string_view::npos) return code;
  }
  return ErrorCode::kUnavailable;
}

std::string_view AdviceFor(ErrorCode code, std::string_view message) {
  if (code == ErrorCode::kUnauthenticated) {
    return message.find("pg_hba") != std::string_view::npos
               ? "; allow this user and address in pg_hba.conf"
               : "; check user and password of the DSN";
  }
  if (code == ErrorCode::kNotFound) return "; check database and user of the DSN";
  return "";
}

}  // namespace

std::span<const std::pair<std::string_view, std::string_view>> CanonicalSettings() {
  return kCanonicalSettings;
}

ErrorCode CodeOfSqlState(std::string_view s) {
  static constexpr std::pair<std::string_view, ErrorCode> kCodes[] = {
      {"53300", ErrorCode::kUnavailable},      {"55006", ErrorCode::kUnavailable},
      {"40001", ErrorCode::kUnavailable},      {"40P01", ErrorCode::kUnavailable},
      {"57014", ErrorCode::kResourceExhausted}, {"42501", ErrorCode::kPermissionDenied},
      {"3D000", ErrorCode::kNotFound},         {"3F000", ErrorCode::kNotFound},
      {"42P01", ErrorCode::kNotFound},         {"42703", ErrorCode::kNotFound},
      {"42704", ErrorCode::kNotFound},         {"42883", ErrorCode::kNotFound},
      {"42P06", ErrorCode::kAlreadyExists},    {"42P07", ErrorCode::kAlreadyExists},
      {"42710", ErrorCode::kAlreadyExists},
      {"XX001", ErrorCode::kDataLoss},         {"XX002", ErrorCode::kDataLoss},
      // Classes, after the single codes.
      {"08", ErrorCode::kUnavailable},         {"57P", ErrorCode::kUnavailable},
      {"28", ErrorCode::kUnauthenticated},     {"22", ErrorCode::kInvalidArgument},
      {"23", ErrorCode::kInvalidArgument},     {"42", ErrorCode::kInvalidArgument},
      {"53", ErrorCode::kResourceExhausted},   {"54", ErrorCode::kResourceExhausted},
      {"25", ErrorCode::kFailedPrecondition},  {"55", ErrorCode::kFailedPrecondition},
      {"0A", ErrorCode::kFailedPrecondition},
  };
  for (const auto& [prefix, code] : kCodes) {
    if (s.starts_with(prefix)) return code;
  }
  return ErrorCode::kInternal;
}

Rows& Rows::operator=(Rows&& other) noexcept {
  std::swap(result_, other.result_);
  return *this;
}

Rows::~Rows() {
  if (result_ != nullptr) PQclear(result_);
}

size_t Rows::size() const { return result_ == nullptr ? 0 : size_t(PQntuples(result_)); }
size_t Rows::columns() const { return result_ == nullptr ? 0 : size_t(PQnfields(result_)); }

std::string_view Rows::ColumnName(size_t column) const {
  return PQfname(result_, static_cast<int>(column));
}

uint32_t Rows::ColumnTypeOid(size_t column) const {
  return PQftype(result_, static_cast<int>(column));
}

bool Rows::IsNull(size_t row, size_t column) const {
  return PQgetisnull(result_, static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view Rows::Text(size_t row, size_t column) const {
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  return {PQgetvalue(result_, r, c), static_cast<size_t>(PQgetlength(result_, r, c))};
}

std::optional<std::string_view> Rows::OptionalText(size_t row, size_t column) const {
  if (IsNull(row, column)) return std::nullopt;
  return Text(row, column);
}

int64_t Rows::Int(size_t row, size_t column) const {
  return ParseInt64(Text(row, column)).value_or(0);
}

uint64_t Rows::affected() const {
  return result_ == nullptr ? 0 : ParseUint64(PQcmdTuples(result_)).value_or(0);
}

Result<Connection> Connection::Open(const ConnectOptions& options) {
  TW_ASSIGN_OR_RETURN(Keywords keywords, ParseDsn(options.dsn));
  keywords.SetDefault("connect_timeout", std::to_string(options.connect_timeout.count()));
  keywords.SetDefault("application_name", options.application_name);
  // A peer that vanished without a word is noticed within half a minute.
  keywords.SetDefault("keepalives_idle", "10");
  keywords.SetDefault("keepalives_interval", "5");
  keywords.SetDefault("keepalives_count", "3");
  keywords.SetDefault("tcp_user_timeout", "30000");
  keywords.Set("client_encoding", "UTF8");
  keywords.Set("options", SessionOptions(keywords, options));
  if (options.purpose == Purpose::kReplication) keywords.Set("replication", "database");
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : keywords.pairs) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const handle = PQconnectdbParams(names.data(), values.data(), 0);
  if (handle == nullptr) return Fail(ErrorCode::kResourceExhausted, "out of memory");
  Connection connection(handle);
  if (PQstatus(handle) != CONNECTION_OK) {
    const std::string message = CleanMessage(PQerrorMessage(handle), keywords.Get("password"));
    const ErrorCode code = CodeOfStartMessage(message);
    return Fail(code, message + std::string(AdviceFor(code, message)));
  }
  PQsetNoticeProcessor(handle, [](void*, const char*) {}, nullptr);
  return connection;
}

Connection::Connection(Connection&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), failure_(std::move(other.failure_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(failure_, other.failure_);
  return *this;
}

Connection::~Connection() {
  if (handle_ != nullptr) PQfinish(handle_);
}

std::unexpected<Error> Connection::LastError(std::string_view context) {
  const char* const password = PQpass(handle_);
  std::string text = CleanMessage(PQerrorMessage(handle_), password == nullptr ? "" : password);
  if (!context.empty()) text = std::string(context) + ": " + text;
  return Fail(broken() ? ErrorCode::kUnavailable : ErrorCode::kInternal, std::move(text));
}

Result<Rows> Connection::Take(PGresult* result) {
  failure_ = {};
  if (result == nullptr) return LastError("");
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY: return Rows(result);
    default: break;
  }
  const Rows owner(result);
  auto error = ErrorOf(result, handle_);
  if (!error) return LastError("");
  failure_ = {std::move(error->sqlstate), std::move(error->message), std::move(error->detail),
              std::move(error->hint)};
  return std::unexpected(std::move(error->error));
}

Status Connection::Execute(const std::string& sql) {
  TW_RETURN_IF_ERROR(Take(PQexec(handle_, sql.c_str())));
  return {};
}

namespace {

// libpq wants C strings; each text is copied once to end with a zero.
struct ParameterTexts {
  explicit ParameterTexts(std::span<const Parameter> parameters) {
    texts.reserve(parameters.size());
    for (const Parameter& parameter : parameters) {
      if (parameter) texts.emplace_back(*parameter);
      pointers.push_back(parameter ? texts.back().c_str() : nullptr);
    }
  }
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
};

}  // namespace

Result<Rows> Connection::Query(const std::string& sql, std::span<const Parameter> parameters) {
  if (parameters.empty()) return Take(PQexec(handle_, sql.c_str()));
  const ParameterTexts texts(parameters);
  return Take(PQexecParams(handle_, sql.c_str(), static_cast<int>(parameters.size()), nullptr,
                           texts.pointers.data(), nullptr, nullptr, 0));
}

Status Connection::Prepare(const std::string& name, const std::string& sql) {
  TW_RETURN_IF_ERROR(Take(PQprepare(handle_, name.c_str(), sql.c_str(), 0, nullptr)));
  return {};
}

Result<Rows> Connection::QueryPrepared(const std::string& name,
                                       std::span<const Parameter> parameters) {
  const ParameterTexts texts(parameters);
  return Take(PQexecPrepared(handle_, name.c_str(), static_cast<int>(parameters.size()),
                             texts.pointers.data(), nullptr, nullptr, 0));
}

bool Connection::broken() const { return PQstatus(handle_) != CONNECTION_OK; }

bool Connection::in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(handle_);
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

int Connection::server_version() const { return PQserverVersion(handle_); }
std::string Connection::database() const { return PQdb(handle_); }
std::string Connection::user() const { return PQuser(handle_); }

Result<Transaction> Transaction::Begin(Connection& connection, const std::string& begin) {
  TW_RETURN_IF_ERROR(connection.Execute(begin));
  return Transaction(&connection);
}

Transaction::~Transaction() {
  if (connection_ != nullptr && connection_->in_transaction()) {
    (void)connection_->Execute("rollback");
  }
}

Status Transaction::Commit() {
  TW_CHECK(connection_ != nullptr);
  Connection& connection = *std::exchange(connection_, nullptr);
  // The server answers a COMMIT of a failed transaction with a successful ROLLBACK.
  if (PQtransactionStatus(connection.handle()) == PQTRANS_INERROR) {
    (void)connection.Execute("rollback");
    return Fail(ErrorCode::kFailedPrecondition, "a statement of the transaction failed before");
  }
  if (auto committed = connection.Execute("commit"); !committed.ok()) {
    if (connection.in_transaction()) (void)connection.Execute("rollback");
    return committed;
  }
  return {};
}

std::string QuoteIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string QuoteLiteral(std::string_view text) {
  std::string quoted = text.find('\\') == std::string_view::npos ? "'" : " E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

}  // namespace tw::postgres
