#include "query/write/table_write.h"

#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "query/table_query.h"

namespace tw::query {
namespace {

std::unexpected<WriteError> Refuse(int status, std::string code, std::string message,
                                   std::string details = {}) {
  return std::unexpected(
      WriteError{status, std::move(code), std::move(message), std::move(details)});
}

bool Prefers(std::string_view prefer, std::string_view word) {
  for (const std::string_view part : Split(prefer, ',')) {
    if (EqualsIgnoreCase(Trim(part), word)) return true;
  }
  return false;
}

std::unexpected<WriteError> NotOfType(const Column& column, std::string_view text) {
  return Refuse(400, "22P02",
                "invalid input syntax for type " + column.type_name + ": \"" +
                    std::string(text.substr(0, 64)) + "\"");
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (hyphen ? c != '-' : !hex) return false;
  }
  return true;
}

bool IsNumber(std::string_view text) {
  const auto number = json::Parse(text);
  return number.ok() && (number->root().kind() == json::Kind::kInt ||
                         number->root().kind() == json::Kind::kNumber);
}

// A text, also of a number or boolean, as a value of the column's type.
WriteOr<Value> FromText(const Column& column, std::string_view text) {
  switch (column.type) {
    case ColumnType::kBool:
      if (text == "true" || text == "t" || text == "1") return Value(true);
      if (text == "false" || text == "f" || text == "0") return Value(false);
      return NotOfType(column, text);
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8: {
      const auto value = ParseInt64(Trim(text));
      if (!value) return NotOfType(column, text);
      return Value(*value);
    }
    case ColumnType::kFloat8: {
      const auto number = json::Parse(text);
      if (!IsNumber(text)) return NotOfType(column, text);
      return Value(number->root().GetDouble());
    }
    case ColumnType::kNumeric:
      if (!IsNumber(text)) return NotOfType(column, text);
      return Value(text);
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp: {
      const auto time = ParseTimestamp(text.size() == 10 ? std::string(text) + "T00:00:00Z"
                                                         : std::string(text));
      if (!time.ok()) return NotOfType(column, text);
      return Value(text);
    }
    case ColumnType::kDate:
      if (text.size() != 10 || !ParseTimestamp(std::string(text) + "T00:00:00Z").ok()) {
        return NotOfType(column, text);
      }
      return Value(text);
    case ColumnType::kUuid:
      if (!IsUuid(text)) return NotOfType(column, text);
      return Value(ToLower(text));
    case ColumnType::kBytea: {
      const auto bytes = crypto::DecodeHex(text.starts_with("\\x") ? text.substr(2) : text);
      if (!bytes.ok()) return NotOfType(column, text);
      return Value(Bytes{*bytes});
    }
    case ColumnType::kJson: {
      std::string quoted;
      json::AppendString(quoted, text);
      return Value(std::move(quoted));
    }
    case ColumnType::kText:
    case ColumnType::kOther:
    case ColumnType::kEncoded: return Value(text);
  }
  return Value(text);
}

WriteOr<Value> FromJson(const Column& column, const json::Value& given) {
  if (given.is_null()) return Value();
  if (column.type == ColumnType::kJson) return Value(given.ToText());
  switch (given.kind()) {
    case json::Kind::kString: return FromText(column, given.GetString());
    case json::Kind::kInt:
    case json::Kind::kNumber: return FromText(column, given.NumberText());
    case json::Kind::kBool: return FromText(column, given.GetBool() ? "true" : "false");
    case json::Kind::kArray:
    case json::Kind::kObject:
      if (column.type == ColumnType::kText) return Value(given.ToText());
      return NotOfType(column, given.ToText());
    case json::Kind::kNull: return Value();
  }
  return Value();
}

class Reader {
 public:
  Reader(const WriteRequest& request, const Relation& relation, TableWrite& write)
      : request_(request), relation_(relation), write_(write) {}

