// Replays by filter, and their dry runs.
#include "ingest/apply/pull_applier.h"
#include "ingest/outreach_fixture.h"
#include "json/json.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::HasSubstr;

class ReplayTest : public OutreachTest {
 protected:
  // What the server answers; empty while it is at it.
  std::string Ask(const std::string& argument, int turns = 1) {
    MustOk(db_->Execute("insert into tidewire_request(verb, argument) values ('replay', '" +
                        argument + "')"));
    for (int i = 0; i < turns; ++i) MustOk(applier_->pull().DoRequests());
    return Query("select coalesce(result, '') from tidewire_request order by id desc limit 1");
  }
  int64_t Number(const std::string& said, std::string_view name) {
    const auto document = Must(json::Parse(said));
    EXPECT_EQ(document.root()["error"].AsString().value_or(""), "");
    return document.root()[name].AsInt().value_or(-1);
  }
  // Everything that a replay could change.
  std::string World() {
    return Query("select * from client_leads") + "#" + Query("select * from client_metrics") + "#" +
           Query("select * from client_metrics_daily") + "#" +
           Query("select * from tidewire_fact") + "#" +
           Query("select * from webhook_delivery_log") + "#" +
           Query("select * from tidewire_dead_letter");
  }
  static constexpr char kLine[] = "    emails_sent_mtd: { fact: sent }\n";
  void LoadWithoutSent() {
    std::string yaml = ReadExample("outreach.yaml");
    yaml.replace(yaml.find(kLine), std::string(kLine).size(), "");
    const std::string total = "emails_sent_mtd: $.emails_sent, ";
    yaml.replace(yaml.find(total), total.size(), "");
    Load(yaml);
  }
};

TEST_F(ReplayTest, WhatIsKnownChangesNothing) {
  for (int64_t lead = 1; lead <= 5; ++lead) {
    Send(Payload{
        .type = "CONTACT_REPLIED", .lead = lead, .at = "2026-01-02T02:00:00Z", .reply = lead}
             .Text());
  }
  // A person has moved a lead since.
  MustOk(db_->Execute("update client_leads set pipeline_stage = 'won', notes = 'x'"));
  const std::string before = World();
  const std::string said = Ask("{\"source\":\"outreach\"}");
  EXPECT_EQ(Number(said, "deliveries"), 5);
  EXPECT_EQ(Number(said, "unchanged"), 5);
  EXPECT_EQ(World(), before);
}

TEST_F(ReplayTest, ADryRunSaysWhatTheReplayThenDoes) {
  LoadWithoutSent();
  for (int64_t lead = 1; lead <= 3; ++lead) {
    Send(Payload{.lead = lead, .at = "2026-01-02T02:00:00Z"}.Text());
  }
  EXPECT_EQ(Query("select sum(emails_sent_mtd) from client_metrics"), "-");
  Load(ReadExample("outreach.yaml"));
  const std::string before = World();
  const std::string dry = Ask("{\"source\":\"outreach\",\"dry_run\":true}");
  EXPECT_EQ(Number(dry, "applied"), 3);
  EXPECT_THAT(dry, HasSubstr("{\"tenant\":\"Northwind\",\"metric\":\"emails_sent_mtd\","
                             "\"month\":\"2026-01\",\"delta\":3}"));
  EXPECT_EQ(World(), before);
  const std::string said = Ask("{\"source\":\"outreach\"}");
  EXPECT_EQ(Number(said, "applied"), 3);
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "3");
  ExpectCountersEqualFacts();
  EXPECT_EQ(Number(Ask("{\"source\":\"outreach\"}"), "applied"), 0);
}

