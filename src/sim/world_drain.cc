// People's edits, and the quiet end of a run.
#include <algorithm>

#include "sim/world.h"

namespace tw::sim {
namespace {

using namespace std::chrono_literals;

constexpr int kRoundsMax = 3'000;

}  // namespace

std::string World::EditSql(int64_t lead, StageEdits& edits) {
  Random& random = machine_.random;
  const std::string where = " where lead_email = '" + Provider::EmailOf(lead) + "'";
  const std::string hand = "'hand." + std::to_string(random.Below(hand_made_ + 1)) + "'";
  // Never what the source writes itself.
  static constexpr const char* kStages[] = {"new", "contacted", "qualified", "closed"};
  switch (random.Below(8)) {
    case 0:
    case 1:
      edits.last[lead] = kStages[random.Below(std::size(kStages))];
      return "update client_leads set pipeline_stage = '" + edits.last[lead] + "'" + where;
    case 2:
      edits.unclear.insert(lead);
      return "delete from client_leads" + where;
    case 3:
      return "update client_leads set notes = 'seen " + std::to_string(outcome_.steps) +
             "' where workspace_id = " + (random.Percent(50) ? "37" : "38");
    case 4: {
      static constexpr const char* kTo[] = {"37", "38", "39", "null"};
      return std::string("update client_leads set workspace_id = ") +
             kTo[random.Below(std::size(kTo))] + where;
    }
    case 5: {
      const std::string email = "'hand." + std::to_string(++hand_made_) + "'";
      return "insert into client_leads(workspace_id, workspace_name, lead_email, pipeline_stage)"
             " values(37, 'Northwind', " +
             email + ", 'replied')";
    }
    case 6:
      return "update client_leads set lead_email = lead_email || 'x' where lead_email like " +
             hand + " || '%'";
    default:
      return "update client_leads set tags = '[\"a\"]' where lead_email like " + hand +
             " || '%'; delete from client_leads where lead_email like " + hand +
             " || '%'; update client_leads set lead_value = 7" + where;
  }
}

void World::Edit() {
  if (life_ == nullptr) return;
  Random& random = machine_.random;
  if (!late_workspace_open_ && random.Percent(10)) return OpenLateWorkspace();
  if (provider_.events().empty()) return;
  const int64_t lead = provider_.events()[random.Below(provider_.events().size())].lead;
  const auto rows = life_->database().QueryInt(
      "select count(*) from client_leads where lead_email = '" + Provider::EmailOf(lead) + "'");
  StageEdits after = edits_;
  const std::string sql = EditSql(lead, after);
  const auto end = random.Percent(85) ? Life::EditEnd::kCommit : Life::EditEnd::kRollback;
  const Status done = life_->Edit(sql, end);
  Note("edit " + sql + (end == Life::EditEnd::kCommit ? "" : " (given up)"));
  if (!rows.ok() || !done.ok()) {
    edits_.unclear.insert(lead);
  } else if (*rows > 0 && end == Life::EditEnd::kCommit) {
    edits_ = std::move(after);
  }
}

void World::OpenLateWorkspace() {
  const Workspace& workspace = *provider_.Find(kLateWorkspace);
  const Status done = life_->Edit(
      "insert into client_registry(bison_workspace_id, workspace_name, timezone) values(" +
          std::to_string(workspace.id) + ", '" + workspace.name + "', '" + workspace.timezone +
          "') on conflict do nothing",
      Life::EditEnd::kCommit);
  late_workspace_open_ = done.ok();
  Note("workspace " + workspace.name + " appears");
}

// One round of everything, fairly.
void World::DrainRound() {
  ++outcome_.steps;
  machine_.clock.Advance(150ms);
  if (life_ == nullptr) return StartLife();
  if (!late_workspace_open_) OpenLateWorkspace();
  for (int i = 0; i < 20; ++i) Deliver();
  life_->PumpInbox();
  TurnStore();
  while (life_->RunReader()) {
  }
  for (size_t loop = 0; loop < kLoops; ++loop) life_->RunLoop(loop, SIZE_MAX);
  for (auto& client : clients_) client->Receive(SIZE_MAX);
  EndStep();
}

void World::Drain() {
  Note("the faults stop");
  full_until_ = 0;
  machine_.storage.SetCapacity(UINT64_MAX);
  if (life_ != nullptr) Die(machine_.random.Percent(50) ? Death::kKill : Death::kPowerCut);
  provider_.StopFaults();
  for (auto& client : clients_) client->StopFaults();
  for (int round = 0; round < kRoundsMax && !outcome_.failure; ++round) {
    DrainRound();
    if (life_ == nullptr || !life_->idle()) continue;
    if (provider_.all_acknowledged()) return SettleClients();
    if (const auto due = provider_.NextDue(); due && *due > machine_.clock.Wall()) {
      machine_.clock.Advance(*due - machine_.clock.Wall());
    }
  }
  if (!outcome_.failure) Fail("the deliveries do not come to rest");
}

void World::SettleClients() {
  // A turn of the store's timer publishes what people have changed and time alone has made due.
  for (int round = 0; round < 20; ++round) DrainRound();
  for (int round = 0; round < kRoundsMax && !outcome_.failure; ++round) {
    DrainRound();
    bool settled = life_ != nullptr && life_->idle();
    for (auto& client : clients_) {
      if (client->settled()) continue;
      settled = false;
      client->Step();
    }
    if (settled) return;
  }
  if (!outcome_.failure) Fail("the clients do not come to rest");
}

std::vector<std::string> World::VisibleKeys(const Sight& sight) {
  std::string sql = "select workspace_name || '|' || ";
  sql += sight.table == "client_leads" ? "lead_email" : "metric_date";
  sql += " from " + sight.table + " where true";
  if (sight.rows == Sight::Rows::kNone) sql += " and false";
  if (sight.rows == Sight::Rows::kWorkspace) {
    sql += " and workspace_id = " + std::to_string(sight.workspace);
  }
  if (!sight.filter_column.empty()) {
    sql += " and " + sight.filter_column + " = '" + sight.filter_value + "'";
  }
  std::vector<std::string> keys;
  auto rows = life_->database().Prepare(sql);
  while (rows.ok()) {
    const auto row = rows->Step();
    if (!row.ok() || !*row) return keys;
    keys.emplace_back(rows->ColumnText(0));
  }
  Fail("cannot read: " + rows.error().message);
  return keys;
}

void World::CheckClients() {
  for (auto& client : clients_) {
    auto query = client->TableQuery();
    if (!query.ok()) return Fail("cannot read: " + query.error().message);
    const auto rows = query::ReadTable(life_->database(), life_->epoch(), *query, {});
    if (!rows.ok()) return Fail("cannot read: " + rows.error().message);
    client->CheckSettled(rows->json, VisibleKeys(client->kind().sight));
  }
}

}  // namespace tw::sim
