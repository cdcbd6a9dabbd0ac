#include "ingest/apply/applier.h"

#include "ingest/apply/pull_applier.h"
#include "ingest/outreach_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

constexpr char kReplies[] =
    "select lead_email, first_name, phone, pipeline_stage, pipeline_stage_before from client_leads "
    "order by lead_email";

TEST_F(OutreachTest, EverySevenEventTypesBecomeRowsAndCounters) {
  const std::string at = "2026-01-02T02:00:00Z";  // The first of January in New York.
  int64_t lead = 0;
  for (const char* type : {"EMAIL_SENT", "CONTACT_REPLIED", "MANUAL_EMAIL_SENT", "EMAIL_OPENED",
                           "CONTACT_UNSUBSCRIBED", "LEAD_INTERESTED", "EMAIL_BOUNCED"}) {
    ++lead;
    const auto outcome = Send(Payload{.type = type,
                                      .lead = lead,
                                      .email = "L" + std::to_string(lead) + "@Example.com",
                                      .at = at,
                                      .reply = lead}
                                  .Text());
    EXPECT_EQ(outcome.ok, 1u) << type;
  }
  EXPECT_EQ(Query("select emails_sent_mtd, manual_emails_sent_mtd, opens_mtd, replies_mtd, "
                  "positive_replies_mtd, unsubscribed_mtd, bounced_mtd, update_source, metric_type,"
                  " metric_date, workspace_name from client_metrics"),
            "1|1|1|1|1|1|1|webhook|mtd|2026-01-01|Northwind");
  EXPECT_EQ(Query("select lead_email, pipeline_stage from client_leads order by 1"),
            "l2@example.com|replied;l5@example.com|unsubscribed;l6@example.com|interested;"
            "l7@example.com|bounced");
  EXPECT_EQ(Query("select distinct local_day from client_metrics_daily"), "2026-01-01");
  EXPECT_EQ(Query("select status, count(*) from webhook_delivery_log group by 1"), "ok|7");
  ExpectCountersEqualFacts();
}

TEST_F(OutreachTest, ALeadHasEveryMappedColumn) {
  Send(Payload{.type = "LEAD_INTERESTED", .at = "2026-01-02T02:00:00Z", .reply = 5, .phone = "+1"}
           .Text());
  EXPECT_EQ(Query("select workspace_name, lead_email, bison_lead_id, first_name, last_name, title, "
                  "company, phone, custom_variables, bison_conversation_url, lead_value, notes "
                  "from client_leads"),
            "Northwind|ada@example.com|632586|Ada|Lovelace|Countess|Engines|+1|"
            "[{\"name\":\"Phone\",\"value\":\"+1\"}]|"
            "https://send.example.com/workspaces/37/leads/632586|0|-");
}

// W5, W6.
TEST_F(OutreachTest, TheSameDeliveryFiveTimesCountsOnceAndChangesRowsOnce) {
  MustOk(
      db_->Execute("create table seen(t text); create trigger on_lead after update on client_leads "
                   "begin insert into seen values ('lead'); end; create trigger on_metric after "
                   "update on client_metrics begin insert into seen values ('metric'); end"));
  const std::string body =
      Payload{.type = "LEAD_INTERESTED", .at = "2026-01-02T02:00:00Z", .reply = 5}.Text();
  for (int i = 0; i < 5; ++i) {
    Delivery delivery = Make(body);
    delivery.headers.emplace_back("webhook-id", "unsigned-" + std::to_string(i));
    const auto outcome = Apply({delivery});
    EXPECT_EQ(outcome.duplicate, i == 0 ? 0u : 1u);
    clock_.Advance(std::chrono::hours(5));
  }
  EXPECT_EQ(Query("select status, count(*) from webhook_delivery_log group by 1 order by 1"),
            "duplicate|4;ok|1");
  EXPECT_EQ(Month("positive_replies_mtd", "2026-01"), "1");
  EXPECT_EQ(Query("select * from seen"), "");
}

