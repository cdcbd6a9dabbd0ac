#include "ingest/apply/pull_effects.h"

#include "ingest/poll/poll_config_describe.h"

namespace tw::ingest {

std::string_view LevelText(AlertLevel level) {
  for (const auto& named : ConfigNames(level)) {
    if (named.value == level) return named.name;
  }
  return "";
}

}  // namespace tw::ingest
