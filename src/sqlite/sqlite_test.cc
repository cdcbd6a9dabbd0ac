#include "sqlite/sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "testing/matchers.h"

namespace tw::sqlite {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~SqliteTest() override { std::filesystem::remove_all(directory_); }
  std::string Path() const { return directory_ + "/test.db"; }

 private:
  std::string directory_;
};

TEST_F(SqliteTest, EveryStorageClassRoundTrips) {
  auto database = Database::Open(Path());
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(database->Execute("create table t(a, b, c, d, e)"), IsOk());
  {
    auto insert = database->Prepare("insert into t values (?, ?, ?, ?, ?)");
    ASSERT_THAT(insert, IsOk());
    insert->BindNull(1);
    insert->BindInt(2, INT64_MIN);
    insert->BindDouble(3, 0.1);
    insert->BindText(4, std::string_view());
    insert->BindBlob(5, std::string_view("\0x", 2));
    ASSERT_THAT(insert->Run(), IsOk());
    EXPECT_EQ(database->ChangedRows(), 1);
    auto select = database->Prepare("select * from t");
    ASSERT_THAT(select, IsOk());
    EXPECT_THAT(select->Step(), IsOkAndHolds(true));
    EXPECT_TRUE(select->ColumnIsNull(0));
    EXPECT_EQ(select->ColumnInt(1), INT64_MIN);
    EXPECT_EQ(select->ColumnDouble(2), 0.1);
    EXPECT_FALSE(select->ColumnIsNull(3));
    EXPECT_EQ(select->ColumnBlob(4), std::string_view("\0x", 2));
    EXPECT_THAT(select->Step(), IsOkAndHolds(false));
  }
}

TEST_F(SqliteTest, UncommittedWorkIsRolledBack) {
  auto database = Database::Open(Path());
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(database->Execute("create table t(a)"), IsOk());
  {
    auto transaction = Transaction::Begin(*database);
    ASSERT_THAT(transaction, IsOk());
    ASSERT_THAT(database->Execute("insert into t values (1)"), IsOk());
  }
  EXPECT_THAT(database->QueryInt("select count(*) from t"), IsOkAndHolds(0));
  {
    auto transaction = Transaction::Begin(*database);
    ASSERT_THAT(transaction, IsOk());
    ASSERT_THAT(database->Execute("insert into t values (1)"), IsOk());
    ASSERT_THAT(transaction->Commit(), IsOk());
  }
  EXPECT_THAT(database->QueryInt("select count(*) from t"), IsOkAndHolds(1));
}

TEST_F(SqliteTest, ErrorsHaveTheirCodes) {
  auto database = Database::Open(Path());
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(database->Execute("create table t(a unique)"), IsOk());
  ASSERT_THAT(database->Execute("insert into t values (1)"), IsOk());
  EXPECT_THAT(database->Execute("insert into t values (1)"),
              FailsWith(ErrorCode::kInvalidArgument, ::testing::HasSubstr("UNIQUE")));
  EXPECT_THAT(database->Prepare("select 1; select 2"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(database->Prepare(""), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(database->Prepare("selec"), FailsWith(ErrorCode::kInternal));
  EXPECT_THAT(database->QueryInt("select a from t where a = 2"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(Database::Open("/nowhere/at/all.db"), FailsWith(ErrorCode::kInternal));
}

TEST_F(SqliteTest, SecondWriterIsToldThatTheDatabaseIsBusy) {
  auto first = Database::Open(Path());
  ASSERT_THAT(first, IsOk());
  auto second = Database::Open(Path(), {.busy_timeout_ms = 1});
  ASSERT_THAT(second, IsOk());
  auto transaction = Transaction::Begin(*first);
  ASSERT_THAT(transaction, IsOk());
  EXPECT_THAT(Transaction::Begin(*second), FailsWith(ErrorCode::kUnavailable));
}

TEST(QuoteIdentifierTest, DoublesQuotes) {
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace tw::sqlite