// W7.
TEST_F(OutreachTest, EqualBodiesUnderTwoSignedIdsAreTwoFacts) {
  const std::string body = Payload{.at = "2026-01-02T02:00:00Z"}.Text();
  for (const char* id : {"msg_1", "msg_2", "msg_1"}) {
    Delivery delivery = Make(body);
    delivery.headers.emplace_back("tidewire-signed-id", id);
    Apply({delivery});
  }
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "2");
  EXPECT_EQ(Query("select id, mark from tidewire_fact order by id"), "1|;2|twin");
}

// The table of ingestion spec §4.4, steps 1 to 11.
TEST_F(OutreachTest, TheWorkedTableOfTwoChannels) {
  const auto expect = [&](const char* october, const char* november) {
    EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), october);
    EXPECT_EQ(Month("emails_sent_mtd", "2025-11"), november);
    ExpectCountersEqualFacts();
  };
  const auto poll = [&](int64_t id, const char* at) {
    MustOk(applier_->Observe("outreach", "sent_emails", std::to_string(id),
                             Payload{.at = at, .scheduled = id}.Text(),
                             At("2025-11-01T05:00:00Z")));
  };
  const std::string first = Payload{.at = "2025-10-31T23:59:58-04:00"}.Text();
  Send(first, "2025-11-01T04:00:03Z");  // 1
  expect("1", "");
  for (int i = 0; i < 4; ++i) Send(first, "2025-11-01T10:00:00Z");  // 2
  expect("1", "");
  poll(900123, "2025-11-01T03:59:58Z");  // 3
  expect("1", "");
  poll(900123, "2025-11-01T03:59:58Z");  // 4
  expect("1", "");
  poll(900124, "2025-11-01T04:00:01Z");  // 5: +3 s is the next day, and the next month.
  expect("1", "1");
  Send(Payload{.at = "2025-11-01T04:00:01Z", .salt = "second"}.Text(),
       "2025-11-01T04:00:05Z");  // 6
  expect("1", "1");
  Send(Payload{.salt = "timeless"}.Text(), "2025-11-01T04:00:10Z");  // 7
  expect("1", "2");
  poll(900125, "2025-11-01T03:59:59Z");  // 8
  expect("2", "1");
  Delivery replay = Make(first);  // 9
  replay.channel = Channel::kReplay;
  EXPECT_EQ(Apply({replay}).duplicate, 1u);
  expect("2", "1");
  // 11: the bounce comes before the reply; its stage stays.
  Send(Payload{.type = "EMAIL_BOUNCED", .at = "2025-11-01T06:00:00Z"}.Text());
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2025-11-01T05:00:00Z", .reply = 9}.Text());
  EXPECT_EQ(Query(kReplies), "ada@example.com|Ada|-|bounced|replied");
  EXPECT_EQ(Month("replies_mtd", "2025-11"), "1");
}

// Step 10: a fact of an older source file counts by the newer one when it is replayed. W30.
TEST_F(OutreachTest, AChangedMappingIsAppliedByReplay) {
  const std::string body = Payload{.at = "2026-01-02T02:00:00Z"}.Text();
  Send(body);
  std::string yaml = ReadExample("outreach.yaml");
  const std::string line = "    emails_sent_mtd: { fact: sent }\n";
  yaml.replace(yaml.find(line), line.size(), "");
  const std::string total = "emails_sent_mtd: $.emails_sent, ";
  yaml.replace(yaml.find(total), total.size(), "");
  const std::string before = source_->version;
  Load(yaml);
  EXPECT_EQ(Send(body).ok, 1u);
  EXPECT_EQ(Query("select sum(n) from client_metrics_daily"), "0");
  EXPECT_EQ(Query("select config_version from webhook_delivery_log order by id"),
            before + ";" + source_->version);
}

