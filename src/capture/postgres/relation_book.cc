#include "capture/postgres/relation_book.h"

#include <algorithm>

#include "json/json.h"

namespace tw::capture {
namespace {

constexpr std::string_view kFile = "shapes.json";
constexpr size_t kFileBytesMax = 64u << 20;
// Values beyond this sum are left out of a row: no client could take them, and no record of the log
// hold them.
constexpr size_t kRowBytesMax = 5u << 20;

std::string ToJson(const std::vector<RelationPtr>& shapes) {
  json::Writer w;
  w.Array();
  for (const RelationPtr& shape : shapes) {
    w.Object().Key("schema").String(shape->schema).Key("table").String(shape->table);
    w.Key("columns").Array();
    for (const Column& column : shape->columns) {
      w.Array().String(column.name).String(column.type_name).Int(static_cast<int>(column.type)).End();
    }
    w.End().Key("key").Array();
    for (const uint16_t column : shape->key) w.Int(column);
    w.End().End();
  }
  w.End();
  return w.Take();
}

bool SameShape(const Relation& a, const Relation& b) {
  return a.schema == b.schema && a.table == b.table && a.columns == b.columns && a.key == b.key;
}

}  // namespace

Result<std::unique_ptr<ShapeRegistry>> ShapeRegistry::Open(io::FileSystem& files,
                                                           std::string directory) {
  TW_RETURN_IF_ERROR(files.CreateDirectory(directory));
  std::unique_ptr<ShapeRegistry> registry(new ShapeRegistry(files, std::move(directory)));
  TW_RETURN_IF_ERROR(registry->Load());
  return registry;
}

Status ShapeRegistry::Load() {
  const std::string path = directory_ + "/" + std::string(kFile);
  auto file = files_.Open(path, io::FileSystem::OpenMode::kRead);
  if (!file.ok() && file.error().code == ErrorCode::kNotFound) return {};
  if (!file.ok()) return std::unexpected(file.error());
  TW_ASSIGN_OR_RETURN(const std::string text, (*file)->ReadAt(0, kFileBytesMax));
  const auto document = json::Parse(text);
  if (!document.ok()) return Fail(ErrorCode::kDataLoss, path + " is damaged");
  for (const json::Value& item : document->root().items()) {
    Relation shape;
    shape.id = static_cast<uint32_t>(shapes_.size() + 1);
    shape.schema = item["schema"].GetString();
    shape.table = item["table"].GetString();
    for (const json::Value& column : item["columns"].items()) {
      const auto parts = column.items();
      if (parts.size() != 3) return Fail(ErrorCode::kDataLoss, path + " is damaged");
      shape.columns.push_back({std::string(parts[0].GetString()),
                               static_cast<ColumnType>(parts[2].GetInt()),
                               std::string(parts[1].GetString())});
    }
    for (const json::Value& column : item["key"].items()) {
      shape.key.push_back(static_cast<uint16_t>(column.GetInt()));
    }
    shapes_.push_back(std::make_shared<const Relation>(std::move(shape)));
  }
  return {};
}

Status ShapeRegistry::Save() const {
  const std::string path = directory_ + "/" + std::string(kFile);
  const std::string fresh = path + ".new";
  (void)files_.Remove(fresh);
  TW_ASSIGN_OR_RETURN(const auto file, files_.Open(fresh, io::FileSystem::OpenMode::kCreate));
  TW_RETURN_IF_ERROR(file->WriteAt(0, ToJson(shapes_)));
  TW_RETURN_IF_ERROR(file->Sync());
  TW_RETURN_IF_ERROR(files_.Rename(fresh, path));
  return files_.SyncDirectory(directory_);
}

Result<RelationPtr> ShapeRegistry::Register(Relation relation) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const RelationPtr& shape) { return SameShape(*shape, relation); };
  // The newest equal one: a table that changes to and fro does not grow the list.
  const auto found = std::ranges::find_if(shapes_.rbegin(), shapes_.rend(), same);
  if (found != shapes_.rend()) return *found;
  relation.id = static_cast<uint32_t>(shapes_.size() + 1);
  shapes_.push_back(std::make_shared<const Relation>(std::move(relation)));
  if (const Status saved = Save(); !saved.ok()) {
    shapes_.pop_back();
    return std::unexpected(saved.error());
  }
  return shapes_.back();
}

RelationPtr ShapeRegistry::Find(uint32_t id) const {
  const std::lock_guard lock(mutex_);
  return id == 0 || id > shapes_.size() ? nullptr : shapes_[id - 1];
}

