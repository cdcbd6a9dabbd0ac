// The shapes of the tables in the stream: which columns a tuple has, and what row it makes.
//
// Relation messages bind columns by name and type at their place in the stream; today's catalogue
// may be ahead of it. A shape keeps its id across restarts: the ids are in a small file beside the
// log, written before the first change that uses them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "capture/postgres/types.h"
#include "io/file.h"
#include "model/change.h"
#include "model/relation.h"
#include "postgres/pgoutput.h"

namespace tw::capture {

// Ids of shapes, in `path`. Thread: one at a time; Find from any thread.
class ShapeRegistry {
 public:
  // Errors: kDataLoss: the file is damaged; the disk's own.
  static Result<std::unique_ptr<ShapeRegistry>> Open(io::FileSystem& files, std::string directory);

  // The shape with its id; a new one is durable on return. Errors: the disk's own.
  Result<RelationPtr> Register(Relation relation);
  // Null when there is none.
  RelationPtr Find(uint32_t id) const;

 private:
  ShapeRegistry(io::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  Status Load();
  Status Save() const;

  io::FileSystem& files_;
  const std::string directory_;
  mutable std::mutex mutex_;  // Guards shapes_: resumes look them up on other threads.
  std::vector<RelationPtr> shapes_;  // Id 1 first.
};

// How the tuples of one table become rows.
struct StreamedTable {
  RelationPtr relation;
  postgres::ReplicaIdentity identity = postgres::ReplicaIdentity::kDefault;
  std::vector<uint32_t> types;  // By column.
  std::vector<bool> identity_columns;
};

class RelationBook {
 public:
  // The primary key's columns of a table, in key order; asked when a table's shape is new.
  using KeyLookup = std::function<Result<std::vector<std::string>>(uint32_t oid)>;

  RelationBook(ShapeRegistry& registry, const TypeBook& types) : registry_(registry), types_(types) {}

  // Takes a shape. Errors: those of `key` and of the registry.
  Status Add(const postgres::RelationMessage& message, const KeyLookup& key);
  // Null when no such relation was announced.
  const StreamedTable* Find(uint32_t oid) const;
  // The current shapes, for the catalogue of what can be followed.
  std::vector<RelationPtr> relations() const;

  // A change of `table`. Values of the row that the stream does not have are Absent.
  Change MakeChange(const StreamedTable& table, const postgres::Message& message) const;

 private:
  Row MakeRow(const StreamedTable& table, const postgres::Tuple& tuple, const Row* older) const;
  Row MakeKeyRow(const StreamedTable& table, const postgres::Tuple& tuple) const;

  ShapeRegistry& registry_;
  const TypeBook& types_;
  std::map<uint32_t, StreamedTable> tables_;
};

}  // namespace tw::capture
