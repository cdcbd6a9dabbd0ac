// PostgREST's parameters, and what is said of wrong ones.
#include "query/table_query.h"

#include "query/query_fixture.h"

namespace tw::query {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;

class TableQueryTest : public QueryFixture {
 protected:
  void ExpectInvalid(const Parameters& parameters, std::string_view message) {
    EXPECT_THAT(Parse("notes", parameters),
                FailsWith(ErrorCode::kInvalidArgument, HasSubstr(std::string(message))))
        << parameters[0].first << "=" << parameters[0].second;
  }
};

TEST_F(TableQueryTest, WithoutParametersEveryColumnAndTheDefaultLimit) {
  const auto query = Parse("notes", {});
  ASSERT_THAT(query, IsOk());
  EXPECT_THAT(query->columns, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_TRUE(query->filter.empty());
  EXPECT_THAT(query->order, IsEmpty());
  EXPECT_EQ(query->limit, kLimitDefault);
  EXPECT_EQ(query->offset, 0u);
}

TEST_F(TableQueryTest, SelectNamesColumnsInTheOrderAskedFor) {
  EXPECT_THAT(Parse("notes", {{"select", "title,id"}})->columns, ElementsAre(2, 0));
  EXPECT_THAT(Parse("notes", {{"select", " title , id "}})->columns, ElementsAre(2, 0));
  EXPECT_THAT(Parse("notes", {{"select", "*"}})->columns, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(TableQueryTest, SelectRefusesWhatIsNoPlainColumn) {
  ExpectInvalid({{"select", "titel"}}, "column notes.titel does not exist; did you mean 'title'?");
  ExpectInvalid({{"select", "id,"}}, "column notes. does not exist");
  for (const char* term :
       {"a:title", "owner(name)", "title::int", "data->x", "authors!inner(id)", "count()"}) {
    ExpectInvalid({{"select", term}}, "only plain column names are supported");
  }
}

TEST_F(TableQueryTest, OrderReadsDirectionAndPlaceOfNulls) {
  const auto query =
      Parse("notes", {{"order", "stars.desc,title.asc.nullsfirst,id,owner.desc.nullslast"}});
  ASSERT_THAT(query, IsOk());
  ASSERT_EQ(query->order.size(), 4u);
  const auto& order = query->order;
  EXPECT_TRUE(order[0].column == 3 && order[0].descending && order[0].nulls_first);
  EXPECT_TRUE(order[1].column == 2 && !order[1].descending && order[1].nulls_first);
  EXPECT_TRUE(order[2].column == 0 && !order[2].descending && !order[2].nulls_first);
  EXPECT_TRUE(order[3].column == 1 && order[3].descending && !order[3].nulls_first);
}

TEST_F(TableQueryTest, OrderRefusesOtherWords) {
  ExpectInvalid({{"order", "stars.up"}}, "'up' is not one of asc, desc, nullsfirst, nullslast");
  ExpectInvalid({{"order", "star.desc"}}, "did you mean 'stars'?");
  ExpectInvalid({{"order", ""}}, "does not exist");
}

TEST_F(TableQueryTest, LimitAndOffsetAreWholeNumbersAndLimitIsCapped) {
  EXPECT_EQ(Parse("notes", {{"limit", "0"}})->limit, 0u);
  EXPECT_EQ(Parse("notes", {{"limit", "10000"}})->limit, kLimitMax);
  EXPECT_EQ(Parse("notes", {{"limit", "18446744073709551615"}})->limit, kLimitMax);
  EXPECT_EQ(Parse("notes", {{"offset", "18446744073709551615"}})->offset, UINT64_MAX);
  for (const char* text : {"", "-1", "1.5", "ten", " 1", "0x10", "18446744073709551616"}) {
    ExpectInvalid({{"limit", text}}, "limit: '" + std::string(text) + "' is not a whole number");
    ExpectInvalid({{"offset", text}}, "is not a whole number");
  }
}

TEST_F(TableQueryTest, ALongWrongNumberIsCutInTheMessage) {
  const auto query = Parse("notes", {{"limit", std::string(5'000, 'x')}});
  ASSERT_FALSE(query.ok());
  EXPECT_LT(query.error().message.size(), 100u);
}

TEST_F(TableQueryTest, FiltersNameTheirColumn) {
  EXPECT_EQ(
      Parse("notes", {{"stars", "gt.3"}, {"done", "is.true"}})->filter.canonical(),
      policy::Filter::Parse("done=is.true,stars=gt.3", *capture_->relations()[0])->canonical());
  ExpectInvalid({{"ownr", "eq.alice"}}, "column notes.ownr does not exist; did you mean 'owner'?");
  ExpectInvalid({{"stars", "roughly.3"}}, "roughly");
  ExpectInvalid({{"stars", "eq.three"}}, "three");
}

TEST_F(TableQueryTest, ListsAreRefusedByNameAndTheKeyIsPassedOver) {
  for (const char* name : {"or", "and", "not.or", "not.and"}) {
    ExpectInvalid({{name, "(id.eq.1,id.eq.2)"}}, "lists are not supported");
  }
  EXPECT_THAT(Parse("notes", {{"apikey", "eyJ"}}), IsOk());
}

TEST_F(TableQueryTest, ATableThatIsNotConfiguredIsNotFoundWhetherItExistsOrNot) {
  for (const char* table : {"secret", "tidewire_log", "sqlite_schema", "nowhere", "", "NOTES"}) {
    EXPECT_THAT(Parse(table, {}),
                FailsWith(ErrorCode::kNotFound,
                          "Could not find the table 'public." + std::string(table) + "'"));
  }
}

TEST_F(TableQueryTest, ClaimsThatRaiseAreDeniedWithPostgresText) {
  EXPECT_THAT(
      Parse("jobs", {}, ClaimsOf(R"({"role":"authenticated","org":"x"})")),
      FailsWith(ErrorCode::kPermissionDenied, HasSubstr("invalid input syntax for type integer")));
  EXPECT_THAT(Parse("jobs", {}, Alice()), IsOk());
}

TEST_F(TableQueryTest, NoErrorRepeatsAVeryLongTableName) {
  const auto query = Parse(std::string(10'000, 't'), {});
  ASSERT_FALSE(query.ok());
  EXPECT_LT(query.error().message.size(), 200u);
}

}  // namespace
}  // namespace tw::query
