// What a configuration that was read anew changes while the process runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "ingest/source.h"

namespace tw::app {

// For people: a line each.
struct ReloadReport {
  std::vector<std::string> applied;
  std::vector<std::string> waiting;  // Keys and files that count at the next start.
};

struct ReloadPlan {
  bool sources = false;  // Something that the source files or what they use say is different.
  ReloadReport report;   // Without the sources.
};

ReloadPlan PlanReload(const Configuration& running, const Configuration& next);

// "source outreach: 1f0a… → 77c2…", new, removed, or with other secrets.
std::vector<std::string> SourceChanges(
    const std::vector<std::shared_ptr<const ingest::Source>>& running,
    const std::vector<std::shared_ptr<const ingest::Source>>& next);

// Takes over the parts of `from` that PlanReload calls sources.
void UseSources(const Configuration& from, Configuration& to);

// {"applied":[…],"waiting":[…]}
std::string ToJson(const ReloadReport& report);

}  // namespace tw::app
