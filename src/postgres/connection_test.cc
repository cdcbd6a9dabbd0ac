#include "postgres/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/postgres_cluster.h"

namespace tw::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::FailsWith;
using testing::IsOk;
using testing::PostgresCluster;

Connection Open(const std::string& dsn) {
  auto connection = Connection::Open({.dsn = dsn});
  EXPECT_THAT(connection, IsOk());
  return std::move(*connection);
}

TEST(ConnectionTest, TextsComeBackAsPostgresWritesThem) {
  Connection connection = Open(PostgresCluster::Shared().Dsn());
  const auto rows = connection.Query(
      "select $1::text, null, true, 0.1::float8, '\\xDEAD'::bytea, timestamptz '2026-01-02"
      " 03:04:05.678+02', interval '1 day 2:03', array[1,null,3]",
      {Parameter("it's \\ ü")});
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->Text(0, 0), "it's \\ ü");
  EXPECT_EQ(rows->OptionalText(0, 1), std::nullopt);
  EXPECT_TRUE(rows->Bool(0, 2));
  EXPECT_EQ(rows->Text(0, 3), "0.1");
  EXPECT_EQ(rows->Text(0, 4), "\\xdead");
  EXPECT_EQ(rows->Text(0, 5), "2026-01-02 01:04:05.678+00");
  EXPECT_EQ(rows->Text(0, 6), "1 day 02:03:00");
  EXPECT_EQ(rows->Text(0, 7), "{1,NULL,3}");
}

TEST(ConnectionTest, TheSearchPathIsEmptyAndSettingsArriveWithSpaces) {
  auto connection = Connection::Open({.dsn = PostgresCluster::Shared().Dsn(),
                                      .application_name = "with space",
                                      .settings = {{"tidewire.note", "a b\\c"}}});
  ASSERT_THAT(connection, IsOk());
  EXPECT_EQ(connection->Query("show search_path")->Text(0, 0), "");
  EXPECT_EQ(connection->Query("show tidewire.note")->Text(0, 0), "a b\\c");
  EXPECT_EQ(connection->Query("show application_name")->Text(0, 0), "with space");
}

