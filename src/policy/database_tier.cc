#include "policy/database_tier.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "json/json.h"
#include "policy/program.h"
#include "postgres/array.h"
#include "postgres/search_path.h"

namespace tw::policy {

using postgres::Connection;
using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

// Functions of one connection; more than a catalogue has programs unless it changes all the time.
constexpr size_t kFunctionsMax = 1'000;
// Readers remembered for having taken too long.
constexpr size_t kSlowReadersKept = 1'000;

// JSON of arrays and composites does not tell all values apart that the database does.
bool IsExactJson(std::string_view text, std::string_view type) {
  // A string is the type's own text: ranges, times, citext.
  if (type == "float4" || text.starts_with('"')) return true;
  if (!type.starts_with('_') || type == "_bytea") return false;
  const bool real = type == "_float4" || type == "_float8" || type == "_numeric";
  return !real || text.find("null") == text.npos;  // NaN is null there.
}

// False: the value is not in the log, or not exactly.
bool AppendValue(std::string& json, const Value& value, const Column& column) {
  if (value.is_null()) {
    json += "null";
  } else if (const bool* flag = value.AsBool()) {
    json += *flag ? "true" : "false";
  } else if (const int64_t* number = value.AsInt()) {
    json += std::to_string(*number);
  } else if (const double* real = value.AsDouble()) {
    if (std::isfinite(*real)) {
      json::AppendDouble(json, *real);
    } else {
      json += std::isnan(*real) ? "\"NaN\"" : *real > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }
  } else if (const Bytes* bytes = value.AsBytes()) {
    json::AppendString(json, postgres::ByteaText(bytes->data));
  } else if (value.is_absent()) {
    return false;
  } else if (column.type == ColumnType::kJson) {
    json += *value.AsText();
  } else if (column.type == ColumnType::kEncoded) {
    if (!IsExactJson(*value.AsText(), column.type_name)) return false;
    json += *value.AsText();
  } else {
    json::AppendString(json, *value.AsText());
  }
  return true;
}

// Only the columns that are looked at: the others are NULL there.
bool AppendImage(std::string& json, const DatabasePredicate& predicate, const Relation& relation,
                 const Row& row) {
  json += '{';
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    if (!predicate.needs[i]) continue;
    if (!first) json += ',';
    first = false;
    json::AppendString(json, relation.columns[i].name);
    json += ':';
    if (!AppendValue(json, row[i], relation.columns[i])) return false;
  }
  json += '}';
  return true;
}

}  // namespace

// Questions of one table and role, and where their answers go.
struct DatabaseTier::Group {
  const DatabasePredicate* predicate = nullptr;
  std::string function;
  std::vector<const DatabaseQuestion*> questions;
  std::vector<DatabaseAnswer*> answers;
};

// What one call asks: readers with their images, and what their rows are called outside.
struct DatabaseTier::Call {
  explicit Call(const Group& asked) : group(asked) {}

  // Those of the reader's rows that can be sent.
  void Add(size_t reader) { Add(reader, 0, group.questions[reader]->rows.size()); }
  void Add(size_t reader, size_t first, size_t last) {
    const DatabaseQuestion& question = *group.questions[reader];
    DatabaseAnswer& answer = *group.answers[reader];
    std::string json = "[";
    std::vector<size_t> numbers;
    for (size_t i = first; i < last; ++i) {
      const size_t before = json.size();
      if (json.size() > 1) json += ',';
      if (AppendImage(json, *group.predicate, *question.reader->program().relation(),
                      *question.rows[i])) {
        numbers.push_back(i);
      } else {
        json.resize(before);
        answer.rows[i] = RowVerdict::kUnknown;
      }
    }
    if (numbers.empty()) return;
    const Datum& text = question.reader->slots().values.front();
    claims.Add(text.is_null() ? std::string_view() : text.text);
    images.Add(json + "]");
    readers.push_back(reader);
    rows.push_back(std::move(numbers));
  }

  const Group& group;
  mutable postgres::ArrayLiteral claims;
  mutable postgres::ArrayLiteral images;
  std::vector<size_t> readers;
  std::vector<std::vector<size_t>> rows;
};

