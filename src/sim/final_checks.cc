#include "sim/final_checks.h"

#include <algorithm>
#include <array>
#include <map>

namespace tw::sim {
namespace {

// By Happening.
constexpr std::array<const char*, kCountedHappenings> kMetrics = {
    "emails_sent_mtd",      "manual_emails_sent_mtd", "opens_mtd",  "replies_mtd",
    "positive_replies_mtd", "unsubscribed_mtd",       "bounced_mtd"};

using Found = std::optional<std::string>;
// Workspace name, metric, day or month.
using Counts = std::map<std::array<std::string, 3>, int64_t>;

bool IsCounted(const TrueEvent& event) {
  return static_cast<size_t>(event.kind) < kCountedHappenings;
}

std::string LocalDay(WallTime at, std::chrono::minutes offset) {
  return FormatTimestampMs(at + offset).substr(0, 10);
}

// Each lead is interested once and unsubscribes once, at the earliest time that is known.
std::vector<const TrueEvent*> Distinct(const Provider& provider) {
  std::vector<const TrueEvent*> distinct;
  std::map<std::pair<Happening, int64_t>, const TrueEvent*> once;
  for (const TrueEvent& event : provider.events()) {
    if (!IsCounted(event) || provider.Find(event.workspace) == nullptr) continue;
    if (event.kind != Happening::kInterested && event.kind != Happening::kUnsubscribed) {
      distinct.push_back(&event);
      continue;
    }
    auto& first = once[{event.kind, event.lead}];
    if (first == nullptr || event.occurred_at < first->occurred_at) first = &event;
  }
  for (const auto& [key, event] : once) distinct.push_back(event);
  return distinct;
}

Found Compare(const Counts& wanted, const Counts& stored, std::string_view what) {
  const auto text = [](const Counts::value_type& entry) {
    return entry.first[0] + " " + entry.first[1] + " " + entry.first[2] + " = " +
           std::to_string(entry.second);
  };
  for (const auto& entry : wanted) {
    const auto found = stored.find(entry.first);
    if (found == stored.end()) return std::string(what) + ": missing " + text(entry);
    if (found->second != entry.second) {
      return std::string(what) + ": " + text(*found) + ", but truly " + text(entry);
    }
  }
  for (const auto& entry : stored) {
    if (!wanted.contains(entry.first)) return std::string(what) + ": invented " + text(entry);
  }
  return std::nullopt;
}

Result<Counts> StoredDays(sqlite::Database& database) {
  Counts counts;
  TW_ASSIGN_OR_RETURN(auto rows, database.Prepare("select workspace_name, metric, local_day, n"
                                                  " from client_metrics_daily where n <> 0"));
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return counts;
    counts[{std::string(rows.ColumnText(0)), std::string(rows.ColumnText(1)),
            std::string(rows.ColumnText(2))}] = rows.ColumnInt(3);
  }
}

Result<Counts> StoredMonths(sqlite::Database& database) {
  Counts counts;
  for (const char* const metric : kMetrics) {
    TW_ASSIGN_OR_RETURN(
        auto rows, database.Prepare(std::string("select workspace_name, "
                                                "metric_date, ") +
                                    metric + " from client_metrics where " + metric + " <> 0"));
    for (;;) {
      TW_ASSIGN_OR_RETURN(const bool row, rows.Step());
      if (!row) break;
      counts[{std::string(rows.ColumnText(0)), metric, std::string(rows.ColumnText(1))}] =
          rows.ColumnInt(2);
    }
  }
  return counts;
}

bool StatusFits(const TrueEvent& event, std::string_view status) {
  if (event.kind == Happening::kUnknownType) return status == "ignored:type";
  if (event.workspace == kUnknownWorkspace) return status == "parked:tenant";
  if (event.workspace == kLateWorkspace && status == "parked:tenant") return true;
  if (event.kind == Happening::kBadTime) return status == "dead:mapping";
  return status == "ok" || status == "duplicate";
}

// What the source alone makes of a lead.
struct Standing {
  int ladder = 0;  // 1: replied, 2: interested.
  const TrueEvent* terminal = nullptr;
  bool any = false;
};

std::map<int64_t, Standing> Standings(const Provider& provider) {
  std::map<int64_t, Standing> leads;
  for (const TrueEvent& event : provider.events()) {
    if (provider.Find(event.workspace) == nullptr) continue;
    Standing& lead = leads[event.lead];
    switch (event.kind) {
      case Happening::kReplied:
        lead.ladder = std::max(lead.ladder, 1);
        break;
      case Happening::kInterested:
        lead.ladder = 2;
        break;
      case Happening::kUnsubscribed:
      case Happening::kBounced:
        if (lead.terminal == nullptr || event.occurred_at > lead.terminal->occurred_at) {
          lead.terminal = &event;
        }
        break;
      case Happening::kSent:
      case Happening::kManualSent:
      case Happening::kOpened:
      case Happening::kUnknownType:
      case Happening::kBadTime:
        continue;
    }
    lead.any = true;
  }
  return leads;
}

std::string TerminalName(const Standing& lead) {
  return lead.terminal->kind == Happening::kBounced ? "bounced" : "unsubscribed";
}

bool StandsRight(const Standing& lead, const std::string* person, const std::string& stage,
                 const std::string& before) {
  if (person != nullptr) {
    // A terminal event that is newer than the edit overrides it and remembers it.
    if (stage == *person) return true;
    return lead.terminal != nullptr && before == *person &&
           (stage == "unsubscribed" || stage == "bounced");
  }
  const std::string ladder = lead.ladder == 2 ? "interested" : lead.ladder == 1 ? "replied" : "";
  if (lead.terminal == nullptr) return stage == ladder;
  return stage == TerminalName(lead) && before == ladder;
}

}  // namespace

