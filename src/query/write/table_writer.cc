#include "query/write/table_writer.h"

#include <sqlite3.h>

#include <algorithm>

#include "base/strings.h"
#include "query/stored_tables.h"
#include "store/store.h"

namespace tw::query {
namespace {

using sqlite::QuoteIdentifier;

std::unexpected<WriteError> Refuse(int status, std::string code, std::string message,
                                   std::string details = {}) {
  return std::unexpected(
      WriteError{status, std::move(code), std::move(message), std::move(details)});
}

// SQLite's constraint failures under PostgreSQL's numbers.
WriteError FromSqlite(sqlite3* handle, const Error& error, const Relation& relation) {
  const std::string& message = error.message;
  const std::string text = message.substr(0, message.find(" in: "));
  switch (sqlite3_extended_errcode(handle)) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_UNIQUE:
      return {409, "23505",
              "duplicate key value violates unique constraint of \"" + relation.table + "\"", text};
    case SQLITE_CONSTRAINT_NOTNULL:
      return {400, "23502", "null value violates not-null constraint", text};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {409, "23503", "violates foreign key constraint", text};
    case SQLITE_CONSTRAINT_CHECK: return {400, "23514", "violates check constraint", text};
    case SQLITE_CONSTRAINT_TRIGGER: return {400, "P0001", text, ""};
    default: break;
  }
  if (error.code == ErrorCode::kUnavailable) return {503, "57P03", text, ""};
  if (error.code == ErrorCode::kResourceExhausted) return {503, "53100", text, ""};
  if (error.code == ErrorCode::kInvalidArgument) return {400, "22000", text, ""};
  return {500, "XX000", text, ""};
}

class Writer {
 public:
  // `committed`: another connection, which reads what this transaction changes as it was before.
  Writer(sqlite::Database& database, sqlite::Database* committed, uint64_t epoch,
         const TableWrite& write)
      : database_(database), epoch_(epoch), write_(write), relation_(*write.relation) {
    if (committed != nullptr) tables_.emplace(*committed, write.inner);
  }

  WriteOr<WriteResult> Run() {
    auto transaction = sqlite::Transaction::Begin(database_);
    if (!transaction.ok()) return std::unexpected(Sqlite(transaction.error()));
    WriteResult result;
    if (!write_.mutation.empty()) {
      auto replayed = FindMutation(result);
      if (!replayed) return std::unexpected(replayed.error());
      if (*replayed) return result;
    }
    WriteOr<void> done;
    switch (write_.kind) {
      case TableWrite::Kind::kInsert: done = Insert(); break;
      case TableWrite::Kind::kUpdate: done = Update(); break;
      case TableWrite::Kind::kDelete: done = Delete(); break;
    }
    if (!done) return std::unexpected(done.error());
    if (tables_ && !tables_->status().ok()) {
      return std::unexpected(Sqlite(tables_->status().error()));
    }
    if (write_.single && write_.representation && touched_.size() != 1) {
      return Refuse(406, "PGRST116", "Cannot coerce the result to a single JSON object",
                    "The result contains " + std::to_string(touched_.size()) + " rows");
    }
    Answer(result);
    if (auto kept = KeepMutation(result); !kept) return std::unexpected(kept.error());
    const auto last = database_.QueryInt("select coalesce(max(offset), 0) from tidewire_log");
    if (!last.ok()) return std::unexpected(Sqlite(last.error()));
    result.position = {epoch_, static_cast<uint64_t>(*last)};
    if (const Status committed = transaction->Commit(); !committed.ok()) {
      return std::unexpected(Sqlite(committed.error()));
    }
    return result;
  }

 private:
  WriteError Sqlite(const Error& error) { return FromSqlite(database_.handle(), error, relation_); }

  bool Allows(const policy::Access& access, const Row& row) {
    if (!tables_) return access.Allows(row);
    tables_->BeginRow();
    return access.Allows(row, &*tables_);
  }

