// Writes in a real PostgreSQL, whose own rights, constraints and triggers decide.
#include "query/write/postgres_writer.h"

#include "query/postgres_fixture.h"

namespace tw::query {
namespace {

using ::testing::ElementsAre;
using Parameters = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kSchema = R"sql(
do $$ begin
  if to_regrole('member') is null then create role member nologin; end if;
end $$;
create type public.mood as enum('ok', 'bad');
create table public.notes(
  id int primary key, owner text not null, body text default 'empty', stars int check (stars < 6),
  mood public.mood, tags text[], more jsonb, price numeric(8,2), at timestamptz,
  code text unique deferrable initially deferred);
create table public.sealed(id int primary key);
create table public.own(id int primary key generated always as identity, who text default current_user);
grant usage on schema public to member;
grant select, insert, update, delete on public.notes to member;
grant select, insert on public.own to member;
grant select on public.sealed to member;
alter table public.notes enable row level security;
create policy own on public.notes to member
  using (owner = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
)sql";

class PostgresWriterTest : public PostgresFixture {
 protected:
  PostgresWriterTest() {
    Follow(kSchema);
    writer_.emplace(PostgresWriterOptions{.dsn = options_.dsn}, *log_, capture_->recent(),
                    SystemClock());
  }

  WriteOr<WriteResult> Send(const WriteRequest& request, const std::string& sub = "ada") {
    auto claims = std::make_shared<Claims>();
    claims->text = R"({"role":"member","sub":")" + sub + R"("})";
    claims->document = std::move(*json::Parse(claims->text));
    claims->role = "member";
    claims->sub = sub;
    const auto write = ParseTableWrite(request, claims, *catalog(), nullptr);
    if (!write) return std::unexpected(write.error());
    return writer_->Execute(*write);
  }
  // "status rows", or "status code message".
  static std::string Text(const WriteOr<WriteResult>& result) {
    if (result) return std::to_string(result->status) + " " + result->json;
    return std::to_string(result.error().status) + " " + result.error().code + " " +
           result.error().message;
  }
  std::string Insert(std::string_view body, std::string_view prefer = "",
                     const Parameters& parameters = {}, std::string_view table = "notes") {
    return Text(Send({.table = table, .parameters = parameters, .body = body, .prefer = prefer}));
  }
  std::string Update(const Parameters& parameters, std::string_view body,
                     std::string_view prefer = "return=representation",
                     std::string_view accept = "") {
    return Text(Send({.kind = TableWrite::Kind::kUpdate,
                      .table = "notes",
                      .parameters = parameters,
                      .body = body,
                      .prefer = prefer,
                      .accept = accept}));
  }

  std::optional<PostgresWriter> writer_;
};

TEST_F(PostgresWriterTest, ValuesBecomeWhatThePostgresTypesMakeOfThem) {
  EXPECT_EQ(Insert(R"({"id":1,"owner":"ada","mood":"ok","tags":["a","b,c"],"more":{"x":[1]},)"
                   R"("price":"12.5","at":"2026-01-02 03:04:05+02"})",
                   "return=representation", {{"select", "id,mood,tags,more,price,at"}}),
            R"(201 [{"id":1,"mood":"ok","tags":["a","b,c"],"more":{"x":[1]},"price":12.50,)"
            R"("at":"2026-01-02T01:04:05+00:00"}])");
  EXPECT_EQ(Insert(R"({"id":2,"owner":"ada","mood":"fine"})"),
            "400 22P02 invalid input value for enum mood: \"fine\"");
  EXPECT_EQ(Insert(R"({"id":"two","owner":"ada"})"),
            "400 22P02 invalid input syntax for type integer: \"two\"");
  EXPECT_EQ(Insert(R"({"id":2,"nope":1})").substr(0, 12), "400 PGRST204");
}

TEST_F(PostgresWriterTest, MissingKeysAreNullOrDefaultAsAskedAndRowsKeepTheirOrder) {
  const char* const rows = R"([{"id":3,"owner":"ada"},{"id":1,"owner":"ada","body":"x"},
                               {"id":2,"owner":"ada"}])";
  const Parameters select = {{"select", "id,body"}};
  EXPECT_EQ(Insert(rows, "return=representation, missing=default", select),
            R"(201 [{"id":3,"body":"empty"},{"id":1,"body":"x"},{"id":2,"body":"empty"}])");
  Sql("truncate public.notes");
  EXPECT_EQ(Insert(rows, "return=representation", select),
            R"(201 [{"id":3,"body":null},{"id":1,"body":"x"},{"id":2,"body":null}])");
  EXPECT_EQ(Insert("{}", "return=representation", {}, "own"), R"(201 [{"id":1,"who":"member"}])");
}

TEST_F(PostgresWriterTest, TheDatabaseRefusesAndNothingStays) {
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada"},{"id":2,"owner":"bob"}])"),
            "403 42501 new row violates row-level security policy for table \"notes\"");
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada"},{"id":1,"owner":"ada"}])").substr(0, 9), "409 23505");
  EXPECT_EQ(Insert(R"({"id":null,"owner":"ada"})").substr(0, 9), "400 23502");
  EXPECT_EQ(Insert(R"({"id":1,"owner":"ada","stars":6})").substr(0, 9), "400 23514");
  EXPECT_EQ(Insert(R"({"id":1})", "", {}, "sealed"),
            "403 42501 permission denied for table sealed");
  // What is put off to the commit is found before it, as the role.
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada","code":"a"},{"id":2,"owner":"ada","code":"a"}])")
                .substr(0, 9),
            "409 23505");
  EXPECT_EQ(Ask("select count(*) from public.notes"), "0");
}

