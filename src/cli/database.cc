#include "cli/database.h"

#include <chrono>
#include <filesystem>
#include <thread>

namespace tw::cli {
namespace {

constexpr std::chrono::milliseconds kAskAgain{200};
constexpr std::chrono::minutes kAnswerMax{30};

}  // namespace

Result<sqlite::Database> OpenBeside(const std::string& data_directory) {
  const std::string path = (data_directory.empty() ? "data" : data_directory) + "/tidewire.db";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Fail(ErrorCode::kNotFound, "no database at " + path + "; choose --data");
  }
  return sqlite::Database::Open(path);
}

Result<std::string> AskServer(sqlite::Database& database, std::string_view verb,
                              std::string_view argument) {
  auto write = database.Prepare("insert into tidewire_request(verb, argument) values (?1, ?2)");
  if (!write.ok()) {
    return Fail(ErrorCode::kFailedPrecondition, "this database was never used by a server");
  }
  write->BindText(1, verb);
  write->BindText(2, argument);
  TW_RETURN_IF_ERROR(write->Run());
  const int64_t id = database.LastInsertRowid();
  const auto until = std::chrono::steady_clock::now() + kAnswerMax;
  TW_ASSIGN_OR_RETURN(auto read, database.Prepare("select result from tidewire_request "
                                                  "where id = ?1 and done_at is not null"));
  while (std::chrono::steady_clock::now() < until) {
    read.BindInt(1, id);
    TW_ASSIGN_OR_RETURN(const bool done, read.Step());
    if (done) {
      std::string result(read.ColumnText(0));
      read.Reset();
      return result;
    }
    std::this_thread::sleep_for(kAskAgain);
  }
  return Fail(ErrorCode::kUnavailable, "no answer; is the server running?");
}

}  // namespace tw::cli