  std::unexpected<WriteError> Violates() const {
    return Refuse(403, "42501", "new row violates row-level security policy for table \"" +
                                    relation_.table + "\"");
  }

  std::string AllColumns() const {
    std::string list;
    for (const Column& column : relation_.columns) {
      list += (list.empty() ? "" : ", ") + QuoteIdentifier(column.name);
    }
    return list;
  }

  Row ReadRow(const sqlite::Statement& statement) const {
    Row row(relation_.columns.size());
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = store::ColumnValue(statement, static_cast<int>(i), relation_.columns[i].type);
    }
    return row;
  }

  // "a is ? and b is ?" over the columns.
  std::string Where(std::span<const size_t> columns) const {
    std::string text;
    for (const size_t column : columns) {
      text += (text.empty() ? "" : " and ") + QuoteIdentifier(relation_.columns[column].name) +
              " is ?";
    }
    return text;
  }

  std::vector<size_t> Key() const { return {relation_.key.begin(), relation_.key.end()}; }

  // Runs a statement that gives whole rows; at most one more than allowed.
  WriteOr<std::vector<Row>> Rows(const std::string& sql, std::span<const Value> values) {
    auto statement = database_.Prepare(sql);
    if (!statement.ok()) return std::unexpected(Sqlite(statement.error()));
    for (size_t i = 0; i < values.size(); ++i) {
      store::BindValue(*statement, static_cast<int>(i + 1), values[i]);
    }
    std::vector<Row> rows;
    for (;;) {
      const auto found = statement->Step();
      if (!found.ok()) return std::unexpected(Sqlite(found.error()));
      if (!*found) return rows;
      rows.push_back(ReadRow(*statement));
    }
  }

  WriteOr<void> Insert() {
    for (size_t i = 0; i < write_.rows.size(); ++i) {
      if (write_.on_conflict != TableWrite::OnConflict::kError) {
        auto existing = Conflicting(i);
        if (!existing) return std::unexpected(existing.error());
        if (*existing) {
          if (write_.on_conflict == TableWrite::OnConflict::kIgnore) continue;
          if (!Allows(*write_.select, **existing) || !Allows(*write_.update_using, **existing)) {
            return Violates();
          }
          if (auto done = Change(**existing, i); !done) return done;
          continue;
        }
      }
      if (auto done = InsertOne(i); !done) return done;
    }
    return {};
  }

  WriteOr<void> InsertOne(size_t index) {
    std::string names, marks;
    std::vector<Value> values;
    for (size_t i = 0; i < write_.columns.size(); ++i) {
      if (!write_.given[index][i]) continue;
      names += (names.empty() ? "" : ", ") +
               QuoteIdentifier(relation_.columns[write_.columns[i]].name);
      marks += marks.empty() ? "?" : ", ?";
      values.push_back(write_.rows[index][i]);
    }
    const std::string what = names.empty() ? " default values" : "(" + names + ") values(" + marks + ")";
    auto rows = Rows("insert into " + QuoteIdentifier(relation_.table) + what + " returning " +
                         AllColumns(),
                     values);
    if (!rows) return std::unexpected(rows.error());
    for (Row& row : *rows) {
      if (!Allows(*write_.insert_check, row)) return Violates();
      if (write_.representation && !Allows(*write_.select, row)) return Violates();
      touched_.push_back(std::move(row));
    }
    return {};
  }

  // The row that an insert would collide with on the conflict columns.
  WriteOr<std::optional<Row>> Conflicting(size_t index) {
    std::vector<Value> values;
    for (const size_t column : write_.conflict_columns) {
      const auto at = std::ranges::find(write_.columns, column);
      if (at == write_.columns.end()) return std::optional<Row>();
      const auto place = static_cast<size_t>(at - write_.columns.begin());
      if (write_.rows[index][place].is_null()) return std::optional<Row>();
      values.push_back(write_.rows[index][place]);
    }
    auto rows = Rows("select " + AllColumns() + " from " + QuoteIdentifier(relation_.table) +
                         " where " + Equals(write_.conflict_columns),
                     values);
    if (!rows) return std::unexpected(rows.error());
    if (rows->empty()) return std::optional<Row>();
    return std::optional<Row>(std::move(rows->front()));
  }

