// Rows, order, policies, positions, limits.
#include "query/table_reader.h"

#include <atomic>
#include <thread>

#include "query/query_fixture.h"

namespace tw::query {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using ::testing::StartsWith;

class TableReaderTest : public QueryFixture {
 protected:
  void WriteNotes() {
    Write(
        "insert into notes(id, owner, title, stars, done) values"
        " (1, 'alice', 'one', 3, false), (2, 'bob', 'two', 5, true),"
        " (3, 'alice', 'three', null, true), (4, 'alice', 'four', 1, null),"
        " (5, null, 'nobody', 9, true), (6, 'Alice', 'capital', 9, true)");
  }
};

TEST_F(TableReaderTest, RowsOfOthersAreNeverReturned) {
  WriteNotes();
  EXPECT_EQ(Rows("notes", {{"select", "id"}, {"order", "id"}}), R"([{"id":1},{"id":3},{"id":4}])");
  EXPECT_EQ(Rows("notes", {{"select", "id"}}, Bob()), R"([{"id":2}])");
  EXPECT_EQ(Rows("notes", {{"select", "id"}}, Anon()), "[]");
  EXPECT_EQ(Read("notes", {}, Service())->rows, 6u);
  // Whatever is asked for.
  for (const Parameters& asked : {Parameters{{"owner", "eq.bob"}}, Parameters{{"id", "eq.2"}},
                                  Parameters{{"id", "in.(2,5,6)"}}, Parameters{{"stars", "gt.4"}},
                                  Parameters{{"owner", "neq.alice"}}}) {
    EXPECT_EQ(Rows("notes", asked), "[]") << asked[0].first << "=" << asked[0].second;
  }
}

TEST_F(TableReaderTest, OffsetAndLimitCountOnlyRowsThatMayBeSeen) {
  WriteNotes();
  EXPECT_EQ(Rows("notes", {{"select", "id"}, {"order", "id"}, {"offset", "1"}, {"limit", "1"}}),
            R"([{"id":3}])");
  EXPECT_EQ(Rows("notes", {{"select", "id"}, {"offset", "3"}}), "[]");
  EXPECT_EQ(Rows("notes", {{"limit", "0"}}), "[]");
  EXPECT_EQ(Rows("notes", {{"offset", "18446744073709551615"}}), "[]");
}

TEST_F(TableReaderTest, NullsSortAsInPostgres) {
  WriteNotes();
  const auto ids = [&](const char* order) {
    return Rows("notes", {{"select", "id"}, {"order", order}});
  };
  EXPECT_EQ(ids("stars"), R"([{"id":4},{"id":1},{"id":3}])");
  EXPECT_EQ(ids("stars.desc"), R"([{"id":3},{"id":1},{"id":4}])");
  EXPECT_EQ(ids("stars.asc.nullsfirst"), R"([{"id":3},{"id":4},{"id":1}])");
  EXPECT_EQ(ids("stars.desc.nullslast"), R"([{"id":1},{"id":4},{"id":3}])");
  EXPECT_EQ(ids("done.nullsfirst,id.desc"), R"([{"id":4},{"id":1},{"id":3}])");
}

TEST_F(TableReaderTest, ColumnsMayBeOrderedByMoreOftenThanSqliteAllows) {
  WriteNotes();
  std::string order = "id";
  for (int i = 0; i < 3'000; ++i) order += ",id";
  EXPECT_EQ(Rows("notes", {{"select", "id"}, {"order", order}}), R"([{"id":1},{"id":3},{"id":4}])");
}

TEST_F(TableReaderTest, FiltersDecideLikeTheStream) {
  WriteNotes();
  const auto ids = [&](const char* column, const char* operation) {
    return Rows("notes", {{"select", "id"}, {"order", "id"}, {column, operation}}, Service());
  };
  EXPECT_EQ(ids("stars", "gte.5"), R"([{"id":2},{"id":5},{"id":6}])");
  EXPECT_EQ(ids("stars", "is.null"), R"([{"id":3}])");
  EXPECT_EQ(ids("owner", "eq.alice"), R"([{"id":1},{"id":3},{"id":4}])");
  EXPECT_EQ(ids("owner", "in.(bob,Alice)"), R"([{"id":2},{"id":6}])");
  EXPECT_EQ(ids("owner", "not.eq.alice"), R"([{"id":2},{"id":6}])");
  EXPECT_EQ(ids("title", "like.t*"), R"([{"id":2},{"id":3}])");
  EXPECT_EQ(ids("done", "is.true"), R"([{"id":2},{"id":3},{"id":5},{"id":6}])");
  EXPECT_EQ(ids("done", "eq.false"), R"([{"id":1}])");
}

TEST_F(TableReaderTest, ValuesAreWrittenAsTheStreamWritesThem) {
  Write(R"(insert into typed values(1, '1.50', '{"a":[1,null]}', x'00ff', 0.5, true),)"
        " (2, null, null, null, null, null)");
  EXPECT_EQ(Rows("typed", {{"order", "id"}}),
            R"([{"id":1,"price":1.5,"data":{"a":[1,null]},"raw":"00ff","score":0.5,"done":true},)"
            R"({"id":2,"price":null,"data":null,"raw":null,"score":null,"done":null}])");
}

TEST_F(TableReaderTest, NamesAndTextAreEscaped) {
  Write("insert into notes(id, owner, title) values(1, 'alice', 'a\"b\\c\nd')");
  EXPECT_EQ(Rows("notes", {{"select", "title"}}), R"([{"title":"a\"b\\c\nd"}])");
  EXPECT_EQ(Rows("notes", {{"title", "eq.x' or 1=1 --"}}), "[]");
}

