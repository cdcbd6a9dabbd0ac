#include "sim/provider.h"

#include <algorithm>
#include <array>

#include "json/json.h"

namespace tw::sim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kLeadsPerWorkspace = 6;

struct Spelling {
  std::string_view usual;
  std::string_view other;
};

// By Happening. Case and aliases are the configuration's business.
constexpr std::array<Spelling, 9> kTypes = {{{"EMAIL_SENT", "email_sent"},
                                             {"MANUAL_EMAIL_SENT", "Manual_Email_Sent"},
                                             {"EMAIL_OPENED", "email_opened"},
                                             {"CONTACT_REPLIED", "lead_replied"},
                                             {"LEAD_INTERESTED", "contact_interested"},
                                             {"CONTACT_UNSUBSCRIBED", "lead_unsubscribed"},
                                             {"EMAIL_BOUNCED", "email_bounced"},
                                             {"TAG_ATTACHED", "tag_attached"},
                                             {"LEAD_REPLIED", "lead_replied"}}};

constexpr std::array<Workspace (*)(), 3> kLateZones = {
    [] {
      return Workspace{kLateWorkspace, "Fabrikam", "Asia/Kathmandu", 345min};
    },
    [] {
      return Workspace{kLateWorkspace, "Fabrikam", "Pacific/Auckland", 780min};
    },
    [] {
      return Workspace{kLateWorkspace, "Fabrikam", "UTC", 0min};
    }};

}  // namespace

Provider::Provider(testing::FakeClock& clock, Random& random, std::string hook_token)
    : clock_(clock), random_(random), hook_token_(std::move(hook_token)) {
  workspaces_ = {{kNorthwind, "Northwind", "America/New_York", -300min},
                 {kContoso, "Contoso", "America/New_York", -300min},
                 kLateZones[random_.Below(kLateZones.size())]()};
}

const Workspace* Provider::Find(int64_t id) const {
  const auto found = std::ranges::find(workspaces_, id, &Workspace::id);
  return found == workspaces_.end() ? nullptr : &*found;
}

std::string Provider::EmailOf(int64_t lead) {
  return "lead." + std::to_string(lead) + "@example.com";
}

