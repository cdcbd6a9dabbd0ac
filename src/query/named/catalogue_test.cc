// Queries are checked where they are written, see only their caller's rows, and keep their limits.
#include "query/named/catalogue.h"

#include "policy/schema.h"
#include "query/named/engine.h"
#include "query/query_fixture.h"

namespace tw::query {
namespace {

using ::testing::AllOf;
using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

class NamedQueryTest : public QueryFixture {
 protected:
  QueryConfig& Add(const std::string& name, const std::string& sql,
                   const std::vector<std::pair<std::string, ParameterType>>& parameters = {}) {
    auto& item = given_.items.emplace_back();
    item.key = name;
    item.value.sql.value = sql;
    for (const auto& [parameter, type] : parameters) {
      item.value.params.items.push_back({parameter, {.type = type}, {}});
    }
    return item.value;
  }
  Status Compile() {
    TW_ASSIGN_OR_RETURN(catalogue_,
                        CompileQueries(given_, std::make_shared<policy::Catalog>(catalog_), Path()));
    engines_ = MakeSqliteEngines(Path(), store_->epoch(), catalogue_, SystemClock(), random_);
    TW_ASSIGN_OR_RETURN(engine_, engines_->Make());
    return {};
  }
  void Refused(const std::string& sql, const std::string& reason) {
    given_.items.clear();
    Add("q", sql, {{"p", ParameterType::kText}});
    EXPECT_THAT(Compile(), FailsWith(ErrorCode::kInvalidArgument, HasSubstr(reason))) << sql;
  }
  std::string Run(const std::string& name, std::vector<Value> arguments, const Claims& claims) {
    const NamedQuery* const query = catalogue_->Find(name);
    auto rights = RightsOf(*catalogue_, *query, claims);
    if (!rights) return rights.error().code;
    const auto result = engine_->Run(MakeCall(*query, arguments, *rights, claims));
    return result ? result->rows->json : result.error().code;
  }
  void WriteNotes() {
    Write(
        "insert into notes(id, owner, title, stars) values(1, 'alice', 'one', 3),"
        " (2, 'bob', 'two', 5), (3, 'alice', 'three', 4)");
  }

  config::OrderedMap<QueryConfig> given_;
  QueryCataloguePtr catalogue_;
  std::unique_ptr<EngineFactory> engines_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(NamedQueryTest, WhatIsWrongIsNamedWithLineAndColumn) {
  Refused("select id\nfrom notes\nwhere ownr = :p", "line 3, column 7: no such column: ownr");
  Refused("select :p where", "incomplete input");
  Refused("select 1; select :p", "exactly one SELECT");
  Refused("select * from nowhere where 1 = :p", "no such table: nowhere");
  Refused("select id from notes where owner = :q and title = :p", "':q' is not among its params");
  Refused("select id from notes", "params.p: the SQL does not use it");
  Refused("select id from notes where owner = ?1", "parameters are written :name");
  Refused("select 'x from notes where owner = :p", "quote does not end");
  Refused("select /* a /* b */ */ id from notes where owner = :p", "comment within a comment");
  Refused("select id, title as id from notes where owner = :p", "two columns are named 'id'");
  Refused("select id from notes where owner = :claims and title = :p", "which claim?");
}

TEST_F(NamedQueryTest, OnlyReadingOfFollowedTablesIsAllowed) {
  for (const char* sql :
       {"delete from notes where owner = :p", "update notes set title = :p",
        "insert into notes(title) values(:p)", "create table x as select :p as p",
        "pragma table_info(:p)", "attach :p as other", "delete from notes where owner = :p returning id"}) {
    Refused(sql, "sql: line 1, column");
  }
  Refused("select id from secret where id = :p", "table 'secret' is not in `tables`");
  Refused("select name from sqlite_schema where name = :p", "not allowed: sqlite_");
  Refused("select offset from tidewire_log where offset = :p", "not allowed: tidewire_log");
  Refused("select load_extension(:p)", "not allowed");
  Refused("select rowid as r, owner from typed where owner = :p", "no such column");
}

TEST_F(NamedQueryTest, ModesThatCannotBeKeptAreRefused) {
  Add("q", "select random() as r from notes");
  EXPECT_THAT(Compile(), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("live: off")));
  given_.items[0].value.live = LiveMode::kOff;
  EXPECT_THAT(Compile(), IsOk());
  given_.items.clear();
  Add("q", "select id from notes").live = LiveMode::kRows;
  EXPECT_THAT(Compile(), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("needs a row_key")));
  given_.items[0].value.row_key = std::vector<std::string>{"key"};
  EXPECT_THAT(Compile(), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("no column of the result")));
  given_.items.clear();
  Add("q", "select id from notes").access = QueryAccess::kPublic;
  EXPECT_THAT(Compile(), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("row-level security")));
  given_.items.clear();
  Add("q", "select n from numbers").access = QueryAccess::kPublic;
  EXPECT_THAT(Compile(), IsOk());
}