TEST_F(OutreachTest, ARecordWithBothIdsJoinsTwoFacts) {
  const auto reply = [](int64_t id, const std::string& uuid, const char* at) {
    std::string text = Payload{.type = "CONTACT_REPLIED", .at = at, .reply = id}.Text();
    const std::string from = "\"uuid\":\"u-" + std::to_string(id) + "\"";
    text.replace(text.find(from), from.size(), "\"uuid\":\"" + uuid + "\"");
    if (id == 0) text.replace(text.find("\"id\":0,"), 7, "");
    return text;
  };
  Send(reply(7, "", "2026-01-02T02:00:00Z"));
  Send(reply(0, "abc", "2026-01-02T06:00:00Z"));
  const std::string both = reply(7, "abc", "2026-01-02T02:00:00Z");
  EXPECT_EQ(Month("replies_mtd", "2026-01"), "2");
  Send(both);
  EXPECT_EQ(Month("replies_mtd", "2026-01"), "1");
  EXPECT_EQ(Query("select count(*) from tidewire_fact where merged_into <> 0"), "1");
  EXPECT_EQ(Send(both).duplicate, 1u);
  ExpectCountersEqualFacts();
}

TEST_F(OutreachTest, InterestedCountsOncePerLeadForEver) {
  Send(Payload{.type = "LEAD_INTERESTED", .at = "2026-01-02T02:00:00Z", .reply = 1}.Text());
  Send(Payload{.type = "lead_interested", .at = "2026-03-02T02:00:00Z", .reply = 2}.Text());
  EXPECT_EQ(Month("positive_replies_mtd", "2026-01"), "1");
  EXPECT_EQ(Month("positive_replies_mtd", "2026-03"), "");
}

// P18.
TEST_F(OutreachTest, AStageThatAPersonSetStaysUntilATerminalOne) {
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-02T02:00:00Z", .reply = 1}.Text());
  MustOk(db_->Execute("update client_leads set pipeline_stage = 'qualified', notes = 'call'"));
  Send(Payload{.type = "LEAD_INTERESTED", .at = "2026-01-03T02:00:00Z", .reply = 2}.Text());
  EXPECT_EQ(Query(kReplies), "ada@example.com|Ada|-|qualified|-");
  Send(Payload{.type = "CONTACT_UNSUBSCRIBED", .at = "2026-01-04T02:00:00Z"}.Text());
  EXPECT_EQ(Query(kReplies), "ada@example.com|Ada|-|unsubscribed|qualified");
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-05T02:00:00Z", .reply = 3}.Text());
  EXPECT_EQ(Query(kReplies), "ada@example.com|Ada|-|unsubscribed|qualified");
  EXPECT_EQ(Query("select notes from client_leads"), "call");
  MustOk(db_->Execute("update client_leads set pipeline_stage = 'off-ladder'"));
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-06T02:00:00Z", .reply = 4}.Text());
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "off-ladder");
}

TEST_F(OutreachTest, AnOlderEventFillsOnlyWhatNewerOnesLeftOpen) {
  const auto reply = [](const char* at, int64_t id, const char* name, const char* phone) {
    return Payload{
        .type = "CONTACT_REPLIED", .at = at, .reply = id, .first_name = name, .phone = phone}
        .Text();
  };
  Send(reply("2026-01-05T00:00:00Z", 1, "Newest", ""));
  Send(reply("2026-01-03T00:00:00Z", 2, "Old", "+3"));
  Send(reply("2026-01-04T00:00:00Z", 3, "Older", "+4"));
  Send(reply("2026-01-02T00:00:00Z", 4, "Oldest", "+2"));
  EXPECT_EQ(Query(kReplies), "ada@example.com|Newest|+4|replied|-");
}

// W17 (signed), W18.
TEST_F(OutreachTest, WhatCannotBeAppliedIsADeadLetterWithItsReason) {
  Send("{\"event\":");
  Send("{}");
  Send(Payload{.workspace = "null", .workspace_name = "", .at = "2026-01-02T02:00:00Z"}.Text());
  Send(Payload{.at = "yesterday"}.Text());
  Send(Payload{.type = "CONTACT_REPLIED", .email = "", .at = "2026-01-02T02:00:00Z"}.Text());
  EXPECT_EQ(Query("select reason, config_version <> '' from tidewire_dead_letter order by id"),
            "malformed|1;type|1;tenant|1;mapping|1;constraint|1");
  EXPECT_EQ(Query("select status from webhook_delivery_log order by id"),
            "dead:malformed;dead:type;dead:tenant;dead:mapping;dead:constraint");
  EXPECT_THAT(Query("select error from tidewire_dead_letter where reason = 'type'"),
              HasSubstr("$.event.type"));
  const std::string large = Payload{.lead = INT64_MAX, .at = "2026-01-02T02:00:00Z"}.Text();
  EXPECT_EQ(Send(large).ok, 1u);
  EXPECT_EQ(Query("select count(*) from tidewire_fact"), "1");
}

