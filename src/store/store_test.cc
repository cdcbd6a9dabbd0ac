// Opening, the epoch, schemas, shapes of tables, values in and out.
#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "testing/matchers.h"

namespace tw::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using ::testing::StartsWith;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~StoreTest() override { std::filesystem::remove_all(directory_); }

  Result<std::unique_ptr<Store>> Open(const std::string& name = "tidewire.db") {
    return Store::Open(directory_ + "/" + name, {.durability = sqlite::Durability::kOff}, random_);
  }
  std::unique_ptr<Store> MustOpen(const std::string& name = "tidewire.db") {
    auto store = Open(name);
    EXPECT_THAT(store, IsOk());
    return store.ok() ? std::move(*store) : nullptr;
  }

  std::string directory_;
  SeededRandom random_{1};
};

TEST_F(StoreTest, ReopeningKeepsTheEpochAndTheRows) {
  uint64_t epoch = 0;
  {
    const auto store = MustOpen();
    epoch = store->epoch();
    EXPECT_NE(epoch, 0u);
    ASSERT_THAT(store->ApplySchema("create table t(id integer primary key)", "s.sql"), IsOk());
    ASSERT_THAT(store->database().Execute("insert into t values(7)"), IsOk());
  }
  const auto again = MustOpen();
  EXPECT_EQ(again->epoch(), epoch);
  EXPECT_THAT(again->database().QueryInt("select id from t"), IsOkAndHolds(7));
}

TEST_F(StoreTest, EachNewDatabaseHasAnEpochOfItsOwn) {
  const auto a = MustOpen("a.db");
  const auto b = MustOpen("b.db");
  EXPECT_NE(a->epoch(), b->epoch());
}

TEST_F(StoreTest, AnEpochIsNeverZero) {
  class ZeroFirst final : public Random {
   public:
    uint64_t Next() override { return calls_++ < 3 ? 0 : 42; }

   private:
    int calls_ = 0;
  } random;
  const auto store = Store::Open(directory_ + "/zero.db", {}, random);
  ASSERT_THAT(store, IsOk());
  EXPECT_EQ((*store)->epoch(), 42u);
}

TEST_F(StoreTest, TheLargestEpochSurvivesReopening) {
  class Largest final : public Random {
   public:
    uint64_t Next() override { return UINT64_MAX; }
  } random;
  for (int i = 0; i < 2; ++i) {
    const auto store = Store::Open(directory_ + "/large.db", {}, random);
    ASSERT_THAT(store, IsOk());
    EXPECT_EQ((*store)->epoch(), UINT64_MAX);
  }
}

TEST_F(StoreTest, ANewerOrUnreadableFormatIsRefused) {
  for (const char* version : {"2", "999999999999", "two", ""}) {
    ASSERT_THAT(
        MustOpen()->database().Execute("update tidewire_meta set value = '" + std::string(version) +
                                       "' where name = 'format_version'"),
        IsOk());
    EXPECT_THAT(Open(), FailsWith(ErrorCode::kFailedPrecondition,
                                  AllOf(HasSubstr("format " + std::string(version)),
                                        HasSubstr("knows up to 1"))));
    sqlite::Database raw = std::move(*sqlite::Database::Open(directory_ + "/tidewire.db"));
    ASSERT_THAT(raw.Execute("update tidewire_meta set value = '1' where name = 'format_version'"),
                IsOk());
  }
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(StoreTest, ALostEpochIsDataLossNotANewHistory) {
  for (const char* damage : {"update tidewire_meta set value = '0' where name = 'epoch'",
                             "update tidewire_meta set value = '-1' where name = 'epoch'",
                             "update tidewire_meta set value = 'x' where name = 'epoch'"}) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    ASSERT_THAT(MustOpen()->database().Execute(damage), IsOk());
    EXPECT_THAT(Open(), FailsWith(ErrorCode::kDataLoss, HasSubstr("epoch"))) << damage;
  }
}

TEST_F(StoreTest, AFileThatIsNoDatabaseIsRefused) {
  FILE* file = std::fopen((directory_ + "/tidewire.db").c_str(), "w");
  std::fputs("this is a letter, not a database; it goes on for a while, as letters do", file);
  std::fclose(file);
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kDataLoss));
}

