// Where two trees differ.
#pragma once

#include <string>
#include <vector>

#include "config/node.h"

namespace tw::config {

// The keys of what differs, dotted, in the order of `before` and then of `after`: the deepest maps
// that both have, such as "server.loops", or "tables.notes" when only one has it. Lists are
// compared as wholes. Empty: the trees say the same.
std::vector<std::string> ChangedKeys(const Node& before, const Node& after);

}  // namespace tw::config