// W19.
TEST_F(OutreachTest, AnUnknownTypeIsLoggedAndIgnored) {
  EXPECT_EQ(Send(Payload{.type = "LEAD_TAGGED"}.Text()).ignored, 1u);
  EXPECT_EQ(Query("select status, event_type, workspace_name from webhook_delivery_log"),
            "ignored:type|lead_tagged|Northwind");
}

// W20.
TEST_F(OutreachTest, EventsOfAnUnknownTenantWaitAndAreReleasedInOrder) {
  for (int i = 1; i <= 3; ++i) {
    const auto outcome = Send(Payload{.type = "CONTACT_REPLIED",
                                      .workspace = "99",
                                      .at = "2026-01-02T02:00:0" + std::to_string(i) + "Z",
                                      .reply = i * 100}
                                  .Text());
    EXPECT_EQ(outcome.parked, 1u);
  }
  EXPECT_EQ(Query("select distinct status from webhook_delivery_log"), "parked:tenant");
  Restart();
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query("select count(*) from tidewire_parked"), "3");
  MustOk(
      db_->Execute("insert into client_registry(bison_workspace_id, workspace_name) "
                   "values (99, 'Fabrikam')"));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query("select count(*) from tidewire_parked"), "0");
  EXPECT_EQ(Query("select distinct status, workspace_name from webhook_delivery_log"),
            "ok|Fabrikam");
  EXPECT_EQ(Query("select group_concat(value, ',') from (select cast(value as text) value from "
                  "tidewire_fact_alias where namespace = 'reply' order by fact_id)"),
            "100,200,300");
  ExpectCountersEqualFacts();
}

TEST_F(OutreachTest, ParkedEventsComeBeforeTheEventThatFindsTheirTenant) {
  Send(Payload{.type = "CONTACT_REPLIED", .workspace = "99", .reply = 1}.Text());
  MustOk(
      db_->Execute("insert into client_registry(bison_workspace_id, workspace_name) "
                   "values (99, 'Fabrikam')"));
  const auto outcome =
      Send(Payload{.type = "CONTACT_REPLIED", .workspace = "99", .reply = 2}.Text());
  EXPECT_EQ(Query("select cast(value as text) from tidewire_fact_alias where namespace = 'reply' "
                  "order by fact_id"),
            "1;2");
  EXPECT_EQ(outcome.released, 1u);
}

TEST_F(OutreachTest, ParkedEventsExpireAsDeadLetters) {
  Send(Payload{.workspace = "99"}.Text());
  clock_.Advance(std::chrono::days(8));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query("select reason from tidewire_dead_letter"), "tenant");
  EXPECT_EQ(Query("select status from webhook_delivery_log"), "dead:tenant");
}

// W21.
TEST_F(OutreachTest, TheTenantsIdDecidesAndItsNameResolves) {
  Send(Payload{.type = "CONTACT_REPLIED",
               .workspace_name = "Renamed",
               .at = "2026-01-02T02:00:00Z",
               .reply = 1}
           .Text());
  Send(Payload{.type = "CONTACT_REPLIED",
               .workspace = "null",
               .workspace_name = "Contoso",
               .at = "2026-01-02T02:00:00Z",
               .reply = 2}
           .Text());
  EXPECT_EQ(Query("select workspace_name from client_leads order by 1"), "Contoso;Northwind");
}

