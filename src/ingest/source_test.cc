#include "ingest/source.h"

#include "ingest/outreach_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

class SourceTest : public OutreachTest {
 protected:
  // What is said of the example with `from` replaced by `to`.
  std::string Complaint(const std::string& from, const std::string& to) {
    std::string yaml = ReadExample("outreach.yaml");
    const size_t at = yaml.find(from);
    TW_CHECK(at != std::string::npos);
    yaml.replace(at, from.size(), to);
    const auto config = LoadSourceConfig(yaml, "outreach.yaml", environment_);
    if (!config.ok()) return config.error().message;
    const auto source = CompileSource(*config, yaml, *db_);
    return source.ok() ? "" : source.error().message;
  }
};

TEST_F(SourceTest, KeysThatAreNotSupportedYetAreRefusedWithTheirPlace) {
  EXPECT_THAT(Complaint("log:\n", "alerts:\n  group_wait: 30s\nlog:\n"),
              HasSubstr("alerts: not supported yet"));
  EXPECT_THAT(
      Complaint("  on_unknown: park", "  discover: { records: $.data }\n  on_unknown: park"),
      HasSubstr("outreach.yaml:18:3: tenants.discover: not supported yet"));
  EXPECT_THAT(Complaint("    stage: { advance_to: interested }",
                        "    stage: { advance_to: interested }\n    notify: { slack: x }"),
              HasSubstr("events.lead_interested.notify: not supported yet"));
}

TEST_F(SourceTest, MistakesAreNamedWithPlaceAndNearestName) {
  const struct {
    const char* from;
    const char* to;
    const char* complaint;
  } kCases[] = {
      {"table: client_metrics\n", "table: client_metric\n", "did you mean 'client_metrics'?"},
      {"name: workspace_name, active", "name: workspace_nam, active",
       "did you mean 'workspace_name'?"},
      {"    opens_mtd: { fact: opened }", "    open_mtd: { fact: opened }",
       "did you mean 'opens_mtd'?"},
      {"opens_mtd: { fact: opened }", "opens_mtd: { fact: openned }", "did you mean 'opened'?"},
      {"bison_lead_id: lead_id,", "pipeline_stage: lead_id,",
       "is a stage"},
      {"bison_lead_id: lead_id,", "notes: lead_id,", "is local_owned"},
      {"bison_lead_id: lead_id,", "bison_lead_id: leed_id,",
       "did you mean 'lead_id'?"},
      {"on: [lead_id, campaign_id, sender_id]", "on: [lead_id, campain_id]",
       "did you mean 'campaign_id'?"},
      {"key: { workspace_name: tenant.name, lead_email: lead_email }",
       "key: { lead_email: lead_email }", "tenant"},
      {"advance_to: interested", "advance_to: intrested", "did you mean 'interested'?"},
      {"fields: [lead, send]", "fields: [leads, send]", "did you mean 'lead'?"},
      {"scheme: path-token", "scheme: path-tokn", "did you mean 'path-token'?"},
      {"${secret.hook_token}", "${secret.hook_tokn}", "did you mean 'hook_token'?"},
      {"window: 1d", "window: soon", "expected a duration or 'forever'"},
      {"alias:\n      contact_replied: lead_replied", "alias:\n      contact_replied: lead_repliet",
       "did you mean 'lead_replied'?"},
      {"timezone_default: America/New_York", "timezone_default: America/Nowhere", "no time zone"},
      {"lower | trim", "lowr | trim", "lower"},
      {"max_body: 1MiB", "max_body: 1", "max_body"},
      {"path: /hooks/outreach/{token}", "path: /elsewhere/{token}", "must begin with /hooks/"},
  };
  for (const auto& each : kCases) {
    const std::string complaint = Complaint(each.from, each.to);
    EXPECT_THAT(complaint, HasSubstr(each.complaint)) << each.to;
    EXPECT_THAT(complaint, ::testing::StartsWith("outreach.yaml:")) << each.to;
  }
}

TEST_F(SourceTest, TheExampleCompilesAndItsTextIsItsVersion) {
  EXPECT_EQ(Complaint("title:", "title:"), "");
  EXPECT_EQ(source_->version.size(), 12u);
  EXPECT_EQ(source_->event_plans.size(), 13u);  // 7 events, 6 observations of records.
}

TEST_F(SourceTest, SecretsAreNotSaid) {
  EXPECT_THAT(Complaint("${env:TIDEWIRE_HOOK_TOKEN}", "literal-secret"),
              ::testing::Not(HasSubstr("literal-secret")));
}

}  // namespace
}  // namespace tw::ingest