TEST_F(TableReaderTest, ThePositionIsTheEndOfTheLog) {
  EXPECT_EQ(Read("notes")->position, (Position{store_->epoch(), 0}));
  WriteNotes();
  EXPECT_EQ(Read("notes")->position, (Position{store_->epoch(), 6}));
  // Also for one who sees nothing.
  EXPECT_EQ(Read("notes", {}, Anon())->position, (Position{store_->epoch(), 6}));
  Write("delete from notes where id = 6");
  EXPECT_EQ(Read("notes")->position, (Position{store_->epoch(), 7}));
}

// Each write adds one row and one change: at position p exactly p rows exist.
TEST_F(TableReaderTest, ThePositionIsExactWhileAnotherConnectionWrites) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    auto other = sqlite::Database::Open(Path(), {.durability = sqlite::Durability::kOff});
    ASSERT_THAT(other, IsOk());
    for (int n = 1; n <= 4'000 && !stop.load(); ++n) {
      ASSERT_THAT(other->Execute("insert into numbers values(" + std::to_string(n) + ", 0)"),
                  IsOk());
    }
  });
  uint64_t seen = 0;
  for (int i = 0; i < 200; ++i) {
    const auto result = Read("numbers", {{"limit", "10000"}, {"select", "n"}});
    EXPECT_THAT(result, IsOk());
    if (!result.ok()) break;
    EXPECT_EQ(result->rows, result->position.offset);
    EXPECT_GE(result->rows, seen);
    seen = result->rows;
  }
  stop.store(true);
  writer.join();
}

TEST_F(TableReaderTest, ScanningTooMuchIsRefusedByName) {
  Write(
      "with recursive c(n) as (select 1 union all select n + 1 from c where n < 100)"
      " insert into numbers select n, n * n from c");
  const ReaderLimits limits{.rows_scanned_max = 50};
  EXPECT_THAT(Read("numbers", {}, Alice(), limits),
              FailsWith(ErrorCode::kResourceExhausted,
                        HasSubstr("more than 50 rows; add a filter on an indexed column")));
  EXPECT_THAT(Read("numbers", {{"limit", "50"}}, Alice(), limits), IsOk());
  EXPECT_THAT(Read("numbers", {{"n", "eq.99"}}, Alice(), limits), IsOk());
  // The connection is fit for the next read.
  EXPECT_FALSE(store_->database().InTransaction());
  EXPECT_EQ(Rows("numbers", {{"n", "eq.99"}}), R"([{"n":99,"square":9801}])");
}

TEST_F(TableReaderTest, ALargeResultIsRefusedByName) {
  Write(
      "with recursive c(n) as (select 1 union all select n + 1 from c where n < 100)"
      " insert into numbers select n, n * n from c");
  EXPECT_THAT(Read("numbers", {}, Alice(), {.result_bytes_max = 200}),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("larger than 200 bytes")));
  EXPECT_THAT(Read("numbers", {{"limit", "3"}}, Alice(), {.result_bytes_max = 200}), IsOk());
}

