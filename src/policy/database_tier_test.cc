// The database's own verdicts on images against what it shows of the table, and against memory's.
#include "policy/database_tier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "policy/catalog.h"
#include "policy/postgres_world.h"
#include "policy/program.h"
#include "testing/matchers.h"
#include "testing/postgres_cluster.h"

namespace tw::policy {
namespace {

using postgres_world::Reader;
using postgres_world::World;
using testing::IsOk;
using testing::PostgresCluster;

AccessPtr DatabaseAccess(postgres::Connection& connection, const Schema& schema,
                         const SchemaTable& table, const Reader& reader) {
  auto program = Program::InDatabase(schema, table, reader.role);
  EXPECT_THAT(program, IsOk());
  if (!program.ok()) return nullptr;
  const auto values =
      EvaluateClaims(connection, reader.role, reader.claims, {std::string(kClaimsTextSql)});
  EXPECT_THAT(values, IsOk());
  return MakeAccess(*program, *values);
}

uint64_t Seed() {
  const char* const given = std::getenv("TIDEWIRE_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : SystemRandom().Next();
  std::printf("seed %llu (TIDEWIRE_TEST_SEED repeats it)\n", static_cast<unsigned long long>(seed));
  return seed;
}

// D3, the tiers agree with each other and with the database: every policy, also one that memory
// decides, is asked of the database here.
class TiersTest {
 public:
  explicit TiersTest(uint64_t seed)
      : dsn_(PostgresCluster::Shared().NewDatabase()), world_(dsn_, seed) {
    auto tier = DatabaseTier::Open(dsn_);
    EXPECT_THAT(tier, IsOk());
    tier_.emplace(std::move(*tier));
  }

  void RunSet(int set) {
    if (set % 10 == 0) world_.NewTables();
    world_.NewPolicies();
    const SchemaTable& table = *world_.schema().FindTable("public", "t");
    std::vector<Reader> readers;
    std::vector<DatabaseQuestion> questions;
    for (const Reader& reader : world_.Readers()) {
      if (world_.schema().Bypasses(reader.role, table) || !table.MayRead(reader.role)) continue;
      DatabaseQuestion question;
      question.reader = DatabaseAccess(world_.connection(), world_.schema(), table, reader);
      ASSERT_NE(question.reader, nullptr);
      for (const auto& [id, row] : world_.rows()) question.rows.push_back(&row);
      questions.push_back(std::move(question));
      readers.push_back(reader);
    }
    const auto answers = tier_->Ask(questions);
    ASSERT_THAT(answers, IsOk()) << world_.Script();
    const PostgresCatalog compiled = CompilePostgres(world_.schema());
    const auto tables = world_.Load(compiled.catalog->inner());
    const auto view = tables->At(0);
    const auto& policy = *compiled.catalog->Find("public", "t")->policy;
    for (size_t i = 0; i < readers.size(); ++i) {
      Compare(readers[i], (*answers)[i]);
      CompareWithMemory(*policy.ProgramFor(readers[i].role), policy, readers[i], view,
                        (*answers)[i]);
    }
  }

  size_t compared = 0;
  size_t in_memory = 0;
  size_t not_compiled = 0;
  size_t raised = 0;

 private:
  void Compare(const Reader& reader, const DatabaseAnswer& answer) {
    std::string error;
    const auto shown = world_.Shown(reader, error);
    if (!shown) {
      // The whole query raises when one row does, or at plan time; each row is judged by itself.
      ++raised;
      return;
    }
    for (size_t r = 0; r < answer.rows.size(); ++r) {
      const int64_t id = world_.rows()[r].first;
      // In which order a query asks its policies depends on its plan (which of them are leakproof):
      // what another order would have hidden may raise.
      if (answer.rows[r] == RowVerdict::kRaised && !shown->contains(id)) {
        ++raised;
        continue;
      }
      EXPECT_EQ(answer.rows[r], shown->contains(id) ? RowVerdict::kShown : RowVerdict::kHidden)
          << world_.Script() << "\n"
          << reader.role << " " << reader.claims << " row " << id
          << (answer.error ? answer.error->message : "");
      ++compared;
    }
  }

  void CompareWithMemory(const Program& program, const TablePolicy& policy, const Reader& reader,
                         const InnerView& view, const DatabaseAnswer& answer) {
    if (program.database() != nullptr) ++not_compiled;
    if (program.database() != nullptr || program.error()) return;
    std::set<std::string> expressions;
    CollectSlotSql(program, expressions);
    const auto values =
        EvaluateClaims(world_.connection(), reader.role, reader.claims, expressions);
    ASSERT_THAT(values, IsOk());
    const AccessPtr memory = MakeAccess(policy.ProgramFor(reader.role), *values);
    if (memory->error()) return;
    ++in_memory;
    for (size_t r = 0; r < answer.rows.size(); ++r) {
      const auto judged = memory->Judge(world_.rows()[r].second, &view);
      if (judged == Access::Judgement::kError || answer.rows[r] == RowVerdict::kRaised) continue;
      EXPECT_EQ(answer.rows[r] == RowVerdict::kShown, judged == Access::Judgement::kShown)
          << world_.Script() << "\n"
          << reader.role << " " << reader.claims;
    }
  }

  std::string dsn_;
  World world_;
  std::optional<DatabaseTier> tier_;
};

TEST(DatabaseTierTest, ShowsWhatTheDatabaseShowsAndWhatMemoryShows) {
  TiersTest test(Seed());
  for (int set = 0; set < 200 && !::testing::Test::HasFailure(); ++set) test.RunSet(set);
  std::printf("%zu decisions, %zu programs in memory as well, %zu not compiled, %zu raised\n",
              test.compared, test.in_memory, test.not_compiled, test.raised);
  EXPECT_GT(test.compared, 500u);
  EXPECT_GT(test.in_memory, 50u);
  EXPECT_GT(test.not_compiled, 5u);
  EXPECT_LT(test.raised, test.compared / 10);
}

class DatabaseTierCasesTest : public ::testing::Test {
 protected:
  DatabaseTierCasesTest() : dsn_(PostgresCluster::Shared().NewDatabase()), connection_(Open()) {
    Run("do $$ begin if to_regrole('tier_user') is null then create role tier_user nologin; end "
        "if; end $$; create schema auth; grant usage on schema auth, public to tier_user; "
        "create function auth.jwt() returns jsonb language sql stable as "
        "$$ select current_setting('request.jwt.claims', true)::jsonb $$");
  }
  postgres::Connection Open() {
    auto connection = postgres::Connection::Open({.dsn = dsn_});
    EXPECT_THAT(connection, IsOk());
    return std::move(*connection);
  }
  void Run(const std::string& sql) { ASSERT_THAT(connection_.Execute(sql), IsOk()); }
  // Table public.docs, under row-level security.
  void Read() {
    Run("alter table public.docs enable row level security; grant select on public.docs to "
        "tier_user");
    auto relations = ReadRelations(connection_, "public");
    ASSERT_THAT(relations, IsOk());
    auto schema = ReadSchema(connection_, WithoutGenerated(*relations));
    ASSERT_THAT(schema, IsOk());
    schema_ = std::move(*schema);
    table_ = schema_.FindTable("public", "docs");
  }
  // As the stream describes tables.
  std::vector<RelationPtr> WithoutGenerated(const std::vector<RelationPtr>& relations) {
    const auto generated = connection_.Query(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid "
        "where a.attgenerated <> '' and a.attnum > 0");
    EXPECT_THAT(generated, IsOk());
    std::vector<RelationPtr> streamed;
    for (const RelationPtr& relation : relations) {
      auto copy = std::make_shared<Relation>(*relation);
      for (size_t i = 0; i < generated->size(); ++i) {
        if (generated->Text(i, 0) != copy->table) continue;
        std::erase_if(copy->columns,
                      [&](const Column& column) { return column.name == generated->Text(i, 1); });
      }
      for (Column& column : copy->columns) {
        if (column.type_name.starts_with('_') || column.type_name == "float4") {
          column.type = ColumnType::kEncoded;
        }
      }
      streamed.push_back(std::move(copy));
    }
    return streamed;
  }
  AccessPtr Join(const std::string& claims, const std::string& role = "tier_user") {
    return DatabaseAccess(connection_, schema_, *table_, {role, claims});
  }
  // A sign per row: - hidden, + shown, ! raised, ? unknown. One text per reader.
  std::vector<std::string> Judge(const std::vector<AccessPtr>& readers,
                                 const DatabaseTier::Limits& limits = {}) {
    auto tier = DatabaseTier::Open(dsn_, limits);
    EXPECT_THAT(tier, IsOk());
    std::vector<DatabaseQuestion> questions;
    for (const AccessPtr& reader : readers) {
      questions.push_back({.reader = reader});
      for (const Row& row : rows_) questions.back().rows.push_back(&row);
    }
    auto answers = tier->Ask(questions);
    EXPECT_THAT(answers, IsOk());
    std::vector<std::string> texts;
    errors_.clear();
    for (const DatabaseAnswer& answer : *answers) {
      std::string text;
      for (const RowVerdict verdict : answer.rows) text += "-+!?"[static_cast<size_t>(verdict)];
      texts.push_back(std::move(text));
      errors_.push_back(answer.error ? answer.error->message : "");
    }
    return texts;
  }
  std::string Judge(const AccessPtr& reader) { return Judge(std::vector{reader}).front(); }

  std::string dsn_;
  postgres::Connection connection_;
  Schema schema_;
  const SchemaTable* table_ = nullptr;
  std::vector<Row> rows_;
  std::vector<std::string> errors_;
};

TEST_F(DatabaseTierCasesTest, TypesThatOnlyTheDatabaseKnowsAreJudged) {
  Run("create table public.docs(id int primary key, tags text[], span int4range, score float4, at "
      "timestamptz, body jsonb, raw bytea); create policy p on public.docs for select using "
      "(auth.jwt() ->> 'tag' = any(tags) and span @> 5 and score < 1.5 and at < now() "
      "and body ? 'k' and length(raw) = 2)");
  Read();
  const auto row = [&](int id, const char* tags, const char* span) {
    rows_.push_back(
        {id, tags, span, "1.25", "2020-01-01 00:00:00+00", R"({"k": 1})", Bytes{"\x01\xff"}});
  };
  row(1, R"(["a", "b"])", "[1,10)");
  row(2, R"(["b"])", "[1,10)");
  row(3, R"(["a"])", "[6,10)");
  EXPECT_THAT(Judge({Join(R"({"tag":"a"})"), Join(R"({"tag":"b"})")}),
              ::testing::ElementsAre("+--", "++-"));
}

// A PL/pgSQL helper that reads a table, unqualified, as most are written.
TEST_F(DatabaseTierCasesTest, HelpersThatReadTablesSeeThemAsTheDatabaseDoes) {
  Run("create table public.members(org int, who text); insert into public.members values (1, 'a'), "
      "(2, 'b'); create table public.docs(id int primary key, org int); create function "
      "public.belongs(wanted int) returns bool language plpgsql stable security definer as $$ "
      "declare n int; begin select count(*) into n from members where org = wanted and who = "
      "auth.jwt() ->> 'sub'; return n > 0; end $$; create policy p on public.docs for select "
      "using (public.belongs(org))");
  Read();
  rows_ = {{1, 1}, {2, 2}, {3, Value()}};
  const AccessPtr a = Join(R"({"sub":"a"})");
  EXPECT_THAT(Judge({a, Join(R"({"sub":"b"})"), Join("{}")}),
              ::testing::ElementsAre("+--", "-+-", "---"));
  const DatabasePredicate& predicate = *a->program().database();
  EXPECT_THAT(predicate.reads,
              ::testing::ElementsAre(std::pair<std::string, std::string>("public", "members")));
  EXPECT_FALSE(predicate.reads_more);
}

TEST_F(DatabaseTierCasesTest, WhatNoTextTellsIsSaidToReadMore) {
  Run("create table public.members(org int); create table public.docs(id int primary key, org "
      "int); create function public.belongs(wanted int) returns bool language plpgsql stable as $$ "
      "declare found bool; begin execute 'select exists (select 1 from members where org = $1)' "
      "into found using wanted; return found; end $$; create function public.recent(at int) "
      "returns "
      "bool language plpgsql stable as $$ begin return at > extract(epoch from now()); end $$; "
      "create policy p on public.docs for select using (public.belongs(org))");
  Read();
  EXPECT_TRUE(Join("{}")->program().database()->reads_more);
  Run("drop policy p on public.docs; create policy p on public.docs for select using "
      "(public.recent(org))");
  Read();
  EXPECT_TRUE(Join("{}")->program().database()->reads_more);
}

// D6: one reader's failing policy is that reader's alone, and one row's that row's.
TEST_F(DatabaseTierCasesTest, WhoseOrWhichRowsPolicyRaisesDisturbsNoOther) {
  Run("create table public.docs(id int primary key, org int); create function public.check_org(o "
      "int, wanted text) returns bool language plpgsql as $$ begin if o = 99 and wanted = '8' then "
      "raise 'no'; end if; return o = wanted::int; end $$; create policy p on public.docs for "
      "select using (public.check_org(org, auth.jwt() ->> 'org'))");
  Read();
  rows_ = {{1, 7}, {2, 8}, {3, 99}};
  EXPECT_THAT(Judge({Join(R"({"org":"7"})"), Join(R"({"org":"x"})"), Join(R"({"org":"8"})")}),
              ::testing::ElementsAre("+--", "!!!", "-+!"));
  EXPECT_THAT(errors_, ::testing::ElementsAre("", ::testing::HasSubstr("22P02"),
                                              ::testing::HasSubstr("P0001")));
}

TEST_F(DatabaseTierCasesTest, AReaderWhosePolicyTakesTooLongIsToldSoAlone) {
  Run("create table public.docs(id int primary key); create policy p on public.docs for select "
      "using (pg_sleep(case when auth.jwt() ? 'slow' then 60 else 0 end) is not null)");
  Read();
  rows_ = {{1}};
  const DatabaseTier::Limits limits{.call_time_max = std::chrono::milliseconds{300},
                                    .reader_time_max = std::chrono::milliseconds{300}};
  EXPECT_THAT(Judge({Join(R"({"a":1})"), Join(R"({"slow":1})"), Join(R"({"b":1})")}, limits),
              ::testing::ElementsAre("+", "!", "+"));
  EXPECT_THAT(errors_[1], ::testing::HasSubstr("57014"));
}

TEST_F(DatabaseTierCasesTest, TheImageIsJudgedNotTheRowInTheTable) {
  Run("create table public.docs(id int primary key, shared bool); create policy p on public.docs "
      "for select using (case when shared then pg_sleep(0) is not null end)");
  Read();
  Run("insert into public.docs values (1, true)");
  rows_ = {{1, false}, {9, true}};  // Superseded since; gone since.
  EXPECT_EQ(Judge(Join("{}")), "-+");
}

TEST_F(DatabaseTierCasesTest, GeneratedColumnsAreComputed) {
  Run("create table public.docs(id int primary key, body text, loud text generated always as "
      "(upper(body)) stored); create policy p on public.docs for select using (loud = 'A')");
  Read();
  rows_ = {{1, "a"}, {2, "b"}, {3, Absent()}};
  EXPECT_EQ(Judge(Join("{}")), "+-?");
}

TEST_F(DatabaseTierCasesTest, OnlyWhatIsLookedAtMustBeInTheLog) {
  Run("create table public.docs(id int primary key, body text, note text); create policy p on "
      "public.docs for select using (body like 'a%' and pg_sleep(0) is not null)");
  Read();
  rows_ = {{1, "abc", Absent()}, {2, Absent(), "n"}};
  EXPECT_EQ(Judge(Join("{}")), "+?");
}

TEST_F(DatabaseTierCasesTest, ARoleThatMayNotBeAssumedIsItsReadersError) {
  Run("create table public.docs(id int primary key); create policy p on public.docs for select "
      "using (pg_sleep(0) is not null); create role tier_gone; grant usage on schema public to "
      "tier_gone; grant select on public.docs to tier_gone");
  Read();
  rows_ = {{1}};
  const AccessPtr access = Join("{}", "tier_gone");
  Run("drop owned by tier_gone; drop role tier_gone");
  EXPECT_EQ(Judge(access), "!");
  EXPECT_THAT(errors_[0], ::testing::HasSubstr("tier_gone"));
}

}  // namespace
}  // namespace tw::policy