TEST_F(NamedQueryTest, ACallerSeesItsOwnRowsInsideEveryKindOfQuery) {
  Write("create view everything as select id, owner, stars from notes");
  WriteNotes();
  Add("all", "select id from notes order by id");
  Add("sum", "select count(*) as n, sum(stars) as s from notes");
  Add("sub", "select n from numbers where n in (select id from notes)");
  Add("cte", "with mine as (select * from notes) select count(*) as n from mine");
  Add("view", "select id from everything order by id");
  Add("claim", "select id from notes where owner = :claims.sub order by id");
  ASSERT_THAT(Compile(), IsOk());
  Write("insert into numbers values(1, 1), (2, 4), (3, 9)");
  EXPECT_EQ(Run("all", {}, Alice()), R"([{"id":1},{"id":3}])");
  EXPECT_EQ(Run("all", {}, Service()), R"([{"id":1},{"id":2},{"id":3}])");
  EXPECT_EQ(Run("all", {}, Anon()), "[]");
  EXPECT_EQ(Run("sum", {}, Bob()), R"([{"n":1,"s":5}])");
  EXPECT_EQ(Run("sub", {}, Alice()), R"([{"n":1},{"n":3}])");
  EXPECT_EQ(Run("cte", {}, Alice()), R"([{"n":2}])");
  EXPECT_EQ(Run("view", {}, Bob()), R"([{"id":2}])");
  EXPECT_EQ(Run("claim", {}, Bob()), R"([{"id":2}])");
}

// A policy that looks into another table: its rows decide within the query's own transaction, and
// their changes are the query's.
TEST_F(NamedQueryTest, WhatPoliciesLookIntoIsReadAndFollowed) {
  policy::Schema schema;
  const auto& relations = capture_->relations();
  schema.tables.push_back({.relation = relations[0],
                           .policies = {{.name = "shared",
                                         .using_sql = "exists (select 1 from jobs where jobs.id = "
                                                      "notes.stars and jobs.org = "
                                                      "(auth.jwt() ->> 'org')::int)"}}});
  schema.tables.push_back(
      {.relation = relations[3], .policies = {{.name = "all", .using_sql = "true"}}});
  const auto compiled = policy::CompileEmbedded(schema);
  ASSERT_THAT(compiled, IsOk());
  catalog_ = **compiled;
  Add("all", "select id from notes where owner = :p order by id", {{"p", ParameterType::kText}});
  ASSERT_THAT(Compile(), IsOk());
  WriteNotes();
  EXPECT_EQ(Run("all", {Value("alice")}, Alice()), "[]");
  Write("insert into jobs values(3, 1), (4, 2)");
  EXPECT_EQ(Run("all", {Value("alice")}, Alice()), R"([{"id":1}])");
  EXPECT_EQ(Run("all", {Value("alice")}, Bob()), R"([{"id":3}])");

  const ReadSet& reads = catalogue_->Find("all")->reads;
  ASSERT_EQ(reads.tables.size(), 2u);
  EXPECT_EQ(reads.tables[0].columns, (std::vector<uint16_t>{0, 1, 3}));  // stars decides.
  EXPECT_EQ(reads.tables[0].precision(), Precision::kExact);
  EXPECT_EQ(reads.tables[1].relation->table, "jobs");
  EXPECT_EQ(reads.tables[1].columns, (std::vector<uint16_t>{0, 1}));
  EXPECT_EQ(reads.tables[1].precision(), Precision::kColumns);
}

TEST_F(NamedQueryTest, APathAroundTheGuardsIsAnErrorNotALeak) {
  WriteNotes();
  Add("around", "select id from main.notes");
  Add("hidden", "with notes as (select * from main.notes) select id from notes");
  Add("count", "select count(*) as n from main.notes");
  ASSERT_THAT(Compile(), IsOk());
  EXPECT_EQ(Run("around", {}, Alice()), "query_failed");
  EXPECT_EQ(Run("hidden", {}, Alice()), "query_failed");
  EXPECT_EQ(Run("count", {}, Alice()), "query_failed");
}