TEST_F(TableReaderTest, ATableDroppedMeanwhileIsAnErrorAndTheConnectionGoesOn) {
  WriteNotes();
  const auto query = Parse("numbers", {});
  ASSERT_THAT(query, IsOk());
  Write("drop table numbers");
  EXPECT_FALSE(ReadTable(store_->database(), store_->epoch(), *query, {}).ok());
  EXPECT_FALSE(store_->database().InTransaction());
  EXPECT_EQ(Rows("notes", {{"select", "id"}}, Bob()), R"([{"id":2}])");
}

// An anchor only narrows: values that SQLite compares otherwise than PostgreSQL stay right.
TEST_F(TableReaderTest, NarrowingNeverLosesARow) {
  Write(
      "insert into typed(id, price, score, done) values(1, 1.0, 1, 1), (2, '1.00', 1.0, true),"
      " (3, 1, 1.5, false)");
  const auto ids = [&](const char* column, const char* operation) {
    return Rows("typed", {{"select", "id"}, {"order", "id"}, {column, operation}});
  };
  EXPECT_EQ(ids("price", "eq.1"), R"([{"id":1},{"id":2},{"id":3}])");
  EXPECT_EQ(ids("score", "eq.1"), R"([{"id":1},{"id":2}])");
  EXPECT_EQ(ids("done", "eq.true"), R"([{"id":1},{"id":2}])");
}

TEST_F(TableReaderTest, ManyValuesAreNotAllPushedAndAllFound) {
  Write(
      "with recursive c(n) as (select 1 union all select n + 1 from c where n < 300)"
      " insert into numbers select n, n from c");
  std::string many = "in.(1";
  for (int n = 2; n <= 100; ++n) many += "," + std::to_string(n);
  EXPECT_EQ(Read("numbers", {{"square", many + ")"}})->rows, 100u);
  EXPECT_THAT(Rows("numbers", {{"square", many + ",101)"}}), Not(StartsWith("internal")));
}

TEST_F(TableReaderTest, SeveralTablesAreReadAtOnePosition) {
  WriteNotes();
  Write("insert into numbers values (1, 1), (2, 4)");
  const std::vector<TableQuery> queries = {*Parse("notes", {{"select", "id"}}),
                                           *Parse("numbers", {{"select", "n"}})};
  const auto results = ReadTables(store_->database(), store_->epoch(), queries, {});
  ASSERT_THAT(results, IsOk());
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ((*results)[0].json, R"([{"id":1},{"id":3},{"id":4}])");
  EXPECT_EQ((*results)[1].json, R"([{"n":1},{"n":2}])");
  EXPECT_EQ((*results)[0].position, (*results)[1].position);
  EXPECT_EQ((*results)[0].position.offset, 8u);
  // Limits are for all of them together.
  EXPECT_THAT(ReadTables(store_->database(), store_->epoch(), queries, {.rows_max = 5}), IsOk());
  EXPECT_THAT(ReadTables(store_->database(), store_->epoch(), queries, {.rows_max = 4}),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("more than 4 rows")));
  EXPECT_THAT(ReadTables(store_->database(), store_->epoch(), queries, {.result_bytes_max = 40}),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("larger than 40 bytes")));
}

TEST_F(TableReaderTest, AResultSaysWhereItCanBeCut) {
  Write("with recursive r(n) as (select 1 union all select n + 1 from r where n < 20000)"
        " insert into numbers select n, n * n from r");
  auto result = Read("numbers", {{"limit", "10000"}});
  ASSERT_THAT(result, IsOk());
  ASSERT_GE(result->cuts.size(), 2u);
  size_t begin = 1;
  size_t rows = 0;
  result->cuts.push_back(result->json.size() - 1);
  for (const size_t cut : result->cuts) {
    const auto page = json::Parse("[" + result->json.substr(begin, cut - begin) + "]");
    ASSERT_THAT(page, IsOk());
    rows += page->root().items().size();
    EXPECT_LT(cut - begin, kPageBytes + 100);
    begin = cut + 1;
  }
  EXPECT_EQ(rows, 10'000u);
}

}  // namespace
}  // namespace tw::query