TEST_F(StoreTest, ASchemaErrorNamesItsFileAndLeavesNoTransaction) {
  const auto store = MustOpen();
  for (const char* sql : {"create tabel t(a)", "begin; create table t(a); select * from nowhere",
                          "create table t(a unique); insert into t values(1), (1)",
                          "create table u(a strict) strict"}) {
    EXPECT_THAT(store->ApplySchema(sql, "schema/main.sql"),
                FailsWith(ErrorCode::kInvalidArgument, StartsWith("schema/main.sql: ")))
        << sql;
    EXPECT_FALSE(store->database().InTransaction()) << sql;
  }
}

TEST_F(StoreTest, ASchemaMayRunTwice) {
  const auto store = MustOpen();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(store->ApplySchema("-- Notes.\ncreate table if not exists t(a);\n\n", "s.sql"),
                IsOk());
    EXPECT_THAT(store->ApplySchema("", "empty.sql"), IsOk());
  }
}

struct Declared {
  const char* declared;
  ColumnType type;
};

TEST_F(StoreTest, DeclaredTypesMapToTheNamesOfPostgres) {
  using enum ColumnType;
  constexpr Declared kCases[] = {
      {"integer", kInt8},
      {"INT", kInt8},
      {"bigint", kInt8},
      {"smallint", kInt8},
      {"UNSIGNED BIG INT", kInt8},
      {"boolean", kBool},
      {"BOOL", kBool},
      {"real", kFloat8},
      {"double precision", kFloat8},
      {"float", kFloat8},
      {"numeric(10,2)", kNumeric},
      {"DECIMAL", kNumeric},
      {"json", kJson},
      {"JSONB", kJson},
      {"timestamp", kTimestamptz},
      {"timestamptz", kTimestamptz},
      {"timestamp with time zone", kTimestamptz},
      {"datetime", kTimestamptz},
      {"date", kDate},
      {"uuid", kUuid},
      {"blob", kBytea},
      {"bytea", kBytea},
      {"text", kText},
      {"varchar(20)", kText},
      {"char(3)", kText},
      {"interval", kText},
      {"point", kText},
      {"", kText},
      {"anything", kText},
  };
  std::string sql = "create table all_types(";
  for (size_t i = 0; i < std::size(kCases); ++i) {
    sql += (i > 0 ? ", c" : "c") + std::to_string(i) + " " + kCases[i].declared;
  }
  const auto store = MustOpen();
  ASSERT_THAT(store->ApplySchema(sql + ")", "s.sql"), IsOk());
  const auto relation = DescribeTable(store->database(), "all_types");
  ASSERT_THAT(relation, IsOk());
  ASSERT_EQ(relation->columns.size(), std::size(kCases));
  for (size_t i = 0; i < std::size(kCases); ++i) {
    EXPECT_EQ(relation->columns[i].type, kCases[i].type) << kCases[i].declared;
    EXPECT_EQ(relation->columns[i].type_name, TypeName(kCases[i].type)) << kCases[i].declared;
  }
}

TEST_F(StoreTest, DescribeTableGivesColumnsInOrderAndTheKeyInKeyOrder) {
  const auto store = MustOpen();
  ASSERT_THAT(store->ApplySchema("create table pairs(\"a b\" text, org int, n int,"
                                 " primary key(n, org)); create table bare(a)",
                                 "s.sql"),
              IsOk());
  const auto pairs = DescribeTable(store->database(), "pairs");
  ASSERT_THAT(pairs, IsOk());
  EXPECT_EQ(pairs->id, 0u);
  EXPECT_EQ(pairs->schema, "public");
  EXPECT_EQ(pairs->table, "pairs");
  EXPECT_EQ(pairs->columns[0].name, "a b");
  EXPECT_THAT(pairs->key, ElementsAre(2, 1));
  EXPECT_THAT(DescribeTable(store->database(), "bare")->key, IsEmpty());
}

