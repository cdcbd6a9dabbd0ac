#include "cli/database.h"

#include <filesystem>

namespace tw::cli {

Result<sqlite::Database> OpenBeside(const std::string& data_directory) {
  const std::string path = (data_directory.empty() ? "data" : data_directory) + "/tidewire.db";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Fail(ErrorCode::kNotFound, "no database at " + path + "; choose --data");
  }
  return sqlite::Database::Open(path);
}

}  // namespace tw::cli