TEST_F(ReplayTest, ATypeThatWasUnknownIsMadeUpFor) {
  std::string yaml = ReadExample("outreach.yaml");
  const size_t at = yaml.find("      contact_replied: lead_replied\n");
  std::string without = yaml;
  without.replace(at, std::string("      contact_replied: lead_replied\n").size(), "");
  Load(without);
  Send(Payload{.type = "CONTACT_REPLIED", .at = "2026-01-02T02:00:00Z", .reply = 5}.Text());
  EXPECT_EQ(Query("select status from webhook_delivery_log"), "ignored:type");
  Load(yaml);
  const std::string said = Ask("{\"source\":\"outreach\",\"status\":\"ignored\"}");
  EXPECT_EQ(Number(said, "new_facts"), 1);
  EXPECT_EQ(Number(said, "changed_rows"), 1);
  EXPECT_EQ(Query("select status from webhook_delivery_log"), "ok");
}

TEST_F(ReplayTest, FiltersChoose) {
  clock_.SetWall(At("2026-01-02T10:00:00Z"));
  Send(Payload{.lead = 1, .at = "2026-01-02T02:00:00Z"}.Text());
  clock_.SetWall(At("2026-01-02T11:00:00Z"));
  Send(Payload{.type = "EMAIL_OPENED", .lead = 2, .at = "2026-01-02T02:00:00Z"}.Text());
  Send(Payload{
      .workspace = "38", .workspace_name = "Contoso", .lead = 3, .at = "2026-01-02T02:00:00Z"}
           .Text());
  Send("{");  // Dead: never taken.
  const auto count = [&](const std::string& filter) {
    return Number(Ask("{\"source\":\"outreach\"" + filter + "}"), "deliveries");
  };
  EXPECT_EQ(count(""), 3);
  EXPECT_EQ(count(",\"tenant\":\"Contoso\""), 1);
  EXPECT_EQ(count(",\"type\":\"email_opened\""), 1);
  EXPECT_EQ(count(",\"from\":\"2026-01-02T11:00:00Z\""), 2);
  EXPECT_EQ(count(",\"to\":\"2026-01-02T11:00:00Z\""), 1);
  EXPECT_EQ(count(",\"first\":2,\"last\":2"), 1);
  EXPECT_EQ(count(",\"status\":\"ignored\""), 0);
}

TEST_F(ReplayTest, WhatCannotBeReplayedIsSaid) {
  EXPECT_THAT(Ask("{\"source\":\"outreech\"}"), HasSubstr("no source 'outreech'"));
  EXPECT_THAT(Ask("{"), HasSubstr("error"));
  EXPECT_THAT(Ask("{\"source\":\"outreach\",\"from\":\"yesterday\"}"), HasSubstr("error"));
  // An older log table lacks the ids that senders sign.
  MustOk(db_->Execute("alter table webhook_delivery_log drop column delivery_id"));
  Load(ReadExample("outreach.yaml"));
  EXPECT_THAT(Ask("{\"source\":\"outreach\"}"), HasSubstr("delivery_id"));
}

TEST_F(ReplayTest, ASignedIdIsStillTheSameDelivery) {
  const std::string body = Payload{.at = "2026-01-02T02:00:00Z"}.Text();
  for (const char* id : {"msg_1", "msg_2"}) {
    Delivery delivery = Make(body);
    delivery.headers.emplace_back("tidewire-signed-id", id);
    Apply({delivery});
  }
  EXPECT_EQ(Number(Ask("{\"source\":\"outreach\"}"), "unchanged"), 2);
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "2");
}

TEST_F(ReplayTest, ARateIsKeptAndARestartBeginsAgain) {
  for (int64_t lead = 1; lead <= 5; ++lead) {
    Send(Payload{.lead = lead, .at = "2026-01-02T02:00:00Z"}.Text());
  }
  EXPECT_EQ(Ask("{\"source\":\"outreach\",\"rate\":2}", 2), "");
  Restart();
  for (int i = 0; i < 2; ++i) MustOk(applier_->pull().DoRequests());
  EXPECT_EQ(Query("select coalesce(result, '') from tidewire_request"), "");
  MustOk(applier_->pull().DoRequests());
  EXPECT_EQ(Number(Query("select result from tidewire_request"), "deliveries"), 5);
}

}  // namespace
}  // namespace tw::ingest
