// For this room's tests only: a database that is followed, so that what is read and written in it
// has positions.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "capture/postgres/postgres_capture.h"
#include "io/file.h"
#include "policy/catalog.h"
#include "policy/postgres_catalog.h"
#include "telemetry/metrics.h"
#include "testing/matchers.h"
#include "testing/postgres_cluster.h"

namespace tw::query {

class PostgresFixture : public ::testing::Test, private capture::PostgresSink {
 protected:
  // Runs `schema` and then follows all tables. Roles belong to the cluster: make them if need be.
  void Follow(const std::string& schema) {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    files_ = io::MakePosixFileSystem(directory_);
    options_.dsn = testing::PostgresCluster::Shared().NewDatabase();
    auto opened = postgres::Connection::Open({.dsn = options_.dsn});
    ASSERT_THAT(opened, testing::IsOk());
    sql_.emplace(std::move(*opened));
    Sql(schema);
    options_.source.slot_kind = postgres::SlotKind::kTemporary;
    options_.source.slot = "slot_" + sql_->database();
    auto log = capture::CommitLog::Open(*files_, "changes", random_, metrics_, 1u << 30);
    ASSERT_THAT(log, testing::IsOk());
    log_ = std::move(*log);
    capture::PostgresSink& sink = *this;
    capture_ = std::make_unique<capture::PostgresCapture>(options_, *log_, *files_, sink,
                                                          SystemClock(), random_, metrics_);
    capture_->Start();
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(came_.wait_for(lock, kPatience, [&] { return catalog_ != nullptr; }));
  }
  ~PostgresFixture() override {
    capture_.reset();
    log_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void Sql(const std::string& text) { ASSERT_THAT(sql_->Execute(text), testing::IsOk()) << text; }
  // One value, as text.
  std::string Ask(const std::string& text) {
    const auto rows = sql_->Query(text);
    if (!rows.ok()) return rows.error().message;
    return rows->empty() ? "" : std::string(rows->Text(0, 0));
  }
  policy::CatalogPtr catalog() {
    const std::lock_guard lock(mutex_);
    return catalog_;
  }
  // The position behind the change of the row whose first column is `text`.
  Position PositionOf(const std::string& text) {
    std::unique_lock lock(mutex_);
    Position found;
    EXPECT_TRUE(came_.wait_for(lock, kPatience,
                               [&] {
                                 for (const BatchPtr& batch : batches_) {
                                   for (const Change& change : batch->changes) {
                                     const Row& row =
                                         change.new_row.empty() ? change.old_row : change.new_row;
                                     std::string shown;
                                     AppendJson(shown, row[0], change.relation->columns[0].type);
                                     if (shown == text)
                                       found = {batch->position.epoch, change.offset};
                                   }
                                 }
                                 return found.offset != 0;
                               }))
        << "no change of " << text;
    return found;
  }
  std::vector<std::string> mutations() {
    const std::lock_guard lock(mutex_);
    return mutations_;
  }

  static constexpr std::chrono::seconds kPatience{60};
  SeededRandom random_{1};
  telemetry::Registry metrics_;
  std::string directory_;
  std::unique_ptr<io::FileSystem> files_;
  capture::PostgresCaptureOptions options_;
  std::optional<postgres::Connection> sql_;
  std::unique_ptr<capture::CommitLog> log_;
  std::unique_ptr<capture::PostgresCapture> capture_;

 private:
  void OnHistory(Position) override {}
  Status OnCatalog(const std::vector<RelationPtr>& relations, postgres::Connection& sql) override {
    TW_ASSIGN_OR_RETURN(const auto schema, policy::ReadSchema(sql, relations));
    const std::lock_guard lock(mutex_);
    catalog_ = policy::CompilePostgres(schema).catalog;
    came_.notify_all();
    return {};
  }
  void OnBatch(BatchPtr batch) override {
    const std::lock_guard lock(mutex_);
    batches_.push_back(std::move(batch));
    came_.notify_all();
  }
  void OnMessage(std::string_view, std::string_view) override {}
  void OnMutations(std::vector<std::string> ids, Position) override {
    const std::lock_guard lock(mutex_);
    mutations_.insert(mutations_.end(), ids.begin(), ids.end());
    came_.notify_all();
  }
  void OnTruncate(const Relation&) override {}
  Result<bool> OnTick(postgres::Connection&) override { return false; }
  void OnState(const std::string&) override {}
  bool Congested() override { return false; }

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable came_;
  policy::CatalogPtr catalog_;
  std::vector<BatchPtr> batches_;
  std::vector<std::string> mutations_;
};

}  // namespace tw::query