Found CheckAcknowledged(const Provider& provider, sqlite::Database& database) {
  auto log = database.Prepare("select status from webhook_delivery_log where id = ?");
  if (!log.ok()) return log.error().message;
  std::map<uint64_t, size_t> events;
  for (const auto& [sequence, event] : provider.acknowledgements()) {
    const auto [known, added] = events.emplace(sequence, event);
    if (!added) return "sequence " + std::to_string(sequence) + " was given to two deliveries";
    log->BindInt(1, static_cast<int64_t>(sequence));
    const auto row = log->Step();
    if (!row.ok()) return row.error().message;
    if (!*row) return "acknowledged delivery " + std::to_string(sequence) + " is in no log";
    const std::string status(log->ColumnText(0));
    log->Reset();
    if (!StatusFits(provider.events()[event], status)) {
      return "delivery " + std::to_string(sequence) + " ended as " + status + ": " +
             provider.events()[event].body;
    }
  }
  return std::nullopt;
}

Found CheckCounters(const Provider& provider, sqlite::Database& database) {
  Counts days;
  Counts months;
  for (const TrueEvent* const event : Distinct(provider)) {
    const Workspace& workspace = *provider.Find(event->workspace);
    const std::string day = LocalDay(event->occurred_at, workspace.utc_offset);
    const std::string metric = kMetrics[static_cast<size_t>(event->kind)];
    ++days[{workspace.name, metric, day}];
    ++months[{workspace.name, metric, day.substr(0, 8) + "01"}];
  }
  const auto stored_days = StoredDays(database);
  if (!stored_days.ok()) return stored_days.error().message;
  const auto stored_months = StoredMonths(database);
  if (!stored_months.ok()) return stored_months.error().message;
  if (auto wrong = Compare(days, *stored_days, "day counters")) return wrong;
  return Compare(months, *stored_months, "month counters");
}

Found CheckStages(const Provider& provider, const StageEdits& edits, sqlite::Database& database) {
  auto rows = database.Prepare(
      "select coalesce(pipeline_stage, ''), coalesce(pipeline_stage_before, '')"
      " from client_leads where lead_email = ?");
  if (!rows.ok()) return rows.error().message;
  for (const auto& [lead, standing] : Standings(provider)) {
    if (!standing.any || edits.unclear.contains(lead)) continue;
    const std::string email = Provider::EmailOf(lead);
    rows->BindText(1, email);
    const auto row = rows->Step();
    if (!row.ok()) return row.error().message;
    if (!*row) return email + " has no row";
    const std::string stage(rows->ColumnText(0));
    const std::string before(rows->ColumnText(1));
    rows->Reset();
    const auto edit = edits.last.find(lead);
    const std::string* const person = edit == edits.last.end() ? nullptr : &edit->second;
    if (!StandsRight(standing, person, stage, before)) {
      return email + " stands at '" + stage + "' before '" + before + "', ladder " +
             std::to_string(standing.ladder) + ", terminal " +
             (standing.terminal == nullptr ? "none" : TerminalName(standing)) + ", person " +
             (person == nullptr ? "none" : *person);
    }
  }
  return std::nullopt;
}

}  // namespace tw::sim
