// What is the database's own about the effects on PostgreSQL; what both stores promise is tested by
// the same tests on both (ctest ingest_on_postgres).
#include "ingest/apply/postgres_effects.h"

#include <thread>

#include "ingest/outreach_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::PostgresCluster;

class PostgresEffectsTest : public ::testing::Test {
 protected:
  PostgresEffectsTest() : dsn_(PostgresCluster::Shared().NewDatabase()), sql_(Connect()) {
    std::string schema = ReadExample("schema.sql");
    const std::string_view id = "id integer primary key";
    schema.replace(schema.find(id), id.size(), "id bigint primary key");
    Run("set search_path = public, tidewire");
    Run(schema);
    Run(ReadExample("seed.sql"));
    const std::string yaml = ReadExample("outreach.yaml");
    const SourceConfig config = Must(LoadSourceConfig(yaml, "outreach.yaml", environment_));
    source_ = Must(CompileSource(config, yaml, Must(ReadSchema(sql_))));
    Start();
  }

  postgres::Connection Connect() { return Must(postgres::Connection::Open({.dsn = dsn_})); }
  void Run(const std::string& sql) { MustOk(sql_.Execute(sql)); }
  std::string One(const std::string& sql) {
    const auto rows = Must(sql_.Query(sql));
    return rows.empty() ? "" : std::string(rows.Text(0, 0));
  }
  void Start() {
    applier_.reset();
    applier_ = Applier::CreateOnPostgres({.dsn = dsn_, .retry_delay = {}}, {source_}, clock_,
                                         metrics_);
  }
  Delivery Make(std::string body) {
    Delivery delivery;
    delivery.sequence = ++sequence_;
    delivery.source = "outreach";
    delivery.received_at = clock_.Wall();
    delivery.body = std::move(body);
    return delivery;
  }
  Delivery Reply(int64_t lead, int64_t reply) {
    return Make(Payload{.type = "CONTACT_REPLIED",
                        .lead = lead,
                        .email = std::to_string(lead) + "@example.com",
                        .at = "2026-01-02T02:00:00Z",
                        .reply = reply}
                    .Text());
  }
  // Ends the applier's session on the server.
  void KillSession() {
    Run("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where application_name = 'tidewire ingest' and datname = current_database()");
  }
  std::string Replies() {
    return One("select sum(replies_mtd) from client_metrics");
  }

  FixedEnvironment environment_;
  testing::FakeClock clock_;
  telemetry::Registry metrics_;
  const std::string dsn_;
  postgres::Connection sql_;
  std::shared_ptr<const Source> source_;
  std::unique_ptr<Applier> applier_;
  uint64_t sequence_ = 0;
};

TEST_F(PostgresEffectsTest, NothingConnectsBeforeItIsNeededAndAnAbsentServerIsUnavailable) {
  auto applier = Applier::CreateOnPostgres({.dsn = "host=/nonexistent dbname=x"}, {source_}, clock_,
                                           metrics_);
  EXPECT_FALSE(applier->known());
  EXPECT_THAT(applier->Recover(), FailsWith(ErrorCode::kUnavailable));
  EXPECT_THAT(applier->Apply(std::vector<Delivery>{Reply(1, 1)}),
              FailsWith(ErrorCode::kUnavailable));
}

TEST_F(PostgresEffectsTest, ALostConnectionIsMadeAgainAndTheBatchAppliesOnce) {
  const std::vector<Delivery> first{Reply(1, 1)};
  ASSERT_THAT(applier_->Apply(first), IsOk());
  KillSession();
  const std::vector<Delivery> second{Reply(2, 2)};
  EXPECT_THAT(applier_->Apply(second), FailsWith(ErrorCode::kUnavailable));
  const auto outcome = applier_->Apply(second);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->ok, 1u);
  EXPECT_EQ(Replies(), "2");
}

// What a lost answer leaves behind: the database is further than this process knows. Another process
// brings it there, in the place of the commit that was not answered.
TEST_F(PostgresEffectsTest, WhatIsCommittedIsReadAgainAfterAnError) {
  ASSERT_THAT(applier_->Apply(std::vector<Delivery>{Reply(1, 1)}), IsOk());
  sequence_ = 0;
  const std::vector<Delivery> all{Reply(1, 1), Reply(2, 2)};
  KillSession();
  EXPECT_THAT(applier_->Apply(all), FailsWith(ErrorCode::kUnavailable));
  auto other = Applier::CreateOnPostgres({.dsn = dsn_}, {source_}, clock_, metrics_);
  ASSERT_THAT(other->Apply(all), IsOk());
  other.reset();
  EXPECT_EQ(applier_->applied_sequence(), 1u);
  Result<ApplyOutcome> outcome = applier_->Apply(all);
  for (int i = 0; i < 100 && !outcome.ok(); ++i) {  // Until the other's session is gone.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    outcome = applier_->Apply(all);
  }
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->deliveries, 0u);
  EXPECT_EQ(applier_->applied_sequence(), 2u);
  EXPECT_EQ(Replies(), "2");
  EXPECT_EQ(One("select count(*) from webhook_delivery_log"), "2");
}

