#include "app/reload.h"

#include <algorithm>

#include "config/changed_keys.h"
#include "config/write.h"
#include "ingest/source_config_describe.h"
#include "json/json.h"

namespace tw::app {
namespace {

bool IsBelow(std::string_view key, std::string_view top) {
  return key.starts_with(top) && (key.size() == top.size() || key[top.size()] == '.');
}

// What IngestSide takes from the main file.
bool IsOfSources(std::string_view key) {
  return IsBelow(key, "sources") || IsBelow(key, "outbound") || IsBelow(key, "jobs");
}

// What is read anew whether it changed or not: files behind it may have.
bool IsOfKeys(std::string_view key) {
  return key == "auth.jwt_secret" || key == "auth.jwks" || IsBelow(key, "auth.required_claims") ||
         IsBelow(key, "server.tls");
}

template <typename T>
bool Same(const T& a, const T& b) {
  return config::ChangedKeys(config::ToNode(a, config::Secrets::kRevealed),
                             config::ToNode(b, config::Secrets::kRevealed))
      .empty();
}

bool SameSources(const std::vector<SourceFile>& a, const std::vector<SourceFile>& b) {
  return std::ranges::equal(a, b, [](const SourceFile& one, const SourceFile& other) {
    return one.name == other.name && one.text == other.text && Same(one.config, other.config);
  });
}

void CompareFiles(const std::vector<SqlFile>& running, const std::vector<SqlFile>& next,
                  std::vector<std::string>& waiting) {
  for (const SqlFile& file : next) {
    const auto same = std::ranges::find(running, file.name, &SqlFile::name);
    if (same != running.end() && same->text != file.text) waiting.push_back(file.name);
  }
}

}  // namespace

ReloadPlan PlanReload(const Configuration& running, const Configuration& next) {
  ReloadPlan plan;
  plan.report.applied = {"auth: the keys were read anew"};
  if (running.tls != nullptr && next.tls != nullptr) {
    plan.report.applied.emplace_back("server.tls: the certificate was read anew");
  }
  plan.sources = !SameSources(running.sources, next.sources);
  auto& waiting = plan.report.waiting;
  // On PostgreSQL there is nothing to replace where no source was, and nothing to go on with.
  const bool fixed = next.main.store.kind == StoreKind::kPostgres &&
                     running.sources.empty() != next.sources.empty();
  for (std::string& key :
       config::ChangedKeys(config::ToNode(running.main, config::Secrets::kRevealed),
                           config::ToNode(next.main, config::Secrets::kRevealed))) {
    if (IsOfKeys(key)) continue;
    if (!IsOfSources(key) || fixed) {
      waiting.push_back(std::move(key));
      continue;
    }
    plan.sources = true;
    if (!IsBelow(key, "sources")) plan.report.applied.push_back(std::move(key));
  }
  if (fixed) plan.sources = false;
  if ((running.tls == nullptr) != (next.tls == nullptr)) waiting.emplace_back("server.tls");
  CompareFiles(running.schema, next.schema, waiting);
  return plan;
}

std::vector<std::string> SourceChanges(
    const std::vector<std::shared_ptr<const ingest::Source>>& running,
    const std::vector<std::shared_ptr<const ingest::Source>>& next) {
  std::vector<std::string> changes;
  const auto find = [](const auto& sources, const std::string& name) {
    const auto found =
        std::ranges::find_if(sources, [&](const auto& source) { return source->name == name; });
    return found == sources.end() ? nullptr : found->get();
  };
  for (const auto& source : next) {
    const ingest::Source* const former = find(running, source->name);
    if (former == nullptr) {
      changes.push_back("source " + source->name + ": new, " + source->version);
    } else if (former->version != source->version) {
      changes.push_back("source " + source->name + ": " + former->version + " → " +
                        source->version);
    }
  }
  for (const auto& source : running) {
    if (find(next, source->name) == nullptr) changes.push_back("source " + source->name + ": gone");
  }
  if (changes.empty()) changes.emplace_back("sources: their secrets and addresses");
  return changes;
}

void UseSources(const Configuration& from, Configuration& to) {
  to.sources = from.sources;
  to.main.sources = from.main.sources;
  to.main.outbound = from.main.outbound;
  to.main.jobs = from.main.jobs;
}

std::string ToJson(const ReloadReport& report) {
  json::Writer writer;
  writer.Object();
  for (const auto& [name, lines] :
       {std::pair("applied", &report.applied), std::pair("waiting", &report.waiting)}) {
    writer.Key(name).Array();
    for (const std::string& line : *lines) writer.String(line);
    writer.End();
  }
  writer.End();
  return writer.Take();
}

}  // namespace tw::app