TEST_F(PostgresWriterTest, UpdatesTouchOnlyRowsOfTheirReaderThatTheFilterMeans) {
  Sql("insert into public.notes(id, owner, body, stars) values(1, 'ada', 'a', 1), (2, 'ada', 'b', "
      "2),"
      " (3, 'bob', 'a', 3), (4, 'ada', 'it''s \\', null)");
  const std::string all = R"({"stars":5})";
  EXPECT_EQ(Update({{"body", "eq.a"}, {"select", "id"}}, all), R"(200 [{"id":1}])");
  EXPECT_EQ(Update({{"body", "eq.it's \\"}, {"select", "id"}}, all), R"(200 [{"id":4}])");
  EXPECT_EQ(Update({{"stars", "lt.3"}, {"id", "in.(2,3)"}, {"select", "id,stars"}}, all),
            R"(200 [{"id":2,"stars":5}])");
  EXPECT_EQ(Update({{"owner", "like.b*"}, {"select", "id"}}, all), "200 []");
  EXPECT_EQ(Update({{"id", "eq.1"}}, R"({"owner":"bob"})").substr(0, 9), "403 42501");
  EXPECT_EQ(
      Update({{"id", "gt.0"}}, all, "return=representation", "application/vnd.pgrst.object+json")
          .substr(0, 12),
      "406 PGRST116");
  EXPECT_EQ(Update({}, all).substr(0, 9), "400 21000");
  EXPECT_EQ(Ask("select string_agg(stars::text, ',' order by id) from public.notes"), "5,5,3,5");
}

TEST_F(PostgresWriterTest, AnUpsertMergesOrIgnores) {
  Sql("insert into public.notes(id, owner, body) values(1, 'ada', 'a')");
  const Parameters select = {{"select", "id,body"}};
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada","body":"b"},{"id":2,"owner":"ada","body":"c"}])",
                   "resolution=merge-duplicates,return=representation", select),
            R"(201 [{"id":1,"body":"b"},{"id":2,"body":"c"}])");
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada"}])",
                   "resolution=ignore-duplicates,return=representation", select),
            "201 []");
  Sql("update public.notes set owner = 'bob' where id = 1");
  EXPECT_EQ(Insert(R"([{"id":1,"owner":"ada"}])", "resolution=merge-duplicates").substr(0, 9),
            "403 42501");
}

TEST_F(PostgresWriterTest, ThePositionIsWhereTheRowsAre) {
  const auto first = Send({.table = "notes", .body = R"({"id":7,"owner":"ada"})"});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->position, PositionOf("7"));
  // A write that changes nothing lies anywhere behind what is known.
  const auto none = Send({.kind = TableWrite::Kind::kDelete,
                          .table = "notes",
                          .parameters = Parameters{{"id", "eq.99"}}});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->position, first->position);
}

TEST_F(PostgresWriterTest, AMutationIdIsExecutedOnceAndToldInTheStream) {
  const WriteRequest request{.table = "notes",
                             .body = R"({"id":1,"owner":"ada"})",
                             .prefer = "return=representation",
                             .mutation = "client:1"};
  const auto first = Send(request);
  ASSERT_TRUE(first) << Text(first);
  const auto again = Send(request);
  ASSERT_TRUE(again) << Text(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->json, first->json);
  EXPECT_EQ(again->status, first->status);
  EXPECT_EQ(again->position, first->position);
  EXPECT_EQ(Text(Send(request, "bob")).substr(0, 12), "409 PGRST116");
  // A refused write has not used its id.
  const auto refused =
      Send({.table = "notes", .body = R"({"id":1,"owner":"ada"})", .mutation = "client:2"});
  EXPECT_EQ(Text(refused).substr(0, 9), "409 23505");
  EXPECT_TRUE(
      Send({.table = "notes", .body = R"({"id":2,"owner":"ada"})", .mutation = "client:2"}));
  EXPECT_THAT(mutations(), ElementsAre("client:1", "client:2"));
}

TEST_F(PostgresWriterTest, TwoWritersOfOneIdExecuteItOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> replayed = 0, executed = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      PostgresWriter writer({.dsn = options_.dsn}, *log_, capture_->recent(), SystemClock());
      auto claims = std::make_shared<Claims>();
      claims->text = R"({"role":"member","sub":"ada"})";
      claims->role = "member";
      const auto write = ParseTableWrite({.table = "own", .body = "{}", .mutation = "one:1"},
                                         claims, *catalog(), nullptr);
      const auto result = writer.Execute(*write);
      ASSERT_TRUE(result) << Text(result);
      ++(result->replayed ? replayed : executed);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(executed, 1);
  EXPECT_EQ(replayed, 3);
  EXPECT_EQ(Ask("select count(*) from public.own"), "1");
}

TEST_F(PostgresWriterTest, ALostConnectionIsMadeAgain) {
  EXPECT_EQ(Insert(R"({"id":1,"owner":"ada"})").substr(0, 3), "201");
  Ask("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name ="
      " 'tidewire writer' and datname = current_database()");
  EXPECT_EQ(Insert(R"({"id":2,"owner":"ada"})").substr(0, 3), "201");
}

}  // namespace
}  // namespace tw::query