// W28.
TEST_F(OutreachTest, OnePoisonEventOfFiveHundredIsIsolated) {
  MustOk(
      db_->Execute("create trigger poison before insert on client_leads when new.lead_email = "
                   "'poison@example.com' begin select raise(abort, 'poison'); end"));
  std::vector<Delivery> deliveries;
  for (int i = 0; i < 500; ++i) {
    deliveries.push_back(
        Make(Payload{.type = "CONTACT_REPLIED",
                     .lead = i,
                     .email = i == 321 ? "poison@example.com" : std::to_string(i) + "@example.com",
                     .at = "2026-01-02T02:00:00Z",
                     .reply = i + 1}
                 .Text()));
  }
  const auto outcome = Apply(deliveries);
  EXPECT_EQ(outcome.ok, 499u);
  EXPECT_EQ(outcome.dead, 1u);
  EXPECT_LE(outcome.transactions, 20u);
  EXPECT_EQ(Query("select count(*) from client_leads"), "499");
  EXPECT_EQ(Month("replies_mtd", "2026-01"), "499");
  EXPECT_EQ(Query("select sequence, reason from tidewire_dead_letter"), "322|constraint");
  ExpectCountersEqualFacts();
}

TEST_F(OutreachTest, ATransientErrorCommitsNothingAndTheBatchCanBeGivenAgain) {
  if (TestStore::on_postgres()) GTEST_SKIP() << "postgres_effects_test.cc has this case";
  const std::vector<Delivery> batch{Make(Payload{.at = "2026-01-02T02:00:00Z"}.Text())};
  auto other = Must(sqlite::Database::Open(directory_ + "/test.db"));
  MustOk(db_->Execute("pragma busy_timeout = 1"));
  MustOk(other.Execute("begin immediate"));
  EXPECT_THAT(applier_->Apply(batch), FailsWith(ErrorCode::kUnavailable));
  EXPECT_EQ(applier_->applied_sequence(), 0u);
  MustOk(other.Execute("rollback"));
  EXPECT_EQ(Apply(batch).ok, 1u);
}

// W1, in part: what was committed is not applied again after a restart.
TEST_F(OutreachTest, ARestartContinuesAfterTheAppliedSequence) {
  std::vector<Delivery> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(Make(Payload{.lead = i, .at = "2026-01-02T02:00:00Z"}.Text()));
  }
  Apply({all.begin(), all.begin() + 6});
  Restart();
  EXPECT_EQ(applier_->applied_sequence(), 6u);
  const auto outcome = Apply(all);
  EXPECT_EQ(outcome.deliveries, 4u);
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "10");
  EXPECT_EQ(Apply(all).deliveries, 0u);
}

TEST_F(OutreachTest, TheMonthRollsOverAtTheTenantsMidnight) {
  MustOk(
      db_->Execute("update client_registry set timezone = 'Pacific/Auckland' "
                   "where workspace_name = 'Contoso'"));
  clock_.SetWall(At("2026-01-31T10:59:30Z"));  // 23:59:30 in Auckland.
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Month("emails_sent_mtd", "2026-02", "Contoso"), "");
  clock_.SetWall(At("2026-01-31T11:00:00Z"));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Month("emails_sent_mtd", "2026-02", "Contoso"), "0");
  EXPECT_EQ(Month("emails_sent_mtd", "2026-02", "Northwind"), "");
  EXPECT_EQ(Query("select last_poll_update_at from client_metrics limit 1"), "-");
}

TEST_F(OutreachTest, HealthFollowsSilence) {
  const std::string health = "select health_status, webhook_count_24h from webhook_health";
  Send(Payload{.at = "2026-01-02T02:00:00Z"}.Text());
  Send(Payload{.lead = 2, .at = "2026-01-02T02:00:00Z"}.Text());
  EXPECT_EQ(Query(health), "healthy|2");
  EXPECT_EQ(Query("select last_webhook_at from webhook_health"), "2026-01-02T03:04:05.000Z");
  clock_.Advance(std::chrono::minutes(6));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query(health), "warning|2");
  clock_.Advance(std::chrono::minutes(6));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query(health), "critical|2");
  clock_.Advance(std::chrono::hours(25));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query(health), "critical|0");
}