TEST(ConnectionTest, EachSqlStateHasItsCode) {
  Connection connection = Open(PostgresCluster::Shared().Dsn());
  EXPECT_THAT(connection.Query("select * from nowhere"),
              FailsWith(ErrorCode::kNotFound, HasSubstr("42P01")));
  EXPECT_EQ(connection.sqlstate(), "42P01");
  EXPECT_THAT(connection.Query("selec"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(connection.Query("select 1/0"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(connection.Execute("create schema public"), FailsWith(ErrorCode::kAlreadyExists));
  EXPECT_FALSE(connection.broken());
  EXPECT_EQ(CodeOfSqlState("53300"), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOfSqlState("53200"), ErrorCode::kResourceExhausted);
  EXPECT_EQ(CodeOfSqlState("55000"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOfSqlState("XX000"), ErrorCode::kInternal);
}

TEST(ConnectionTest, ALongStatementEndsAtItsTimeout) {
  auto connection =
      Connection::Open({.dsn = PostgresCluster::Shared().Dsn(),
                        .statement_timeout = std::chrono::milliseconds{20}});
  ASSERT_THAT(connection, IsOk());
  EXPECT_THAT(connection->Query("select pg_sleep(60)"),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("57014")));
}

TEST(ConnectionTest, AWrongDsnIsNamedAndNoPasswordIsTold) {
  EXPECT_THAT(Connection::Open({.dsn = "host=x s3cret-in-the-wrong-place"}),
              FailsWith(ErrorCode::kInvalidArgument, Not(HasSubstr("s3cret"))));
  EXPECT_THAT(Connection::Open({.dsn = "postgres://u:s3cret@127.0.0.1:99999/x"}),
              FailsWith(ErrorCode::kInvalidArgument, Not(HasSubstr("s3cret"))));
  EXPECT_THAT(Connection::Open({.dsn = "postgres://u:s3cret@127.0.0.1:1/x"}),
              FailsWith(ErrorCode::kUnavailable, Not(HasSubstr("s3cret"))));
  const PostgresCluster& cluster = PostgresCluster::Shared();
  EXPECT_THAT(Connection::Open({.dsn = cluster.Dsn("no_such_database")}),
              FailsWith(ErrorCode::kNotFound, HasSubstr("no_such_database")));
  EXPECT_THAT(Connection::Open({.dsn = cluster.Dsn("postgres", "no_such_role")}),
              FailsWith(ErrorCode::kNotFound, HasSubstr("no_such_role")));
}

TEST(ConnectionTest, AWrongPasswordIsUnauthenticated) {
  const PostgresCluster& cluster = PostgresCluster::Shared();
  Connection admin = Open(cluster.Dsn());
  ASSERT_THAT(admin.Execute("drop role if exists locked; create role locked login password"
                            " 'right-password'"), IsOk());
  EXPECT_THAT(Connection::Open({.dsn = cluster.TcpDsn("postgres", "locked", "wrong-password")}),
              FailsWith(ErrorCode::kUnauthenticated, Not(HasSubstr("wrong-password"))));
  EXPECT_THAT(Connection::Open({.dsn = cluster.TcpDsn("postgres", "locked")}),
              FailsWith(ErrorCode::kUnauthenticated));
  EXPECT_THAT(Connection::Open({.dsn = cluster.TcpDsn("postgres", "locked", "right-password")}),
              IsOk());
}

TEST(ConnectionTest, ATransactionIsAllOrNothing) {
  Connection connection = Open(PostgresCluster::Shared().NewDatabase());
  ASSERT_THAT(connection.Execute("create table public.t(a int)"), IsOk());
  {
    auto transaction = Transaction::Begin(connection);
    ASSERT_THAT(transaction, IsOk());
    ASSERT_THAT(connection.Execute("insert into public.t values(1)"), IsOk());
  }
  EXPECT_EQ(connection.Query("select count(*) from public.t")->Int(0, 0), 0);
  {
    auto transaction = Transaction::Begin(connection);
    EXPECT_THAT(connection.Execute("insert into public.nowhere values(1)"),
                FailsWith(ErrorCode::kNotFound));
    EXPECT_THAT(transaction->Commit(), FailsWith(ErrorCode::kFailedPrecondition));
  }
  auto transaction = Transaction::Begin(connection);
  EXPECT_EQ(connection.Query("insert into public.t values(1), (2)")->affected(), 2u);
  EXPECT_THAT(transaction->Commit(), IsOk());
  EXPECT_EQ(connection.Query("select count(*) from public.t")->Int(0, 0), 2);
}

TEST(ConnectionTest, AKilledBackendLeavesABrokenConnection) {
  Connection victim = Open(PostgresCluster::Shared().Dsn());
  Connection admin = Open(PostgresCluster::Shared().Dsn());
  const std::string pid(victim.Query("select pg_backend_pid()")->Text(0, 0));
  ASSERT_THAT(admin.Query("select pg_terminate_backend($1::int, 10000)", {Parameter(pid)}), IsOk());
  EXPECT_THAT(victim.Query("select 1"), FailsWith(ErrorCode::kUnavailable));
  EXPECT_TRUE(victim.broken());
}

TEST(ConnectionTest, QuotedTextIsTheText) {
  Connection connection = Open(PostgresCluster::Shared().Dsn());
  for (const std::string text : {"", "it's", "back\\slash", "a\"b", "E'x'"}) {
    EXPECT_EQ(connection.Query("select " + QuoteLiteral(text))->Text(0, 0), text);
    const auto named = connection.Query("select 1 as " + QuoteIdentifier("c" + text));
    EXPECT_EQ(named->ColumnName(0), "c" + text);
  }
}

}  // namespace
}  // namespace tw::postgres