  WriteOr<void> Body() {
    const auto document = json::Parse(request_.body);
    if (!document.ok()) {
      return Refuse(400, "PGRST102", "Empty or invalid json", document.error().message);
    }
    const json::Value root = document->root();
    const bool many = root.is_array() && write_.kind == TableWrite::Kind::kInsert;
    const std::span<const json::Value> objects =
        many ? root.items() : std::span<const json::Value>(&root, 1);
    if (objects.size() > kWriteRowsMax) {
      return Refuse(413, "54000", "more than " + std::to_string(kWriteRowsMax) + " rows");
    }
    if (auto done = Columns(objects); !done) return done;
    for (const json::Value& object : objects) {
      std::vector<Value> row;
      std::vector<bool> given;
      for (const size_t column : write_.columns) {
        const Column& target = relation_.columns[column];
        const json::Value* const value = object.Find(target.name);
        // PostgREST: a key that only other rows have is NULL here, unless missing=default.
        const bool defaults =
            value == nullptr && (Prefers(request_.prefer, "missing=default") || !many);
        given.push_back(!defaults);
        auto read = FromJson(target, value == nullptr ? json::Value() : *value);
        if (!read) return std::unexpected(read.error());
        row.push_back(*std::move(read));
      }
      write_.rows.push_back(std::move(row));
      write_.given.push_back(std::move(given));
    }
    return {};
  }

  WriteOr<size_t> Find(std::string_view name) const {
    const auto column = relation_.Find(name);
    if (!column) {
      return Refuse(400, "PGRST204",
                    "Could not find the '" + std::string(name.substr(0, 64)) + "' column of '" +
                        relation_.table + "' in the schema cache");
    }
    return *column;
  }

  // `names`: "a,\"b\"" as supabase-js writes it.
  WriteOr<std::vector<size_t>> List(std::string_view names) const {
    std::vector<size_t> columns;
    for (std::string_view name : Split(names, ',')) {
      name = Trim(name);
      if (name.size() >= 2 && name.starts_with('"') && name.ends_with('"')) {
        name = name.substr(1, name.size() - 2);
      }
      auto column = Find(name);
      if (!column) return std::unexpected(column.error());
      columns.push_back(*column);
    }
    return columns;
  }

  std::optional<std::vector<size_t>> only_columns;

 private:
  WriteOr<void> Columns(std::span<const json::Value> objects) {
    for (const json::Value& object : objects) {
      if (!object.is_object()) {
        return Refuse(400, "PGRST102", "a row must be a JSON object");
      }
      for (const json::Member& member : object.members()) {
        auto column = Find(member.key);
        if (only_columns && (!column || std::ranges::find(*only_columns, *column) ==
                                            only_columns->end())) {
          continue;  // ?columns= says which keys count.
        }
        if (!column) return std::unexpected(column.error());
        if (std::ranges::find(write_.columns, *column) == write_.columns.end()) {
          write_.columns.push_back(*column);
        }
      }
    }
    return {};
  }

  const WriteRequest& request_;
  const Relation& relation_;
  TableWrite& write_;
};

// An id that names its client: "<16 to 64 characters>:<number>", or any key of that alphabet.
bool IsMutationId(std::string_view id) {
  return id.size() <= 128 && std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == ':' || c == '.';
         });
}

WriteOr<void> Rights(const Claims& claims, const TableWritePolicies& policies, TableWrite& write) {
  write.select = policies.select->AccessFor(claims);
  write.insert_check = policies.insert_check->AccessFor(claims);
  write.update_using = policies.update_using->AccessFor(claims);
  write.update_check = policies.update_check->AccessFor(claims);
  write.delete_using = policies.delete_using->AccessFor(claims);
  for (const auto& access : {write.select, write.insert_check, write.update_using,
                             write.update_check, write.delete_using}) {
    if (access->error()) return Refuse(403, "42501", access->error()->message);
  }
  const bool never = write.kind == TableWrite::Kind::kInsert   ? write.insert_check->allows_nothing()
                     : write.kind == TableWrite::Kind::kUpdate ? write.update_using->allows_nothing()
                                                               : false;
  if (never && write.kind == TableWrite::Kind::kInsert) {
    return Refuse(403, "42501",
                  "new row violates row-level security policy for table \"" +
                      write.relation->table + "\"");
  }
  return {};
}

}  // namespace

