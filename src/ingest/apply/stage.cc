#include "ingest/apply/stage.h"

#include <algorithm>

namespace tw::ingest {
namespace {

// Null, or exactly what the source wrote: not a person's.
bool IsOurs(const Value& stored, const std::optional<std::string>& written) {
  if (stored.is_null()) return true;
  const std::string* text = stored.AsText();
  return text != nullptr && written && *text == *written;
}

void Climb(const StagePlan& plan, Value& stored, std::optional<std::string>& written,
           const std::string& target) {
  if (!IsOurs(stored, written)) return;
  const auto rank = [&](std::string_view stage) {
    return std::ranges::find(plan.ladder, stage) - plan.ladder.begin();
  };
  if (const std::string* now = stored.AsText()) {
    const bool on_ladder = rank(*now) < static_cast<std::ptrdiff_t>(plan.ladder.size());
    if (on_ladder && rank(*now) >= rank(target)) return;
  }
  stored = Value(target);
  written = target;
}

}  // namespace

StageView NextStage(const StagePlan& plan, StageView view, const StageAction& action,
                    const Version& version) {
  const std::string* column = view.column.AsText();
  const bool in_terminal = !view.terminal.empty() && column != nullptr && *column == view.terminal;
  if (action.kind == StageAction::Kind::kAdvance) {
    const std::string& target = plan.ladder[action.value];
    // While terminal, the stage that it would have is kept beside it.
    if (!in_terminal) {
      // A person moved it out of the terminal stage: that is a local edit like any other.
      if (view.terminal.empty()) Climb(plan, view.column, view.written, target);
    } else if (!plan.previous_column.empty()) {
      Climb(plan, view.previous, view.written, target);
    }
    return view;
  }
  const std::string& target = plan.terminal[action.value];
  if (!view.terminal.empty() && !NotOlder(version, view.terminal_version)) return view;
  // The same happening again, in whatever bytes: what a person has done since stays.
  if (view.terminal == target && version.at == view.terminal_version.at) return view;
  if (!in_terminal) view.previous = view.column;
  view.column = Value(target);
  view.terminal = target;
  view.terminal_version = version;
  return view;
}

}  // namespace tw::ingest