Status RelationBook::Add(const postgres::RelationMessage& message, const KeyLookup& key) {
  StreamedTable table;
  Relation relation;
  relation.schema = message.schema;
  relation.table = message.table;
  for (const auto& column : message.columns) {
    relation.columns.push_back({std::string(column.name), types_.TypeOf(column.type_oid),
                                std::string(types_.Name(column.type_oid))});
    table.types.push_back(column.type_oid);
    table.identity_columns.push_back(column.identity);
  }
  TW_ASSIGN_OR_RETURN(const auto key_names, key(message.oid));
  for (const std::string& name : key_names) {
    const auto column = relation.Find(name);
    if (!column) {
      // The catalogue is ahead of the stream, or a column list hides the key: no key for now.
      relation.key.clear();
      break;
    }
    relation.key.push_back(static_cast<uint16_t>(*column));
  }
  table.identity = message.identity;
  TW_ASSIGN_OR_RETURN(table.relation, registry_.Register(std::move(relation)));
  tables_[message.oid] = std::move(table);
  return {};
}

const StreamedTable* RelationBook::Find(uint32_t oid) const {
  const auto found = tables_.find(oid);
  return found == tables_.end() ? nullptr : &found->second;
}

std::vector<RelationPtr> RelationBook::relations() const {
  std::vector<RelationPtr> relations;
  for (const auto& [oid, table] : tables_) relations.push_back(table.relation);
  return relations;
}

Row RelationBook::MakeRow(const StreamedTable& table, const postgres::Tuple& tuple,
                          const Row* older) const {
  using Kind = postgres::TupleValue::Kind;
  Row row(table.types.size(), Value(Absent{}));
  size_t bytes = 0;
  for (size_t i = 0; i < row.size() && i < tuple.size(); ++i) {
    switch (tuple[i].kind) {
      case Kind::kNull: row[i] = Value(); break;
      case Kind::kUnchanged:
        if (older != nullptr) row[i] = (*older)[i];
        break;
      case Kind::kText:
        if (bytes + tuple[i].text.size() <= kRowBytesMax) {
          bytes += tuple[i].text.size();
          row[i] = types_.Decode(table.types[i], tuple[i].text);
        }
        break;
    }
  }
  return row;
}

// Of a key tuple only the identity's columns are real; the others are sent as NULL.
Row RelationBook::MakeKeyRow(const StreamedTable& table, const postgres::Tuple& tuple) const {
  Row row = MakeRow(table, tuple, nullptr);
  for (size_t i = 0; i < row.size(); ++i) {
    if (!table.identity_columns[i]) row[i] = Value(Absent{});
  }
  return row;
}

Change RelationBook::MakeChange(const StreamedTable& table,
                                const postgres::Message& message) const {
  Change change;
  change.relation = table.relation;
  const auto old_row = [&](postgres::OldTuple kind, const postgres::Tuple& tuple) {
    return kind == postgres::OldTuple::kFull ? MakeRow(table, tuple, nullptr)
                                             : MakeKeyRow(table, tuple);
  };
  if (const auto* insert = std::get_if<postgres::Insert>(&message)) {
    change.op = ChangeOp::kInsert;
    change.new_row = MakeRow(table, insert->new_tuple, nullptr);
  } else if (const auto* deleted = std::get_if<postgres::Delete>(&message)) {
    change.op = ChangeOp::kDelete;
    change.old_row = old_row(deleted->old_kind, deleted->old_tuple);
  } else if (const auto* update = std::get_if<postgres::Update>(&message)) {
    change.op = ChangeOp::kUpdate;
    if (update->old_kind == postgres::OldTuple::kFull) {
      change.old_row = MakeRow(table, update->old_tuple, nullptr);
      // A large value that did not change is in the old row only, even with a full identity.
      change.new_row = MakeRow(table, update->new_tuple, &change.old_row);
      return change;
    }
    change.new_row = MakeRow(table, update->new_tuple, nullptr);
    if (update->old_kind == postgres::OldTuple::kKey) {
      change.old_row = MakeKeyRow(table, update->old_tuple);
    } else {
      // No old tuple: the identity did not change, and of the rest nothing is known.
      change.old_row.assign(table.types.size(), Value(Absent{}));
      for (size_t i = 0; i < table.types.size(); ++i) {
        if (table.identity_columns[i]) change.old_row[i] = change.new_row[i];
      }
    }
  }
  return change;
}

}  // namespace tw::capture
