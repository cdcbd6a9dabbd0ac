// Policies that only the database can decide: it is asked for images of rows, as the reader.
//
//   rows × readers ──DatabaseTier::Ask──▶ one call per (table, role): role switched once, plan
//   kept,
//                                         only the claims change ──▶ a verdict per row and reader
//
// The image is that of the stream. What the policies read besides it (other tables, the time) is as
// at the moment of asking, which is at or after the commit: a revocation committed since already
// counts, a grant committed since may let an image through.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "policy/policy.h"
#include "postgres/connection.h"

namespace tw::policy {

enum class RowVerdict : uint8_t {
  kHidden,
  kShown,
  kRaised,   // The policies raised, or the role may not be assumed.
  kUnknown,  // They look at a value that the log does not carry.
};

// What a loop knows of the database's verdicts.
class RowVerdicts {
 public:
  virtual ~RowVerdicts() = default;
  // nullopt: not asked, or not answered yet.
  virtual std::optional<RowVerdict> Of(const Access& access, const Row& row) const = 0;
};

// `reader`'s program is the database's (Program::database); rows are of its table.
struct DatabaseQuestion {
  AccessPtr reader;
  std::vector<const Row*> rows;
  std::vector<BatchPtr> owners;  // Of the rows.
};

struct DatabaseAnswer {
  std::vector<RowVerdict> rows;  // Parallel to the question's.
  std::optional<Error> error;    // Of a row that is kRaised.
};

// A connection that is asked. Thread: one at a time; it waits for the server.
class DatabaseTier {
 public:
  struct Limits {
    std::chrono::milliseconds call_time_max{5'000};
    // Of one reader by itself, after a call for several took too long.
    std::chrono::milliseconds reader_time_max{500};
    // Readers of one (table, role) that may take that long, one after the other; the others of that
    // Ask are then told so too.
    uint32_t slow_readers_max = 4;
  };

  // Errors: kUnavailable and the others of Connection::Open; of a role without TEMPORARY on the
  // database kPermissionDenied at Ask.
  static Result<DatabaseTier> Open(const std::string& dsn) { return Open(dsn, Limits{}); }
  static Result<DatabaseTier> Open(const std::string& dsn, const Limits& limits);

  // Parallel to the questions. Errors: those of the connection; nothing has been decided then. What
  // the policies of a reader raise is that reader's (DatabaseAnswer::error).
  Result<std::vector<DatabaseAnswer>> Ask(std::span<const DatabaseQuestion> questions);

  bool broken() const { return connection_.broken(); }

 private:
  struct Group;
  struct Call;

  DatabaseTier(postgres::Connection connection, const Limits& limits)
      : connection_(std::move(connection)), limits_(limits) {}
  Result<std::string> FunctionFor(const Access& access);
  Status AskGroup(const Group& group);
  Status AskEach(const Group& group);
  // Reader by reader; a row at a time where the rows together raise.
  Status AskRows(const Group& group, size_t reader);
  Status Run(const Call& call, std::chrono::milliseconds time_max);

  postgres::Connection connection_;
  Limits limits_;
  std::map<std::string, std::string, std::less<>> functions_;  // By what they hold.
  std::set<std::string> slow_;  // Keys of readers that took too long, and are asked last.
};

}  // namespace tw::policy