TEST_F(StoreTest, AMissingTableIsNamedWithItsNearest) {
  const auto store = MustOpen();
  ASSERT_THAT(store->ApplySchema("create table messages(a)", "s.sql"), IsOk());
  EXPECT_THAT(DescribeTable(store->database(), "mesages"),
              FailsWith(ErrorCode::kNotFound, "no table 'mesages'; did you mean 'messages'?"));
  EXPECT_THAT(DescribeTable(store->database(), "zzzzzzzzzz"),
              FailsWith(ErrorCode::kNotFound, Not(HasSubstr("did you mean"))));
  EXPECT_THAT(DescribeTable(store->database(), "x'; drop table messages; --"),
              FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(DescribeTable(store->database(), "messages"), IsOk());
}

TEST_F(StoreTest, ListTablesGivesOnlyTheUsersOwnSorted) {
  const auto store = MustOpen();
  EXPECT_THAT(ListTables(store->database()), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(store->ApplySchema("create table zebra(id integer primary key autoincrement);"
                                 "create table apple(a); create view looks(a) as select 1;"
                                 "create table tidewires(a); create table tidewire_own(a);"
                                 "create index by_a on apple(a)",
                                 "s.sql"),
              IsOk());
  EXPECT_THAT(ListTables(store->database()),
              IsOkAndHolds(ElementsAre("apple", "tidewires", "zebra")));
}

TEST_F(StoreTest, ValuesRoundTrip) {
  const auto store = MustOpen();
  ASSERT_THAT(store->ApplySchema("create table v(x)", "s.sql"), IsOk());
  const std::string zeros("a\0b\0", 4);
  const std::pair<Value, ColumnType> cases[] = {
      {Value(), ColumnType::kText},
      {Value(true), ColumnType::kBool},
      {Value(false), ColumnType::kBool},
      {Value(0), ColumnType::kInt8},
      {Value(std::numeric_limits<int64_t>::min()), ColumnType::kInt8},
      {Value(std::numeric_limits<int64_t>::max()), ColumnType::kInt8},
      {Value(0.1), ColumnType::kFloat8},
      {Value(std::numeric_limits<double>::infinity()), ColumnType::kFloat8},
      {Value(""), ColumnType::kText},
      {Value(std::string_view(zeros)), ColumnType::kText},
      {Value("h\u00e9llo \U0001f30a"), ColumnType::kText},
      {Value(Bytes{""}), ColumnType::kBytea},
      {Value(Bytes{zeros + "\xff"}), ColumnType::kBytea},
      {Value("12345678901234567890.0100"), ColumnType::kNumeric},
  };
  for (const auto& [value, type] : cases) {
    ASSERT_THAT(store->database().Execute("delete from v"), IsOk());
    auto insert = store->database().Prepare("insert into v values(?)");
    ASSERT_THAT(insert, IsOk());
    BindValue(*insert, 1, value);
    ASSERT_THAT(insert->Run(), IsOk());
    auto select = store->database().Prepare("select x from v");
    ASSERT_THAT(select, IsOk());
    ASSERT_THAT(select->Step(), IsOkAndHolds(true));
    EXPECT_EQ(ColumnValue(*select, 0, type), value) << value.index();
  }
}

TEST_F(StoreTest, OnlyZeroAndOneOfABoolColumnBecomeBool) {
  const auto store = MustOpen();
  auto select = store->database().Prepare("select 0, 1, 2, -1, '1'");
  ASSERT_THAT(select, IsOk());
  ASSERT_THAT(select->Step(), IsOkAndHolds(true));
  EXPECT_EQ(ColumnValue(*select, 0, ColumnType::kBool), Value(false));
  EXPECT_EQ(ColumnValue(*select, 1, ColumnType::kBool), Value(true));
  EXPECT_EQ(ColumnValue(*select, 2, ColumnType::kBool), Value(2));
  EXPECT_EQ(ColumnValue(*select, 3, ColumnType::kBool), Value(-1));
  EXPECT_EQ(ColumnValue(*select, 4, ColumnType::kBool), Value("1"));
  EXPECT_EQ(ColumnValue(*select, 1, ColumnType::kInt8), Value(1));
}

}  // namespace
}  // namespace tw::store