Result<DatabaseTier> DatabaseTier::Open(const std::string& dsn, const Limits& limits) {
  TW_ASSIGN_OR_RETURN(auto connection,
                      Connection::Open({.dsn = dsn, .application_name = "tidewire policies"}));
  // Policies name every schema; the functions that they call may rely on what the database says.
  TW_RETURN_IF_ERROR(postgres::UseDatabaseSearchPath(connection));
  return DatabaseTier(std::move(connection), limits);
}

// The function that holds the plan. Its rows: reader, number of a row that may be seen, and in
// place of a number the error that a reader met.
Result<std::string> DatabaseTier::FunctionFor(const Access& access) {
  const DatabasePredicate& predicate = *access.program().database();
  const std::string held = predicate.role + "\n" + predicate.sql;
  if (const auto found = functions_.find(held); found != functions_.end()) return found->second;
  if (functions_.size() >= kFunctionsMax) {
    TW_RETURN_IF_ERROR(connection_.Execute("discard temp"));
    functions_.clear();
  }
  const std::string name = "pg_temp.tidewire_judge_" + std::to_string(functions_.size());
  const std::string body =
      "\n#variable_conflict use_column\n"
      "begin\n"
      "for \"tidewire at\" in 1 .. coalesce(pg_catalog.array_length($1, 1), 0) loop\n"
      "  perform pg_catalog.set_config('request.jwt.claims', $1[\"tidewire at\"], true);\n"
      "  \"tidewire reader\" := \"tidewire at\";\n"
      "  \"tidewire error\" := null;\n"
      "  begin\n"
      "    for \"tidewire row\" in select \"tidewire number\" from"
      " pg_catalog.json_array_elements($2[\"tidewire at\"]::json) with ordinality"
      " \"tidewire images\"(\"tidewire image\", \"tidewire number\"), " +
      predicate.sql +
      " loop\n"
      "      return next;\n"
      "    end loop;\n"
      "  exception when others then\n"
      "    \"tidewire row\" := null;\n"
      "    \"tidewire error\" := sqlerrm || ' (SQLSTATE ' || sqlstate || ')';\n"
      "    return next;\n"
      "  end;\n"
      "end loop;\n"
      "end\n";
  TW_RETURN_IF_ERROR(connection_.Execute(
      "create or replace function " + name +
      "(text[], text[], out \"tidewire reader\" int, out \"tidewire row\" bigint, out"
      " \"tidewire error\" text) returns setof record language plpgsql as " +
      postgres::QuoteLiteral(body) + "; grant execute on function " + name + " to " +
      QuoteIdentifier(predicate.role)));
  return functions_.emplace(held, name).first->second;
}

Result<std::vector<DatabaseAnswer>> DatabaseTier::Ask(std::span<const DatabaseQuestion> questions) {
  std::vector<DatabaseAnswer> answers(questions.size());
  std::map<std::string, Group> groups;
  std::map<std::string, Group> slow;
  for (size_t i = 0; i < questions.size(); ++i) {
    answers[i].rows.assign(questions[i].rows.size(), RowVerdict::kHidden);
    auto function = FunctionFor(*questions[i].reader);
    if (!function.ok()) {
      if (connection_.broken()) return std::unexpected(function.error());
      // Such as a type that is no longer there.
      answers[i].rows.assign(questions[i].rows.size(), RowVerdict::kRaised);
      answers[i].error = function.error();
      continue;
    }
    // Whoever took too long before keeps nobody waiting again.
    Group& group = (slow_.contains(questions[i].reader->key()) ? slow : groups)[*function];
    group.predicate = questions[i].reader->program().database();
    group.function = *function;
    group.questions.push_back(&questions[i]);
    group.answers.push_back(&answers[i]);
  }
  for (const auto& [name, group] : groups) TW_RETURN_IF_ERROR(AskGroup(group));
  for (const auto& [name, group] : slow) TW_RETURN_IF_ERROR(AskEach(group));
  return answers;
}

