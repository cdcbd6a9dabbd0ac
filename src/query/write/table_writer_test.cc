// Writes are judged by what was committed before them.
#include "query/write/table_writer.h"

#include "policy/schema.h"
#include "query/query_fixture.h"

namespace tw::query {
namespace {

using testing::IsOk;

// jobs are the memberships: org `org` has the job `id`. Whoever's organisation is listed with the
// number of a note's stars may write that note; whoever is in an organisation may add to it.
class TableWriterTest : public QueryFixture {
 protected:
  TableWriterTest() {
    const auto& relations = capture_->relations();
    policy::Schema schema;
    schema.tables.push_back({.relation = relations[0],
                             .policies = {{.name = "read", .using_sql = "true"}}});
    schema.tables.push_back({.relation = relations[3],
                             .policies = {{.name = "read", .using_sql = "true"}}});
    const std::string mine = "(auth.jwt() ->> 'org')::int";
    const std::vector<policy::PolicyDefinition> notes = {
        {.name = "write",
         .using_sql = "exists (select 1 from jobs where jobs.id = notes.stars and jobs.org = " +
                      mine + ")"}};
    const std::vector<policy::PolicyDefinition> jobs = {
        {.name = "write",
         .using_sql = "exists (select 1 from jobs as members where members.org = " + mine + ")"}};
    std::vector<policy::SchemaTable> variants;
    for (size_t table = 0; table < 2; ++table) {
      variants.push_back(schema.tables[table]);
      for (int command = 0; command < 4; ++command) {
        variants.push_back(schema.tables[table]);
        variants.back().policies = table == 0 ? notes : jobs;
      }
    }
    auto compiled = policy::CompileCommands(schema, variants);
    EXPECT_THAT(compiled, IsOk());
    policies_ = std::make_shared<WritePolicies>(compiled->inner);
    for (size_t table = 0; table < 2; ++table) {
      const auto* const first = &compiled->policies[table * 5];
      policies_->Add(schema.tables[table].relation->table,
                     {first[0], first[1], first[2], first[3], first[4]});
    }
    auto catalog = policy::CompileEmbedded(schema);
    EXPECT_THAT(catalog, IsOk());
    writing_ = *catalog;
  }

  // The status, or the SQLSTATE.
  std::string Do(TableWrite::Kind kind, std::string_view table, const Parameters& filter,
                 std::string_view body, Claims claims = Alice()) {
    const WriteRequest request{.kind = kind, .table = table, .parameters = filter, .body = body};
    auto write =
        ParseTableWrite(request, std::make_shared<const Claims>(std::move(claims)), *writing_, policies_.get());
    if (!write) return write.error().code;
    const auto result = writer_.Execute(*write);
    return result ? std::to_string(result->status) + " rows " + std::to_string(result->rows)
                  : result.error().code;
  }

  std::shared_ptr<WritePolicies> policies_;
  policy::CatalogPtr writing_;
  TableWriter writer_{store_->database(), Path(), {}, store_->epoch()};
};

TEST_F(TableWriterTest, PoliciesLookIntoOtherTables) {
  constexpr std::string_view kNote = R"({"id":1,"stars":7})";
  EXPECT_EQ(Do(TableWrite::Kind::kInsert, "notes", {}, kNote), "42501");
  Write("insert into jobs values(7, 1)");
  EXPECT_EQ(Do(TableWrite::Kind::kInsert, "notes", {}, kNote), "201 rows 1");
  EXPECT_EQ(Do(TableWrite::Kind::kUpdate, "notes", {{"id", "eq.1"}}, R"({"title":"x"})", Bob()),
            "204 rows 0");
  EXPECT_EQ(Do(TableWrite::Kind::kUpdate, "notes", {{"id", "eq.1"}}, R"({"title":"x"})"),
            "204 rows 1");
  // Into what is another's.
  EXPECT_EQ(Do(TableWrite::Kind::kUpdate, "notes", {{"id", "eq.1"}}, R"({"stars":8})"), "42501");
  EXPECT_EQ(Do(TableWrite::Kind::kDelete, "notes", {{"id", "eq.1"}}, "", Bob()), "204 rows 0");
  EXPECT_EQ(Do(TableWrite::Kind::kDelete, "notes", {{"id", "eq.1"}}, ""), "204 rows 1");
}

// As PostgreSQL's WITH CHECK, whose sub-selects do not see the rows of their own statement.
TEST_F(TableWriterTest, NobodyAdmitsHimself) {
  EXPECT_EQ(Do(TableWrite::Kind::kInsert, "jobs", {}, R"({"id":1,"org":1})"), "42501");
  EXPECT_EQ(Do(TableWrite::Kind::kInsert, "jobs", {}, R"([{"id":1,"org":1},{"id":2,"org":1}])"),
            "42501");
  Write("insert into jobs values(9, 1)");
  EXPECT_EQ(Do(TableWrite::Kind::kInsert, "jobs", {}, R"([{"id":1,"org":2},{"id":2,"org":1}])"),
            "201 rows 2");
}

}  // namespace
}  // namespace tw::query
