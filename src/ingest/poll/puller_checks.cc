// Puller: what comes of checks: alerts, and reconciliations.
#include <algorithm>

#include "base/strings.h"
#include "ingest/poll/consistency.h"
#include "ingest/poll/puller_parts.h"
#include "telemetry/log.h"

namespace tw::ingest {
namespace {

std::string PercentOf(double share) {
  const auto tenths = static_cast<int64_t>(share * 1000 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

AlertLevel AlertLevelOf(DriftLevel level) {
  switch (level) {
    case DriftLevel::kOk:
    case DriftLevel::kInfo:
      return AlertLevel::kInfo;
    case DriftLevel::kWarning:
      return AlertLevel::kWarning;
    case DriftLevel::kCritical:
      return AlertLevel::kCritical;
  }
  return AlertLevel::kInfo;
}

}  // namespace

telemetry::Gauge& PullMetrics::Drift(const std::string& source, const std::string& check) {
  return registry.GetGauge("tidewire_consistency_drift_millionths",
                           "Largest difference of a tenant's number from the source's, by the last "
                           "looks, in millionths of it.",
                           {{"source", source}, {"check", check}});
}

Job* Puller::Parts::ReconcileJobOf(uint16_t source) {
  for (const auto& job : jobs) {
    if (job->reconciles == source) return job.get();
  }
  return nullptr;
}

// Who asks for it means those that wait for a word; without any, all.
StringSet Puller::Parts::Chosen(Job& job) {
  StringSet chosen = std::exchange(job.wanted, {});
  if (!job.run->requests.empty()) {
    const StringSet asked = std::exchange(job.asked_for, {});
    if (asked.empty()) return {};
    chosen.insert(asked.begin(), asked.end());
  }
  return chosen;
}

void Puller::Parts::TellChecked(const ActiveRun& active, RunStatus status,
                                const std::string& error) {
  const Source& source = active.run->source();
  const StreamRun::Setup& setup = active.run->setup();
  const CheckPlan& check = source.consistency->checks[*setup.check];
  const std::string& tenant = active.task.name;
  const std::string failed = "check_failed." + check.name;
  if (!IsSuccess(status)) {
    // Not knowing is no difference.
    if (status == RunStatus::kDeferred || status == RunStatus::kCancelled) return;
    return Raise(AlertLevel::kWarning, failed, source.name, tenant,
                 "What " + source.name + " counts for " + tenant + " is not known (" + check.name +
                     "): " + std::string(ToString(status)) + ": " + error);
  }
  Raise(AlertLevel::kInfo, failed, source.name, tenant, "", true);
  const PullResult& total = active.run->total();
  for (const PullResult::Adjusted& day : total.adjusted) {
    metrics.adjusted.Add();
    telemetry::Log(telemetry::Level::kInfo, "DayAdjusted", "a closed day follows the source's total",
                   {{"source", source.name},
                    {"tenant", tenant},
                    {"metric", day.metric},
                    {"day", day.day},
                    {"change", std::to_string(day.change)}});
  }
  // A day that was just adjusted is compared by the next look.
  if (!total.adjusted.empty() || total.compared.empty()) return;
  const auto worst = std::ranges::max_element(total.compared, {}, [](const Compared& compared) {
    return DriftOf(compared.source, compared.mirror);
  });
  TellDrift(active, check, *worst);
}

void Puller::Parts::TellDrift(const ActiveRun& active, const CheckPlan& check,
                              const Compared& worst) {
  const Source& source = active.run->source();
  const StreamRun::Setup& setup = active.run->setup();
  const double drift = DriftOf(worst.source, worst.mirror);
  const std::string key = source.name + "\x1f" + check.name + "\x1f";
  drifts[key + setup.tenant.tenant.id] = drift;
  double largest = 0;
  for (auto it = drifts.lower_bound(key); it != drifts.end() && it->first.starts_with(key); ++it) {
    largest = std::max(largest, it->second);
  }
  metrics.Drift(source.name, check.name).Set(static_cast<int64_t>(largest * 1e6));

  const std::string rule = "drift." + check.name;
  const std::string& tenant = active.task.name;
  const DriftLevel level = LevelOf(check, worst.source, worst.mirror);
  Job* const reconcile = ReconcileJobOf(setup.source_index);
  if (level == DriftLevel::kOk) {
    if (reconcile != nullptr) reconcile->asked_for.erase(setup.tenant.tenant.id);
    return Raise(AlertLevel::kInfo, rule, source.name, tenant, "", true);
  }
  std::string text = check.name + " of " + tenant + ": " + source.name + " counts " +
                     std::to_string(worst.source) +
                     (worst.metric.empty() ? "" : " " + worst.metric) + ", we have " +
                     std::to_string(worst.mirror) + " (" + PercentOf(drift) + ")";
  // What a reconciliation has left is told; the next look decides what to do about it.
  const bool decides = reconcile != nullptr && setup.purpose != PullPurpose::kReconcile;
  const DriftAction action =
      decides ? ActionOf(*source.consistency->reconcile, drift,
                         active.run->total().reconciled, wiring.clock.Wall())
              : DriftAction::kNone;
  AlertLevel grade = AlertLevelOf(level);
  switch (action) {
    case DriftAction::kNone:
    case DriftAction::kWait:
      break;
    case DriftAction::kReconcile:
      text += "; it is read again";
      // It begins when the job that compares has ended: other checks may want the same.
      if (reconcile->run == nullptr && reconcile->wanted.insert(setup.tenant.tenant.id).second) {
        metrics.reconciliations.Add();
      }
      break;
    case DriftAction::kGiveUp:
      text += "; reading again does not close it";
      grade = AlertLevel::kCritical;
      break;
    case DriftAction::kAsk:
      text += "; so much is not repaired unasked: tidewire jobs run " + reconcile->plan.name;
      grade = AlertLevel::kCritical;
      reconcile->asked_for.insert(setup.tenant.tenant.id);
      break;
  }
  Raise(grade, rule, source.name, tenant, std::move(text));
}

}  // namespace tw::ingest
