// The stage rule as a pure function; row_writer reads and writes around it.
#pragma once

#include <optional>
#include <string>

#include "ingest/apply/records.h"
#include "ingest/source.h"
#include "model/value.h"

namespace tw::ingest {

// What the row holds and what of it the source wrote.
struct StageView {
  Value column;
  Value previous;  // Null without a column for it.
  std::optional<std::string> written;
  std::string terminal;
  Version terminal_version;
};

// The same after `action` of version `version`.
StageView NextStage(const StagePlan& plan, StageView view, const StageAction& action,
                    const Version& version);

}  // namespace tw::ingest
