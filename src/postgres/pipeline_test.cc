#include "postgres/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "postgres/array.h"
#include "testing/matchers.h"
#include "testing/postgres_cluster.h"

namespace tw::postgres {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::PostgresCluster;

class PipelineTest : public ::testing::Test {
 protected:
  PipelineTest() : dsn_(PostgresCluster::Shared().NewDatabase()) {
    auto connection = Connection::Open({.dsn = dsn_});
    EXPECT_THAT(connection, IsOk());
    auto pipeline = Pipeline::Enter(std::move(*connection));
    EXPECT_THAT(pipeline, IsOk());
    pipeline_.emplace(std::move(*pipeline));
    EXPECT_THAT(pipeline_->Send("create table public.t(id int primary key, x text)"), IsOk());
    EXPECT_THAT(pipeline_->Sync(), IsOk());
  }
  Status Insert(int id) {
    const std::string text = std::to_string(id);
    return pipeline_->Send("insert into public.t values ($1, $2)",
                           {Parameter(text), Parameter(std::nullopt)});
  }
  int64_t Count() {
    const auto rows = pipeline_->Query("select count(*) from public.t");
    EXPECT_THAT(rows, IsOk());
    return rows->Int(0, 0);
  }

  std::string dsn_;
  std::optional<Pipeline> pipeline_;
};

TEST_F(PipelineTest, AReadSeesEveryWriteSentBefore) {
  for (int i = 0; i < 1'000; ++i) ASSERT_THAT(Insert(i), IsOk());
  EXPECT_EQ(Count(), 1'000);
}

TEST_F(PipelineTest, WritesAreNotWaitedForOneByOne) {
  ASSERT_THAT(Insert(0), IsOk());
  const uint64_t before = pipeline_->round_trips();
  for (int i = 1; i <= 640; ++i) ASSERT_THAT(Insert(i), IsOk());
  ASSERT_THAT(pipeline_->Sync(), IsOk());
  EXPECT_LE(pipeline_->round_trips() - before, 11u);
}

TEST_F(PipelineTest, TheFirstErrorIsToldByTheNextWaitAndARollbackMendsIt) {
  ASSERT_THAT(pipeline_->Send("begin"), IsOk());
  ASSERT_THAT(Insert(1), IsOk());
  ASSERT_THAT(pipeline_->Sync(), IsOk());
  ASSERT_THAT(Insert(1), IsOk());
  ASSERT_THAT(Insert(2), IsOk());
  EXPECT_THAT(pipeline_->Sync(), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_EQ(pipeline_->sqlstate(), "23505");
  EXPECT_TRUE(pipeline_->in_transaction());
  ASSERT_THAT(pipeline_->Send("rollback"), IsOk());
  ASSERT_THAT(pipeline_->Sync(), IsOk());
  EXPECT_EQ(Count(), 0);
}

TEST_F(PipelineTest, ASavepointBringsAFailedTransactionBack) {
  ASSERT_THAT(pipeline_->Send("begin"), IsOk());
  ASSERT_THAT(Insert(1), IsOk());
  ASSERT_THAT(pipeline_->Send("savepoint s"), IsOk());
  ASSERT_THAT(Insert(1), IsOk());
  EXPECT_THAT(pipeline_->Sync(), FailsWith(ErrorCode::kInvalidArgument));
  ASSERT_THAT(pipeline_->Send("rollback to savepoint s"), IsOk());
  ASSERT_THAT(Insert(2), IsOk());
  ASSERT_THAT(pipeline_->Send("commit"), IsOk());
  ASSERT_THAT(pipeline_->Sync(), IsOk());
  EXPECT_EQ(Count(), 2);
}

TEST_F(PipelineTest, AWriteThatHitNoRowIsUnavailableWhenOneWasExpected) {
  ASSERT_THAT(pipeline_->Send("update public.t set x = 'a' where id = 7", std::span<const Parameter>(),
                              Expected::kOneRow),
              IsOk());
  EXPECT_THAT(pipeline_->Sync(), FailsWith(ErrorCode::kUnavailable));
}

TEST_F(PipelineTest, AStatementThatTheServerRefusesIsNotRememberedAsPrepared) {
  EXPECT_THAT(pipeline_->Query("select * from public.later"), FailsWith(ErrorCode::kNotFound));
  ASSERT_THAT(pipeline_->Send("create table public.later(id int)"), IsOk());
  EXPECT_THAT(pipeline_->Query("select * from public.later"), IsOk());
}

TEST_F(PipelineTest, MoreStatementsThanAreKeptStillRun) {
  for (size_t i = 0; i < Pipeline::kPreparedMax + 10; ++i) {
    const auto rows = pipeline_->Query("select " + std::to_string(i));
    ASSERT_THAT(rows, IsOk());
    ASSERT_EQ(rows->Int(0, 0), static_cast<int64_t>(i));
  }
}

TEST_F(PipelineTest, ALostConnectionIsUnavailableAndStaysSo) {
  const auto pid = pipeline_->Query("select pg_backend_pid()");
  ASSERT_THAT(pid, IsOk());
  auto other = Connection::Open({.dsn = dsn_});
  ASSERT_THAT(other, IsOk());
  ASSERT_THAT(other->Query("select pg_terminate_backend($1, 5000)", {Parameter(pid->Text(0, 0))}),
              IsOk());
  const Status sent = Insert(1);
  EXPECT_THAT(sent.ok() ? pipeline_->Sync() : sent, FailsWith(ErrorCode::kUnavailable));
  EXPECT_TRUE(pipeline_->broken());
  EXPECT_THAT(Insert(2), FailsWith(ErrorCode::kUnavailable));
}

TEST_F(PipelineTest, ArraysCarryTextsBytesNumbersAndNulls) {
  ArrayLiteral texts;
  for (const char* text : {"", "a,b", "\"quoted\"", "back\\slash", "{brace}", "NULL", "ü\n"}) {
    texts.Add(std::string_view(text));
  }
  texts.AddNull();
  const std::string array = texts.Take();
  auto rows = pipeline_->Query("select * from unnest($1::text[])", {Parameter(array)});
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->size(), 8u);
  EXPECT_EQ(rows->Text(1, 0), "a,b");
  EXPECT_EQ(rows->Text(2, 0), "\"quoted\"");
  EXPECT_EQ(rows->Text(3, 0), "back\\slash");
  EXPECT_EQ(rows->Text(5, 0), "NULL");
  EXPECT_FALSE(rows->IsNull(5, 0));
  EXPECT_EQ(rows->Text(6, 0), "ü\n");
  EXPECT_TRUE(rows->IsNull(7, 0));

  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  ArrayLiteral bytes;
  bytes.AddBytes(every);
  bytes.AddBytes("");
  const std::string literal = bytes.Take();
  rows = pipeline_->Query("select * from unnest($1::bytea[])", {Parameter(literal)});
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(BytesOfText(rows->Text(0, 0)), every);
  EXPECT_EQ(BytesOfText(rows->Text(1, 0)), "");
}

}  // namespace
}  // namespace tw::postgres
