// The difference of two texts by lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tw::cli {

// "-line" for what goes, "+line" for what comes, in their order; lines that stay are left out. A
// shortest one, unless the texts' middles are longer than 5 000 lines each: then all of those go
// and come.
std::vector<std::string> LineDiff(std::string_view before, std::string_view after);

}  // namespace tw::cli
