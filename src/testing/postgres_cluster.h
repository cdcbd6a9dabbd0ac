// Test-only: a PostgreSQL server of its own, for one test program.
//
//   static PostgresCluster& cluster = PostgresCluster::Shared();
//   auto connection = postgres::Connection::Open({.dsn = cluster.NewDatabase()});
//
// A fresh cluster in a temporary directory, on a Unix socket there and a free loopback port, with
// logical replication, and without fsync unless asked for. The server refuses to run as root: then
// its processes belong to the user `postgres` (or `nobody`). It ends with the process that started
// it, however that ends. Authentication is trust, but the role `locked` needs its password over TCP.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tw::testing {

struct PostgresOptions {
  enum class Sync : uint8_t { kOff, kOn };
  Sync sync = Sync::kOff;
  std::string wal_level = "logical";
  // Further lines of postgresql.conf.
  std::vector<std::pair<std::string, std::string>> settings;
};

class PostgresCluster {
 public:
  // Errors: kNotFound (no PostgreSQL server programs; Debian package postgresql-15), kInternal
  // (names the server's log).
  static Result<std::unique_ptr<PostgresCluster>> Start(const PostgresOptions& options = {});
  // One for the whole test program, made at first use; aborts when it cannot start.
  static PostgresCluster& Shared();
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // Connection strings of the superuser `postgres`, or of `user`.
  std::string Dsn(std::string_view database = "postgres", std::string_view user = "postgres") const;
  std::string TcpDsn(std::string_view database, std::string_view user,
                     std::string_view password = "") const;
  // Makes a database with a name of its own; returns its Dsn.
  std::string NewDatabase();

  // Fast (a clean shutdown) or immediate (as a crash); Resume starts it again on the same port.
  enum class Shutdown : uint8_t { kFast, kImmediate };
  Status Stop(Shutdown how);
  Status Resume();

  uint16_t port() const { return port_; }
  const std::string& directory() const { return directory_; }

 private:
  PostgresCluster() = default;
  Status Initialize(const PostgresOptions& options);
  Result<pid_t> Launch(const std::vector<std::string>& arguments, const std::string& log) const;
  Status Run(const std::vector<std::string>& arguments, const std::string& log) const;

  std::string programs_;   // Directory of initdb and postgres.
  std::string directory_;  // Ours: data/, the socket, logs.
  uint16_t port_ = 0;
  uid_t user_ = 0;  // Whose processes they are.
  gid_t group_ = 0;
  pid_t server_ = -1;
  int databases_ = 0;
};

}  // namespace tw::testing
