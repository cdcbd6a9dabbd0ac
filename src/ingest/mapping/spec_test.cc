// Every expression of the two reference configurations compiles: the whole mirror of an outreach
// platform, and of three advertising and donation sources. Written as they stand in the YAML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/node.h"
#include "ingest/mapping/expression.h"
#include "testing/matchers.h"

namespace tw::ingest::mapping {
namespace {

using tw::testing::IsOk;

constexpr std::string_view kOutreach = R"yaml(
verify: { at: "$.data[*].workspace_id", equals: tenant.id }
discover: { records: $.data, id: $.id, name: $.name }
config_sync: { bison_workspace_id: tenant.id, target: $.data.daily_limit_total }
events: $
batched: "$[*]"
type: $.event.type
tenant: [$.event.workspace_id, $.event.workspace_name]
lead:
  lead_id: $.data.lead.id
  lead_email: $.data.lead.email | lower | trim
  first_name: $.data.lead.first_name
  custom_variables: $.data.lead.custom_variables
  phone: $.data.lead.custom_variables[?lower(@.name) in ("phone","phone_number")].value | first
  conversation_url: format("{}/workspaces/{}/leads/{}", $.event.instance_url, $.event.workspace_id, $.data.lead.id)
send:
  campaign_id: $.data.campaign.id
  sender_id: $.data.sender_email.id
  scheduled_id: $.data.scheduled_email.id
facts: [scheduled_id, lead_id, campaign_id, sender_id, occurred_at, reply_id, reply_uuid]
counter_key: { workspace_name: tenant.name, metric_type: "'mtd'", metric_date: month_start(at) }
stamp: { updated_at: now(), update_source: channel, last_webhook_update_at: webhook_now, last_poll_update_at: poll_now }
client_leads:
  key: { workspace_name: tenant.name, lead_email: lead_email }
  set: { bison_lead_id: lead_id, first_name: first_name, phone: phone, conversation: conversation_url }
  insert_only: { lead_value: 0, created_at: now() }
manual_email_sent:
  set: { reply_id: $.data.reply.id }
  occurred_at: [$.data.reply.date_sent, $.data.email.sent_at]
email_opened: [$.data.opened_at, $.data.email.opened_at]
lead_interested:
  set: { reply_id: $.data.reply.id, reply_uuid: $.data.reply.uuid, date_received: $.data.reply.date_received, interested: true }
pages: { next: $.links.next, total: $.meta.total, last: $.meta.last_page }
cursor: $.date_received
observe:
  - { lead_id: $.lead_id, reply_id: $.id, reply_uuid: $.uuid, lead_email: "$.from_email_address | lower", occurred_at: $.date_received }
  - { if: $.interested == true }
  - { scheduled_id: $.id, sender_id: $.sender_email_id, occurred_at: $.sent_at }
  - { if: $.status == "unsubscribed" }
  - { if: $.status == "bounced" }
sender_accounts: { workspace_name: tenant.name, bison_account_id: $.id, emails_sent_count: $.emails_sent_count }
sweep: { deleted_at: now() }
totals: { emails_sent_mtd: $.emails_sent, replies_mtd: $.replied, opens_mtd: $.opened }
)yaml";

constexpr std::string_view kCampaign = R"yaml(
freshness_key: { organization_id: tenant.id, source: source.name }
freshness: { last_synced_at: last_success_at, last_sync_status: status, last_error: error, rows_changed: rows, next_due_at: next_due, sync_id: run_id }
meta:
  retry: $.error.code
  events: $.entry[*].changes[*]
  tenant: $parent.id
  type: $.field
  next: $.paging.next
  key: { organization_id: tenant.id, ad_id: $.ad_id, date: $.date_start }
  set: { spend: $.spend | decimal, impressions: $.impressions | int, clicks: $.clicks | int }
switchboard:
  records: $.items
  cursor_from: $.next_cursor
  key: { organization_id: tenant.id, message_id: $.id }
  version: $.updated_at
  set: { status: $.status, cost: $.cost | decimal }
actblue_webhook:
  tenant: $.contribution.contributionForm
  key: { organization_id: tenant.id, receipt_id: $.contribution.orderNumber }
  version: $.contribution.createdAt
  set: { amount: "$.lineitems[*].amount | sum | decimal" }
actblue_csv:
  poll: { ready: $.status == "complete", url_at: $.download_url }
  upsert: { receipt_id: col("Receipt ID"), version: col("Date") , set: { amount: col("Amount") | decimal, donor_email: col("Donor Email") | lower, recurring: col("Recurring Total Months") | int } }
)yaml";

// Compiles each scalar below `node`; gives how many there were.
size_t CompileAll(const config::Node& node) {
  size_t count = 0;
  for (const config::Node& item : node.items()) count += CompileAll(item);
  for (const config::Node::Entry& entry : node.entries()) count += CompileAll(entry.value);
  if (!node.is_scalar()) return count;
  EXPECT_THAT(Expression::Compile(node), IsOk()) << config::ToString(node.where());
  return 1;
}

TEST(SpecificationTest, EveryExpressionCompiles) {
  for (const std::string_view text : {kOutreach, kCampaign}) {
    const auto root = config::ParseYaml(text, "spec.yaml");
    ASSERT_THAT(root, IsOk());
    EXPECT_GT(CompileAll(*root), 25u);
  }
}

}  // namespace
}  // namespace tw::ingest::mapping