// Errors are those of the connection, and kResourceExhausted when it took too long.
Status DatabaseTier::Run(const Call& call, std::chrono::milliseconds time_max) {
  const std::string claims = call.claims.Take();
  const std::string images = call.images.Take();
  if (call.readers.empty()) return {};
  TW_ASSIGN_OR_RETURN(auto transaction,
                      postgres::Transaction::Begin(
                          connection_, "begin read only; set local statement_timeout = " +
                                           std::to_string(time_max.count()) + "; set local role " +
                                           QuoteIdentifier(call.group.predicate->role)));
  TW_ASSIGN_OR_RETURN(const auto rows,
                      connection_.Query("select * from " + call.group.function + "($1, $2)",
                                        {Parameter(claims), Parameter(images)}));
  std::vector<bool> raised(call.readers.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<size_t>(rows.Int(i, 0)) - 1;
    TW_CHECK(at < call.readers.size());
    if (rows.IsNull(i, 1)) {
      raised[at] = true;
      call.group.answers[call.readers[at]]->error =
          Error{ErrorCode::kInvalidArgument, std::string(rows.Text(i, 2))};
    } else {
      const size_t number = static_cast<size_t>(rows.Int(i, 1)) - 1;
      TW_CHECK(number < call.rows[at].size());
      call.group.answers[call.readers[at]]->rows[call.rows[at][number]] = RowVerdict::kShown;
    }
  }
  for (size_t at = 0; at < raised.size(); ++at) {
    if (!raised[at]) continue;
    for (const size_t row : call.rows[at]) {
      call.group.answers[call.readers[at]]->rows[row] = RowVerdict::kRaised;
    }
  }
  return {};
}

Status DatabaseTier::AskGroup(const Group& group) {
  Call all(group);
  for (size_t reader = 0; reader < group.questions.size(); ++reader) all.Add(reader);
  const Status asked = Run(all, limits_.call_time_max);
  if (!asked.ok()) {
    if (connection_.broken()) return asked;
    if (asked.error().code == ErrorCode::kResourceExhausted) return AskEach(group);
    // The role may not be assumed, or is gone.
    for (DatabaseAnswer* const answer : group.answers) {
      answer->rows.assign(answer->rows.size(), RowVerdict::kRaised);
      answer->error = asked.error();
    }
    return {};
  }
  for (size_t reader = 0; reader < group.answers.size(); ++reader) {
    if (group.answers[reader]->error) TW_RETURN_IF_ERROR(AskRows(group, reader));
  }
  return {};
}

Status DatabaseTier::AskRows(const Group& group, size_t reader) {
  DatabaseAnswer& answer = *group.answers[reader];
  if (answer.rows.size() == 1) return {};
  Call single(group);
  answer.rows.assign(answer.rows.size(), RowVerdict::kHidden);
  for (size_t row = 0; row < answer.rows.size(); ++row) single.Add(reader, row, row + 1);
  const Status asked = Run(single, limits_.call_time_max);
  if (asked.ok()) return {};
  if (connection_.broken()) return asked;
  answer.rows.assign(answer.rows.size(), RowVerdict::kRaised);
  answer.error = asked.error();
  return {};
}

Status DatabaseTier::AskEach(const Group& group) {
  uint32_t slow = 0;
  for (size_t reader = 0; reader < group.questions.size(); ++reader) {
    DatabaseAnswer& answer = *group.answers[reader];
    Status asked = Fail(ErrorCode::kResourceExhausted, "policies take too long");
    answer.rows.assign(answer.rows.size(), RowVerdict::kHidden);
    if (slow < limits_.slow_readers_max) {
      Call one(group);
      one.Add(reader);
      asked = Run(one, limits_.reader_time_max);
      const std::string& key = group.questions[reader]->reader->key();
      if (asked.ok()) {
        slow_.erase(key);
      } else {
        ++slow;
        if (slow_.size() >= kSlowReadersKept) slow_.clear();
        slow_.insert(key);
      }
    }
    if (!asked.ok()) {
      if (connection_.broken()) return asked;
      answer.rows.assign(answer.rows.size(), RowVerdict::kRaised);
      answer.error = asked.error();
    } else if (answer.error) {
      TW_RETURN_IF_ERROR(AskRows(group, reader));
    }
  }
  return {};
}

}  // namespace tw::policy
