// Where a running server keeps its jobs, dead letters and requests: its own file, or the PostgreSQL
// database that its configuration names.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"

namespace tw::cli {

class OperatorDatabase {
 public:
  // Texts; NULL is the empty one.
  using Table = std::vector<std::vector<std::string>>;

  // `config` names a main file and decides; without it the file in the data directory is taken
  // (empty: ./data). Errors: kNotFound (no file), kFailedPrecondition (the server's store is
  // PostgreSQL, so the configuration is needed), those of the configuration and the connection.
  static Result<std::unique_ptr<OperatorDatabase>> Open(const std::string& data_directory,
                                                        const std::string& config);
  virtual ~OperatorDatabase() = default;

  // One statement; parameters $1, $2, … are first named in this order.
  virtual Result<Table> Query(const std::string& sql,
                              const std::vector<std::string>& parameters) = 0;
  // The name of a table of ours: "state" is tidewire_state, or tidewire.state.
  virtual std::string Own(std::string_view table) const = 0;
  // The name of the user's table in SQL.
  virtual std::string Quoted(std::string_view table) const = 0;
  virtual Result<StringSet> Columns(const std::string& table) = 0;
  // SQL: the text of a dead letter's column, and of a time in microseconds.
  virtual std::string TextOf(std::string_view column) const = 0;
  virtual std::string TimeOf(std::string_view column) const = 0;

  // Puts a request before the running server and waits for its answer.
  // Errors: kUnavailable when none comes in time; kFailedPrecondition when this server takes none.
  Result<std::string> AskServer(std::string_view verb, std::string_view argument);
};

}  // namespace tw::cli