  // As Where with "=", so that values convert as they would be stored.
  std::string Equals(std::span<const size_t> columns) const {
    std::string text;
    for (const size_t column : columns) {
      text += (text.empty() ? "" : " and ") + QuoteIdentifier(relation_.columns[column].name) +
              " = ?";
    }
    return text;
  }

  // Sets the values of row `index` on the row whose image is `old`.
  WriteOr<void> Change(const Row& old, size_t index) {
    std::string sets;
    std::vector<Value> values;
    for (size_t i = 0; i < write_.columns.size(); ++i) {
      if (!write_.given[index][i]) continue;
      sets += (sets.empty() ? "" : ", ") +
              QuoteIdentifier(relation_.columns[write_.columns[i]].name) + " = ?";
      values.push_back(write_.rows[index][i]);
    }
    if (sets.empty()) {
      touched_.push_back(old);
      return {};
    }
    const auto key = Key();
    for (const size_t column : key) values.push_back(old[column]);
    auto rows = Rows("update " + QuoteIdentifier(relation_.table) + " set " + sets + " where " +
                         Where(key) + " returning " + AllColumns(),
                     values);
    if (!rows) return std::unexpected(rows.error());
    for (Row& row : *rows) {
      // A row that its writer may not see any more would be a way to hide it.
      if (!Allows(*write_.update_check, row) || !Allows(*write_.select, row)) return Violates();
      touched_.push_back(std::move(row));
    }
    return {};
  }

  // The rows that the filter means and that may be touched.
  WriteOr<std::vector<Row>> Candidates(const policy::Access& right) {
    std::vector<Row> chosen;
    if (write_.select->allows_nothing() || right.allows_nothing()) return chosen;
    std::string where;
    std::vector<Value> values;
    for (const policy::Anchor& anchor : write_.filter.equalities()) {
      where += (where.empty() ? " where " : " or ") +
               QuoteIdentifier(relation_.columns[anchor.column].name) + " is ?";
      values.push_back(anchor.value);
    }
    auto statement = database_.Prepare("select " + AllColumns() + " from " +
                                       QuoteIdentifier(relation_.table) + where);
    if (!statement.ok()) return std::unexpected(Sqlite(statement.error()));
    for (size_t i = 0; i < values.size(); ++i) {
      store::BindValue(*statement, static_cast<int>(i + 1), values[i]);
    }
    for (;;) {
      const auto found = statement->Step();
      if (!found.ok()) return std::unexpected(Sqlite(found.error()));
      if (!*found) return chosen;
      Row row = ReadRow(*statement);
      if (!write_.filter.Matches(row) || !Allows(*write_.select, row) || !Allows(right, row)) {
        continue;
      }
      if (chosen.size() == kWriteRowsMax) {
        return Refuse(413, "54000", "more than " + std::to_string(kWriteRowsMax) + " rows match");
      }
      chosen.push_back(std::move(row));
    }
  }

  WriteOr<void> Update() {
    auto rows = Candidates(*write_.update_using);
    if (!rows) return std::unexpected(rows.error());
    for (const Row& row : *rows) {
      if (auto done = Change(row, 0); !done) return done;
    }
    return {};
  }

  WriteOr<void> Delete() {
    auto rows = Candidates(*write_.delete_using);
    if (!rows) return std::unexpected(rows.error());
    const auto key = Key();
    for (Row& row : *rows) {
      std::vector<Value> values;
      for (const size_t column : key) values.push_back(row[column]);
      auto gone = Rows("delete from " + QuoteIdentifier(relation_.table) + " where " + Where(key) +
                           " returning " + AllColumns(),
                       values);
      if (!gone) return std::unexpected(gone.error());
      touched_.push_back(std::move(row));
    }
    return {};
  }

