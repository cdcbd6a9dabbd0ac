// A connection on which a named query sees only the rows that its caller may see.
//
//   from client_leads ──▶ temp view client_leads ──▶ temp view tidewire_guard_<random>_0
//                                                      └─ main.client_leads where tidewire_allows(…)
//
// A temp view shadows each table of the policy catalogue, and calls policy::Access::Allows per row:
// the same function as in the change stream. SQLite flattens such views, so that indexes work. The
// authorizer lets a statement read a base table only from inside its guard, whose name nobody knows:
// a path around the view ("main.client_leads", a view of the main schema) is an error, not a leak.
//
// Source       SQLite 3.40, "Compile-Time Authorization Callbacks", "Application-Defined SQL
//              Functions", "The Query Flattening Optimization"; spec queries-and-sdk §1.3.2.
// Thread       One at a time.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "policy/catalog.h"
#include "sqlite/sqlite.h"

namespace tw::query {

// A guard passes the row to a function, which takes so many columns.
inline constexpr size_t kGuardedColumnsMax = 126;

// What a statement depends on, as SQLite resolved its names.
struct Inspection {
  std::set<std::pair<std::string, std::string>> columns;  // (base table, column); "" for count(*)
  std::set<std::string> functions;                        // Lower case.
  bool uses_views = false;
  struct Output {
    std::string name;
    std::string table;   // Of the base column that it shows; empty for expressions.
    std::string column;
  };
  std::vector<Output> outputs;
};

// The statement as written over the whole schema, without policies, on a connection of its own.
// `error_offset` in the message: "offset N: reason". Errors: kInvalidArgument: no single SELECT,
// unknown names, anything that is not reading.
struct InspectionError {
  size_t offset = 0;  // In the SQL text; 0 when unknown.
  std::string reason;
};
std::expected<Inspection, InspectionError> Inspect(const std::string& path, std::string_view sql);

class GuardedDatabase {
 public:
  // `catalog` and `clock` outlive it.
  static Result<std::unique_ptr<GuardedDatabase>> Open(const std::string& path,
                                                       const policy::Catalog& catalog,
                                                       const Clock& clock, Random& random);
  ~GuardedDatabase();

  // Errors: kPermissionDenied when the statement reads around the guards; as Database::Prepare.
  Result<sqlite::Statement> Prepare(std::string_view sql);

  // While it lives, guards decide by `access` (parallel to catalog.tables(); null hides every row)
  // and statements are interrupted at `deadline`. Within one read transaction: what policies look
  // into is read as it sees it.
  class Scope {
   public:
    Scope(GuardedDatabase& database, std::span<const policy::AccessPtr> access, MonoTime deadline);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    bool timed_out() const;

   private:
    GuardedDatabase& database_;
  };

  // For statements of our own (the position): neither guarded nor limited.
  sqlite::Database& database() { return database_; }

  struct State;

 private:
  GuardedDatabase(sqlite::Database database, std::unique_ptr<State> state);
  Status MakeViews(Random& random);

  sqlite::Database database_;
  std::unique_ptr<State> state_;
};

}  // namespace tw::query