TEST_F(PostgresEffectsTest, OnlyOneProcessAppliesAtATime) {
  ASSERT_THAT(applier_->Apply(std::vector<Delivery>{Reply(1, 1)}), IsOk());
  auto other = Applier::CreateOnPostgres({.dsn = dsn_, .retry_delay = {}}, {source_}, clock_,
                                         metrics_);
  EXPECT_THAT(other->Recover(), FailsWith(ErrorCode::kUnavailable));
  applier_.reset();
  for (int i = 0; i < 100 && !other->Recover().ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(other->known());
  EXPECT_EQ(other->applied_sequence(), 1u);
}

// A person edits the stage while the batch runs: either before our look or after our commit.
TEST_F(PostgresEffectsTest, AnEditDuringTheTransactionIsNeitherLostNorOverwritten) {
  ASSERT_THAT(applier_->Apply(std::vector<Delivery>{Reply(1, 1)}), IsOk());
  auto person = Connect();
  MustOk(person.Execute("begin; update public.client_leads set pipeline_stage = 'qualified'"));
  std::thread commits([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    MustOk(person.Execute("commit"));
  });
  const Delivery interested = Make(Payload{.type = "LEAD_INTERESTED",
                                           .lead = 1,
                                           .email = "1@example.com",
                                           .at = "2026-01-03T02:00:00Z",
                                           .reply = 9}
                                       .Text());
  const auto outcome = applier_->Apply(std::vector<Delivery>{interested});
  commits.join();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->ok, 1u);
  EXPECT_EQ(One("select pipeline_stage from client_leads"), "qualified");
}

TEST_F(PostgresEffectsTest, ARowThatAppearsMeanwhileIsFoundBySecondTry) {
  // Between our look and our insert, another session makes the row: a trigger does it.
  Run("create extension if not exists dblink");
  Run("create function race() returns trigger language plpgsql as $$ begin "
      "if not exists (select from client_registry where workspace_name = 'raced') then "
      "perform public.dblink_exec(" +
      postgres::QuoteLiteral(dsn_) +
      ", 'insert into public.client_registry(bison_workspace_id, workspace_name) values (77, "
      "''raced''); insert into public.client_leads(workspace_name, lead_email, pipeline_stage) "
      "values (''Northwind'', ''1@example.com'', ''mine'')'); end if; return new; end $$ "
      "set search_path = public");
  Run("create trigger race before insert on client_leads for each row "
      "when (current_setting('application_name') = 'tidewire ingest') execute function race()");
  const std::vector<Delivery> batch{Reply(1, 1)};
  EXPECT_THAT(applier_->Apply(batch), FailsWith(ErrorCode::kUnavailable));
  const auto outcome = applier_->Apply(batch);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->ok, 1u);
  EXPECT_EQ(One("select count(*) from client_leads"), "1");
  EXPECT_EQ(One("select pipeline_stage from client_leads"), "mine");
  EXPECT_EQ(Replies(), "1");
}

TEST_F(PostgresEffectsTest, WhatNoTextCanHoldIsLoggedAndKept) {
  Delivery broken = Make(std::string("{\"a\":\"\xff\0\"}", 10));
  Delivery zero = Make(R"({"event":{"type":"X\u0000Y","workspace_id":37},"data":{}})");
  Delivery named = Make(Payload{.workspace = R"("\u0000")", .workspace_name = ""}.Text());
  named.headers.emplace_back("tidewire-signed-id", "\xfe\xff");
  const auto outcome = applier_->Apply(std::vector<Delivery>{broken, zero, named});
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(One("select string_agg(status, ';' order by id) from webhook_delivery_log"),
            "dead:malformed;ignored:type;parked:tenant");
  EXPECT_EQ(One("select left(body, 2) from webhook_delivery_log where id = 1"), "\\x");
  EXPECT_EQ(One("select event from dead_letter"), postgres::ByteaText(broken.body));
  EXPECT_EQ(One("select signed_id from parked"), "\\xfeff");
}

TEST_F(PostgresEffectsTest, AnEventAgainTouchesNoRow) {
  ASSERT_THAT(applier_->Apply(std::vector<Delivery>{Reply(1, 1)}), IsOk());
  const std::string before = One("select xmin from client_leads");
  // The same happening with another body, as another program would tell it.
  const Delivery again = Make(Payload{.type = "CONTACT_REPLIED",
                                      .lead = 1,
                                      .email = "1@example.com",
                                      .at = "2026-01-02T02:00:00Z",
                                      .reply = 1,
                                      .salt = "other"}
                                  .Text());
  ASSERT_THAT(applier_->Apply(std::vector<Delivery>{again}), IsOk());
  EXPECT_EQ(One("select xmin from client_leads"), before);
  EXPECT_EQ(Replies(), "1");
}

TEST_F(PostgresEffectsTest, ASchemaSurvivesItsText) {
  const SchemaView schema = Must(ReadSchema(sql_));
  const SchemaView read = Must(ParseSchemaText(SchemaText(schema)));
  ASSERT_EQ(read.tables.size(), schema.tables.size());
  const TableView* leads = read.Find("client_leads");
  ASSERT_NE(leads, nullptr);
  EXPECT_EQ(leads->Find("custom_variables")->type, ColumnType::kJson);
  EXPECT_EQ(leads->Find("updated_at")->type, ColumnType::kTimestamptz);
  const std::string key[] = {"lead_email", "workspace_name"};
  EXPECT_TRUE(leads->IsUnique(key));
  EXPECT_FALSE(leads->IsUnique(std::span(key, 1)));
  EXPECT_EQ(read.Find("fact"), nullptr);  // Ours is nobody's.
  EXPECT_THAT(ParseSchemaText("{}"), FailsWith(ErrorCode::kInvalidArgument));
}

// A batch of many events is few round trips.
TEST_F(PostgresEffectsTest, WaitsPerEventAreFew) {
  std::vector<Delivery> batch;
  for (int i = 0; i < 400; ++i) batch.push_back(Reply(i, i + 1));
  const auto outcome = applier_->Apply(batch);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->ok, 400u);
  EXPECT_EQ(One("select count(*) from client_leads"), "400");
  EXPECT_EQ(One("select count(*) from fact"), "400");
  EXPECT_EQ(One("select count(*) from row_state"), "400");
  EXPECT_EQ(Replies(), "400");
}

}  // namespace
}  // namespace tw::ingest