// Milliseconds, as the wire has; no two events at the same one, so that "newer" is never a tie.
WallTime Provider::OccurredAt() {
  const auto ago = random_.Percent(80) ? random_.Below(60'000) : random_.Below(6 * 3'600'000);
  auto at =
      std::chrono::floor<std::chrono::milliseconds>(clock_.Wall()) - std::chrono::milliseconds(ago);
  while (times_.contains(at)) at += 1ms;
  times_[at] = events_.size();
  return at;
}

void Provider::Happen() {
  const uint64_t where = random_.Below(100);
  TrueEvent event;
  event.workspace = where < 40   ? kNorthwind
                    : where < 75 ? kContoso
                    : where < 97 ? kLateWorkspace
                                 : kUnknownWorkspace;
  event.lead = event.workspace * 1'000 + static_cast<int64_t>(random_.Below(kLeadsPerWorkspace));
  const uint64_t kind = random_.Below(100);
  event.kind = kind < 96   ? static_cast<Happening>(random_.Below(kCountedHappenings))
               : kind < 98 ? Happening::kUnknownType
                           : Happening::kBadTime;
  // Ends of a lead's road are rarer than steps on it.
  if ((event.kind == Happening::kUnsubscribed || event.kind == Happening::kBounced) &&
      random_.Percent(60)) {
    event.kind = Happening::kReplied;
  }
  event.occurred_at = OccurredAt();
  const Names names{next_name_++, next_name_++, random_.Uuid()};
  const Spelling& type = kTypes[static_cast<size_t>(event.kind)];
  event.body = Write(event, type.usual, names);
  if (event.kind != Happening::kOpened) event.other_body = Write(event, type.other, names);
  events_.push_back(std::move(event));
  Schedule(events_.size() - 1, 0us);
  if (faults_ && random_.Percent(15)) Schedule(events_.size() - 1, RetryDelay());
}

std::string Provider::Write(const TrueEvent& event, std::string_view type,
                            const Names& names) const {
  const std::string at = event.kind == Happening::kBadTime ? "the day before yesterday"
                                                           : FormatTimestampMs(event.occurred_at);
  const Workspace* const workspace = Find(event.workspace);
  json::Writer w;
  w.Object().Key("event").Object().Key("type").String(type);
  w.Key("instance_url").String("https://outreach.example.com");
  w.Key("workspace_id").Int(event.workspace);
  w.Key("workspace_name").String(workspace == nullptr ? "Nobody" : workspace->name);
  w.Key("timestamp").String(at).End();
  w.Key("data").Object();
  w.Key("lead").Object().Key("id").Int(event.lead).Key("email").String(EmailOf(event.lead));
  w.Key("first_name").String("Lead").Key("last_name").String(std::to_string(names.reply));
  w.Key("title").String("VP \"Sales\"").Key("company").String("Grüße & Söhne").End();
  w.Key("campaign").Object().Key("id").Int(42).End();
  w.Key("sender_email").Object().Key("id").Int(12).End();
  w.Key("scheduled_email").Object().Key("id").Int(names.scheduled).End();
  w.Key("email").Object().Key("sent_at").String(at).Key("opened_at").String(at);
  w.Key("bounced_at").String(at).End();
  w.Key("reply").Object().Key("id").Int(names.reply).Key("uuid").String(names.uuid);
  w.Key("date_received").String(at).Key("date_sent").String(at).End().End().End();
  return w.Take();
}

void Provider::Schedule(size_t event, std::chrono::microseconds delay) {
  waiting_.emplace(clock_.Wall() + delay, event);
}

std::chrono::microseconds Provider::RetryDelay() {
  const uint64_t seconds = random_.Percent(70)   ? 1 + random_.Below(60)
                           : random_.Percent(80) ? 60 + random_.Below(3'600)
                                                 : 3'600 + random_.Below(23 * 3'600);
  return std::chrono::seconds(seconds);
}

std::optional<WallTime> Provider::NextDue() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

std::optional<Provider::Attempt> Provider::NextAttempt() {
  const auto end = waiting_.upper_bound(clock_.Wall());
  const auto due = std::distance(waiting_.begin(), end);
  if (due == 0) return std::nullopt;
  // Any of those that are due: the network keeps no order.
  const auto chosen = std::next(waiting_.begin(),
                                static_cast<ptrdiff_t>(random_.Below(static_cast<uint64_t>(due))));
  const size_t index = chosen->second;
  waiting_.erase(chosen);
  const TrueEvent& event = events_[index];
  const bool other = !event.other_body.empty() && random_.Percent(20);
  const uint64_t request = next_request_++;
  in_flight_[request] = index;
  const bool wrong = faults_ && random_.Percent(3);
  const bool broken = faults_ && random_.Percent(2);
  std::string body = other ? event.other_body : event.body;
  if (broken) body.resize(body.size() / 2);
  return Attempt{request, wrong ? "wrong-token" : hook_token_, std::move(body)};
}

void Provider::OnReply(uint64_t request, int status, uint64_t sequence) {
  const auto found = in_flight_.find(request);
  if (found == in_flight_.end()) return;
  const size_t event = found->second;
  in_flight_.erase(found);
  if (status != 200) return Schedule(event, RetryDelay());
  if (sequence != 0) acknowledgements_.push_back({sequence, event});
  if (faults_ && random_.Percent(8)) return Schedule(event, RetryDelay());  // The reply is lost.
  events_[event].acknowledged = true;
  // Somebody presses "send again".
  if (faults_ && random_.Percent(5)) Schedule(event, RetryDelay());
}

void Provider::OnConnectionsLost() {
  for (const auto& [request, event] : in_flight_) Schedule(event, RetryDelay());
  in_flight_.clear();
}

}  // namespace tw::sim