// The same happening in other bytes, and later, without a time of its own: it is no newer.
TEST_F(OutreachTest, ATerminalEventReportedAgainKeepsWhatAPersonHasSetSince) {
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-02T02:00:00Z", .reply = 5}.Text());
  Send(Payload{.type = "CONTACT_UNSUBSCRIBED"}.Text());
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "unsubscribed");
  MustOk(db_->Execute("update client_leads set pipeline_stage = 'asked to be written again'"));
  clock_.Advance(std::chrono::hours(3));
  Send(Payload{.type = "CONTACT_UNSUBSCRIBED", .salt = "other bytes"}.Text());
  Send(Payload{.type = "lead_unsubscribed", .at = "2026-01-02T03:04:05Z", .salt = "third"}.Text());
  Send(Payload{.type = "lead_unsubscribed", .at = "2026-01-02T03:04:05Z", .salt = "fourth"}.Text());
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "asked to be written again");
  // What really happens later still counts.
  Send(Payload{.type = "EMAIL_BOUNCED", .at = "2026-01-03T00:00:00Z"}.Text());
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "bounced");
}

TEST_F(OutreachTest, ADeliveryThatTheDatabaseRefusedStillNamesItsWorkspaceAndType) {
  MustOk(db_->Execute("create trigger refuse before insert on client_leads begin "
                      "select raise(abort, 'no'); end"));
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-02T02:00:00Z", .reply = 5}.Text());
  EXPECT_EQ(Query("select status, workspace_name, event_type from webhook_delivery_log"),
            "dead:constraint|Northwind|lead_replied");
  EXPECT_EQ(Query("select event_type, reason from tidewire_dead_letter"),
            "lead_replied|constraint");
}

TEST_F(OutreachTest, DeadLettersAreTriedAgainOrDiscardedOnRequest) {
  MustOk(db_->Execute("create trigger refuse before insert on client_leads begin "
                      "select raise(abort, 'no'); end"));
  const std::string reply =
      Payload{.type = "CONTACT_REPLIED", .at = "2026-01-02T02:00:00Z", .reply = 5}.Text();
  Send(reply);
  Send("{");
  const auto ask = [&](const std::string& verb, const std::string& filter) {
    MustOk(db_->Execute("insert into tidewire_request(verb, argument) values('" + verb + "', '" +
                        filter + "')"));
    MustOk(applier_->pull().DoRequests());
    return Query("select result from tidewire_request order by id desc limit 1");
  };
  EXPECT_EQ(ask("dead_retry", "{}"), "0 applied, 2 still dead");
  MustOk(db_->Execute("drop trigger refuse"));
  EXPECT_EQ(ask("dead_retry", R"({"reason":"constraint"})"), "1 applied, 0 still dead");
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "replied");
  EXPECT_EQ(Month("replies_mtd", "2026-01"), "1");
  EXPECT_EQ(Query("select status from webhook_delivery_log order by id"), "ok;dead:malformed");
  Send(reply);  // Its sender tries again: the same event.
  EXPECT_EQ(Month("replies_mtd", "2026-01"), "1");
  EXPECT_EQ(ask("dead_discard", R"({"reason":"mapping"})"), "0 discarded");
  EXPECT_EQ(ask("dead_discard", R"({"id":"4711"})"), "0 discarded");
  EXPECT_EQ(ask("dead_discard", "nonsense"), "not understood");
  EXPECT_EQ(ask("dead_discard", R"({"source":"outreach"})"), "1 discarded");
  EXPECT_EQ(Query("select count(*) from tidewire_dead_letter"), "0");
  ExpectCountersEqualFacts();
}

TEST_F(OutreachTest, OldLogRowsAndBodiesGo) {
  Send(Payload{.at = "2026-01-02T02:00:00Z"}.Text());
  Send("{");
  clock_.Advance(std::chrono::days(8));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query("select status, body is null from webhook_delivery_log order by id"),
            "ok|1;dead:malformed|0");
  clock_.Advance(std::chrono::days(30));
  MustOk(applier_->OnTimer(clock_.Wall()));
  EXPECT_EQ(Query("select status from webhook_delivery_log"), "dead:malformed");
}

}  // namespace
}  // namespace tw::ingest
