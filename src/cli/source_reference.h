// The text of docs/source.md: the language of source files.
#pragma once

#include <string>

namespace tw::cli {

// Keys, expressions, names in columns and authentication schemes, without the title.
std::string SourceReference();

}  // namespace tw::cli