TEST_F(NamedQueryTest, LimitsHaveNamesAndTheConnectionGoesOn) {
  Write(
      "with recursive c(n) as (select 1 union all select n + 1 from c where n < 200)"
      " insert into numbers select n, n * n from c");
  Add("rows", "select n from numbers").limits.rows = 100;
  Add("bytes", "select n, 'a long text that takes room' as t from numbers").limits.bytes =
      config::KiB(1);
  Add("time", "select count(*) as n from numbers a, numbers b, numbers c, numbers d").limits.time =
      std::chrono::milliseconds{30};
  Add("fine", "select count(*) as n from numbers");
  ASSERT_THAT(Compile(), IsOk());
  EXPECT_EQ(Run("rows", {}, Alice()), "result_too_large");
  EXPECT_EQ(Run("bytes", {}, Alice()), "result_too_large");
  EXPECT_EQ(Run("time", {}, Alice()), "query_timeout");
  EXPECT_EQ(Run("fine", {}, Alice()), R"([{"n":200}])");
}

TEST_F(NamedQueryTest, EqualRightsShareAKeyAndOthersNever) {
  Add("own", "select id from notes where title = :p", {{"p", ParameterType::kText}});
  Add("open", "select n from numbers where n = :p", {{"p", ParameterType::kInt}});
  ASSERT_THAT(Compile(), IsOk());
  const auto key = [&](const std::string& name, Value argument, const Claims& claims) {
    const NamedQuery* const query = catalogue_->Find(name);
    return MakeCall(*query, {argument}, *RightsOf(*catalogue_, *query, claims), claims).key;
  };
  EXPECT_NE(key("own", Value("x"), Alice()), key("own", Value("x"), Bob()));
  EXPECT_EQ(key("own", Value("x"), Alice()),
            key("own", Value("x"), ClaimsOf(R"({"role":"authenticated","sub":"alice","z":9})")));
  EXPECT_NE(key("own", Value("x"), Alice()), key("own", Value("y"), Alice()));
  EXPECT_EQ(key("open", Value(1), Alice()), key("open", Value(1), Bob()));
}

TEST_F(NamedQueryTest, ReadSetsAreAsNarrowAsTheTextAllows) {
  Add("exact", "select title from notes where owner = :p", {{"p", ParameterType::kText}});
  Add("columns", "select title from notes where owner = :p or stars = 1",
      {{"p", ParameterType::kText}});
  ASSERT_THAT(Compile(), IsOk());
  const TableRead& exact = catalogue_->Find("exact")->reads.tables[0];
  EXPECT_EQ(exact.precision(), Precision::kExact);
  EXPECT_EQ(exact.columns, (std::vector<uint16_t>{1, 2}));  // owner, title; not stars.
  EXPECT_EQ(catalogue_->Find("columns")->reads.tables[0].precision(), Precision::kColumns);
}

TEST_F(NamedQueryTest, ArgumentsHaveANormalForm) {
  Add("q", "select n from numbers where n = :i and square = :n", {{"i", ParameterType::kInt},
                                                                  {"n", ParameterType::kNumber}});
  ASSERT_THAT(Compile(), IsOk());
  const auto& parameters = catalogue_->Find("q")->parameters;
  const auto text = [&](const Parameters& given) {
    const auto read = ReadArguments(parameters, given);
    return read ? ArgumentsJson(parameters, *read) : read.error().code + read.error().pointer;
  };
  EXPECT_EQ(text({{"n", "5.0"}, {"i", "1"}}), R"({"i":1,"n":5})");
  EXPECT_EQ(text({{"i", "1"}, {"n", "5"}}), R"({"i":1,"n":5})");
  EXPECT_EQ(text({{"i", "1.5"}, {"n", "5"}}), "invalid_parameter/i");
  EXPECT_EQ(text({{"i", "1"}, {"i", "1"}, {"n", "5"}}), "invalid_parameter/i");
  EXPECT_EQ(text({{"i", "1"}}), "missing_parameter/n");
  EXPECT_EQ(text({{"i", "1"}, {"n", "1"}, {"x", "1"}}), "unknown_parameter/x");
  const auto json = json::Parse(R"({"n":5.0,"i":1})");
  EXPECT_EQ(ArgumentsJson(parameters, *ReadArguments(parameters, json->root())),
            R"({"i":1,"n":5})");
}

}  // namespace
}  // namespace tw::query
