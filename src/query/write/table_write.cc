#include "query/write/table_write.h"

#include <algorithm>

#include "base/strings.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "query/write/column_value.h"

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
      std::vector<bool> given;
      for (const size_t column : write_.columns) {
        const bool missing = object.Find(relation_.columns[column].name) == nullptr;
        // PostgREST: a key that only other rows have is NULL here, unless missing=default.
        given.push_back(!missing || (many && !Prefers(request_.prefer, "missing=default")));
      }
      write_.given.push_back(std::move(given));
      if (write_.as_role) {
        write_.objects.push_back(object.ToText());
      } else if (auto done = Row(object); !done) {
        return done;
      }
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
  WriteOr<void> Row(const json::Value& object) {
    std::vector<Value> row;
    for (const size_t column : write_.columns) {
      const Column& target = relation_.columns[column];
      auto value = ReadColumnValue(target, object[target.name]);
      if (!value) return std::unexpected(value.error());
      row.push_back(*std::move(value));
    }
    write_.rows.push_back(std::move(row));
    return {};
  }

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
                                    const WritePolicies* policies) {
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
  write.as_role = std::move(query->as_role);
  if (!write.as_role) {
    const TableWritePolicies* const rights = policies->Find(query->relation->table);
    if (rights == nullptr) return Refuse(404, "PGRST205", "Could not find the table");
    if (auto done = Rights(*claims, *rights, write); !done) return std::unexpected(done.error());
    write.inner = policies->inner();
  }
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
