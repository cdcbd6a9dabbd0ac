// For tests only: a whole server on a loopback port and a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/dev.h"
#include "app/server.h"
#include "app/test_client.h"
#include "sqlite/sqlite.h"
#include "testing/matchers.h"

namespace tw::app {

// Files in memory; others come from the built-in example.
class TestFiles final : public FileSet {
 public:
  explicit TestFiles(std::map<std::string, std::string, std::less<>> files)
      : files_(std::move(files)) {}
  Result<std::string> Read(std::string_view path) const override {
    const auto found = files_.find(path);
    if (found == files_.end()) return EmbeddedExample()->Read(path);
    return found->second;
  }

 private:
  std::map<std::string, std::string, std::less<>> files_;
};

// Fixed values, whatever the process' own environment says.
class TestEnvironment final : public config::Environment {
 public:
  std::optional<std::string> Variable(const std::string& name) const override {
    auto values = DevEnvironment();
    values.emplace("TEST_API_KEY", "sb_publishable_0123456789abcdef");
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::string> ReadFile(const std::string& path, size_t) const override {
    return Fail(ErrorCode::kNotFound, "no file " + path);
  }
};

inline constexpr std::string_view kTestMain = R"(version: 1
server:
  loops: 1
auth:
  jwt_secret: ${env:TIDEWIRE_JWT_SECRET}
  api_keys:
    - { key: "${env:TEST_API_KEY}", role: anon }
store:
  schema: [schema.sql, notes.sql]
  seed: [seed.sql]
tables:
  notes:
    policies:
      - { name: own, using: owner = auth.uid() }
  client_leads:
    policies:
      - name: own workspace
        using: workspace_id = (auth.jwt() ->> 'workspace_id')::int
sources:
  outreach: outreach.yaml
)";
inline constexpr std::string_view kTestNotes =
    "create table if not exists notes(id integer primary key, owner text, title text);"
    "insert or ignore into notes values(1, 'alice', 'one'), (2, 'bob', 'two'),"
    " (3, 'alice', 'three')";

inline Result<Configuration> LoadTest(std::string main = std::string(kTestMain),
                                      std::string notes = std::string(kTestNotes)) {
  return LoadConfiguration(
      TestFiles({{"tidewire.yaml", std::move(main)}, {"notes.sql", std::move(notes)}}),
      "tidewire.yaml", TestEnvironment());
}

inline std::string Mint(const std::string& claims, std::string_view secret = kDevJwtSecret) {
  auto token = auth::MintToken(claims, secret, auth::Algorithm::kHs256);
  EXPECT_THAT(token, testing::IsOk());
  return token.value_or("");
}
inline std::string TokenOf(const std::string& role, const std::string& sub = "") {
  return Mint(R"({"role":")" + role + R"(","sub":")" + sub + R"(","exp":4102444800})");
}

inline std::string Get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
         "\r\n";
}
inline std::string Post(std::string_view target, std::string_view body,
                        std::string_view headers = "") {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}
inline std::string Bearer(std::string_view token) {
  return "Authorization: Bearer " + std::string(token) + "\r\n";
}
inline constexpr std::string_view kUpgradeHeaders =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
// A handshake with the key in the URL; version 2 messages.
inline std::string Upgrade(std::string_view token, std::string_view more_headers = "") {
  return Get("/realtime/v1/websocket?vsn=2.0.0&apikey=" + std::string(token),
             std::string(kUpgradeHeaders) + std::string(more_headers));
}

class ServerFixture : public ::testing::Test {
 protected:
  ServerFixture() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_ = {.data_directory = directory_ + "/data", .address = "127.0.0.1"};
    auto loaded = LoadTest();
    EXPECT_THAT(loaded, testing::IsOk());
    configuration_ = std::move(*loaded);
  }
  ~ServerFixture() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  ServerConfig& limits() { return configuration_.main.server; }
  void Start() {
    auto started = Server::Start(configuration_, options_, SystemClock(), SystemRandom(), metrics_);
    ASSERT_THAT(started, testing::IsOk());
    server_ = std::move(*started);
  }
  uint16_t port() const { return server_->port(); }
  Answer Ask(std::string_view request) { return TestClient(port()).Ask(request); }
  // A number of the server's own database, read beside it.
  int64_t Query(std::string_view sql) {
    auto database = sqlite::Database::Open(directory_ + "/data/tidewire.db",
                                           {.mode = sqlite::OpenMode::kReadOnly});
    EXPECT_THAT(database, testing::IsOk());
    return database.ok() ? database->QueryInt(sql).value_or(-1) : -1;
  }
  std::string Metrics() { return Ask(Get("/metrics")).body; }

  std::string directory_;
  Configuration configuration_;
  ServerOptions options_;
  telemetry::Registry metrics_;
  std::unique_ptr<Server> server_;
};

}  // namespace tw::app