  void Answer(WriteResult& result) const {
    const bool insert = write_.kind == TableWrite::Kind::kInsert;
    result.rows = touched_.size();
    result.status = insert ? 201 : write_.representation ? 200 : 204;
    if (!write_.representation) return;
    std::string& out = result.json;
    if (!write_.single) out = "[";
    for (size_t i = 0; i < touched_.size(); ++i) {
      if (i > 0) out.push_back(',');
      char separator = '{';
      for (const size_t column : write_.returned) {
        out.push_back(separator);
        json::AppendString(out, relation_.columns[column].name);
        out.push_back(':');
        AppendJson(out, touched_[i][column], relation_.columns[column].type);
        separator = ',';
      }
      out.push_back('}');
    }
    if (!write_.single) out.push_back(']');
  }

  // True: the id was executed before, and `result` is what was answered then.
  WriteOr<bool> FindMutation(WriteResult& result) {
    auto select = database_.Prepare("select caller, status, response, position"
                                    " from tidewire_mutation where id = ?");
    if (!select.ok()) return std::unexpected(Sqlite(select.error()));
    select->BindText(1, write_.mutation);
    const auto found = select->Step();
    if (!found.ok()) return std::unexpected(Sqlite(found.error()));
    if (!*found) return false;
    if (select->ColumnText(0) != write_.caller) {
      return Refuse(409, "PGRST116", "this mutation id belongs to somebody else");
    }
    result.status = static_cast<int>(select->ColumnInt(1));
    result.json = select->ColumnText(2);
    if (const auto position = ParsePosition(select->ColumnText(3)); position.ok()) {
      result.position = *position;
    }
    result.replayed = true;
    return true;
  }

  WriteOr<void> KeepMutation(const WriteResult& result) {
    if (write_.mutation.empty()) return {};
    auto insert = database_.Prepare(
        "insert into tidewire_mutation(id, caller, status, response, position) values(?, ?, ?, ?,"
        " (select printf('%016x:%d', ?, coalesce(max(offset), 0) + 1) from tidewire_log))");
    if (!insert.ok()) return std::unexpected(Sqlite(insert.error()));
    insert->BindText(1, write_.mutation);
    insert->BindText(2, write_.caller);
    insert->BindInt(3, result.status);
    const bool kept = result.json.size() <= kResponseKeptMax;
    insert->BindText(4, kept ? std::string_view(result.json) : std::string_view());
    insert->BindInt(5, static_cast<int64_t>(epoch_));
    const Status done = insert->Run();
    if (!done.ok()) return std::unexpected(Sqlite(done.error()));
    return {};
  }

  sqlite::Database& database_;
  const uint64_t epoch_;
  const TableWrite& write_;
  const Relation& relation_;
  std::optional<StoredTables> tables_;
  std::vector<Row> touched_;
};

bool ReadsTables(const TableWrite& write) {
  return std::ranges::any_of(
      std::initializer_list<const policy::Access*>{
          write.select.get(), write.insert_check.get(), write.update_using.get(),
          write.update_check.get(), write.delete_using.get()},
      [](const policy::Access* access) { return access->reads_tables(); });
}

}  // namespace

TableWriter::TableWriter(sqlite::Database& database, std::string path,
                         sqlite::OpenOptions options, uint64_t epoch)
    : database_(database), path_(std::move(path)), options_(std::move(options)), epoch_(epoch) {}

WriteOr<WriteResult> TableWriter::Execute(const TableWrite& write) {
  if (!ReadsTables(write)) return Writer(database_, nullptr, epoch_, write).Run();
  if (!committed_) {
    sqlite::OpenOptions reading = options_;
    reading.mode = sqlite::OpenMode::kReadOnly;
    auto opened = sqlite::Database::Open(path_, reading);
    if (!opened.ok()) {
      return std::unexpected(WriteError{503, "57P03", opened.error().message, ""});
    }
    committed_.emplace(std::move(*opened));
  }
  return Writer(database_, &*committed_, epoch_, write).Run();
}

}  // namespace tw::query