WriteOr<TableWrite> ParseTableWrite(const WriteRequest& request, const ClaimsPtr& claims,
                                    const policy::Catalog& catalog,
                                    const WritePolicies& policies) {
  // Everything that reading shares: the table, ?select=, filters.
  std::vector<std::pair<std::string, std::string>> reading;
  std::string_view on_conflict, columns;
  bool selects = false;
  // What would write more, or more lastingly, than was asked for is refused rather than ignored.
  for (const std::string_view word : {"tx=rollback", "max-affected"}) {
    if (request.prefer.find(word) != request.prefer.npos) {
      return Refuse(400, "PGRST122", "Prefer: " + std::string(word) + " is not supported");
    }
  }
  for (const auto& [name, value] : request.parameters) {
    if (name == "on_conflict") {
      on_conflict = value;
    } else if (name == "columns") {
      columns = value;
    } else if (name == "limit" || name == "offset") {
      return Refuse(400, "PGRST100", "'" + name + "' does not apply to writes");
    } else if (name != "order") {
      selects = selects || name == "select";
      if (request.kind != TableWrite::Kind::kInsert || name == "select" || name == "apikey") {
        reading.emplace_back(name, value);
      }
    }
  }
  auto query = ParseTableQuery(request.table, reading, *claims, catalog);
  if (!query.ok()) {
    const bool missing = query.error().code == ErrorCode::kNotFound;
    const bool denied = query.error().code == ErrorCode::kPermissionDenied;
    return Refuse(missing ? 404 : denied ? 403 : 400,
                  missing ? "PGRST205" : denied ? "42501" : "PGRST100", query.error().message);
  }
  TableWrite write{.kind = request.kind, .relation = query->relation};
  const TableWritePolicies* const rights = policies.Find(query->relation->table);
  if (rights == nullptr) return Refuse(404, "PGRST205", "Could not find the table");
  if (auto done = Rights(*claims, *rights, write); !done) return std::unexpected(done.error());
  write.inner = policies.inner();
  write.filter = query->filter;
  if (request.kind != TableWrite::Kind::kInsert && write.filter.empty()) {
    // As supabase's own safeguard: a write of every row is almost always a mistake.
    return Refuse(400, "21000",
                  request.kind == TableWrite::Kind::kUpdate ? "UPDATE requires a WHERE clause"
                                                            : "DELETE requires a WHERE clause");
  }
  write.returned = query->columns;
  write.representation = Prefers(request.prefer, "return=representation") ||
                         (selects && !Prefers(request.prefer, "return=minimal"));
  write.count = request.prefer.find("count=") != request.prefer.npos;
  write.single = request.accept.starts_with("application/vnd.pgrst.object+json");
  if (Prefers(request.prefer, "resolution=merge-duplicates")) {
    write.on_conflict = TableWrite::OnConflict::kMerge;
  } else if (Prefers(request.prefer, "resolution=ignore-duplicates")) {
    write.on_conflict = TableWrite::OnConflict::kIgnore;
  }
  Reader reader(request, *write.relation, write);
  if (!columns.empty()) {
    auto list = reader.List(columns);
    if (!list) return std::unexpected(list.error());
    reader.only_columns = *std::move(list);
  }
  for (const uint16_t column : write.relation->key) write.conflict_columns.push_back(column);
  if (!on_conflict.empty()) {
    auto list = reader.List(on_conflict);
    if (!list) return std::unexpected(list.error());
    write.conflict_columns = *std::move(list);
  }
  if (request.kind != TableWrite::Kind::kDelete) {
    if (auto done = reader.Body(); !done) return std::unexpected(done.error());
  }
  if (!IsMutationId(request.mutation)) {
    return Refuse(400, "PGRST100", "Tidewire-Mutation is no mutation id");
  }
  write.mutation = request.mutation;
  write.caller =
      crypto::EncodeHex(crypto::Sha256(claims->role + '\0' + claims->sub).view().substr(0, 12));
  return write;
}

}  // namespace tw::query
