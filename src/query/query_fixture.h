// For this room's tests only: a captured store of notes with owners, read as different people.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "capture/capture.h"
#include "policy/catalog.h"
#include "query/table_query.h"
#include "query/table_reader.h"
#include "store/store.h"
#include "telemetry/metrics.h"
#include "testing/matchers.h"

namespace tw::query {

using Parameters = std::vector<std::pair<std::string, std::string>>;

inline Claims ClaimsOf(std::string text) {
  Claims claims;
  claims.text = std::move(text);
  auto document = json::Parse(claims.text);
  EXPECT_THAT(document, testing::IsOk());
  claims.document = std::move(*document);
  claims.role = std::string(claims.document.root()["role"].AsString().value_or(""));
  claims.sub = std::string(claims.document.root()["sub"].AsString().value_or(""));
  return claims;
}

inline Claims Alice() {
  return ClaimsOf(R"({"role":"authenticated","sub":"alice","org":"1"})");
}
inline Claims Bob() {
  return ClaimsOf(R"({"role":"authenticated","sub":"bob","org":"2"})");
}
inline Claims Service() {
  return ClaimsOf(R"({"role":"service_role"})");
}
inline Claims Anon() {
  return ClaimsOf(R"({"role":"anon"})");
}

// Tables: notes (rows of `owner` = auth.uid()), numbers (no policy decides), typed (every
// declaration), jobs (org = the claim's, which must be a number).
class QueryFixture : public ::testing::Test {
 protected:
  QueryFixture() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    auto opened = store::Store::Open(Path(), {.durability = sqlite::Durability::kOff}, random_);
    EXPECT_THAT(opened, testing::IsOk());
    store_ = std::move(*opened);
    Write(
        "create table notes(id integer primary key, owner text, title text, stars int,"
        " done bool);"
        "create table numbers(n integer primary key, square int);"
        "create table typed(id integer primary key, price numeric, data json, raw blob,"
        " score real, done bool);"
        "create table jobs(id integer primary key, org int);"
        "create table secret(id integer primary key)");
    auto capture =
        capture::Capture::Install(*store_, {"notes", "numbers", "typed", "jobs"}, metrics_);
    EXPECT_THAT(capture, testing::IsOk());
    capture_ = std::move(*capture);
    const auto& relations = capture_->relations();
    AddTable(relations[0], {{.name = "own", .using_sql = "owner = auth.uid()"}});
    AddTable(relations[1], {{.name = "all", .using_sql = "true"}});
    AddTable(relations[2], {{.name = "all", .using_sql = "true"}});
    AddTable(relations[3], {{.name = "org", .using_sql = "org = (auth.jwt() ->> 'org')::int"}});
  }
  ~QueryFixture() override {
    capture_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string Path() const { return directory_ + "/tidewire.db"; }
  void Write(std::string_view sql) {
    ASSERT_THAT(store_->database().Execute(sql), testing::IsOk()) << sql;
  }
  void AddTable(const RelationPtr& relation,
                const std::vector<policy::PolicyDefinition>& definitions) {
    auto policy = policy::TablePolicy::Compile(relation, definitions);
    ASSERT_THAT(policy, testing::IsOk());
    catalog_.Add({relation, std::move(*policy)});
  }

  Result<TableQuery> Parse(std::string_view table, const Parameters& parameters,
                           const Claims& claims = Alice()) {
    return ParseTableQuery(table, parameters, claims, catalog_);
  }
  Result<TableResult> Read(std::string_view table, const Parameters& parameters = {},
                           const Claims& claims = Alice(), const ReaderLimits& limits = {}) {
    TW_ASSIGN_OR_RETURN(const TableQuery query, Parse(table, parameters, claims));
    return ReadTable(store_->database(), store_->epoch(), query, limits);
  }
  // The rows as JSON, or "<code>: <message>".
  std::string Rows(std::string_view table, const Parameters& parameters = {},
                   const Claims& claims = Alice()) {
    const auto result = Read(table, parameters, claims);
    if (result.ok()) return result->json;
    return std::string(ToString(result.error().code)) + ": " + result.error().message;
  }

  std::string directory_;
  SeededRandom random_{1};
  telemetry::Registry metrics_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<capture::Capture> capture_;
  policy::Catalog catalog_;
};

}  // namespace tw::query
