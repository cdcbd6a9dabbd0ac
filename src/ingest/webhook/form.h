// Bodies of type application/x-www-form-urlencoded (WHATWG URL §5.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tw::ingest {

// Whether a Content-Type names a form.
bool IsForm(std::string_view content_type);

// The byte that "%3A", either case, at the start of `text` stands for; nullopt for anything else.
std::optional<char> DecodePercent(std::string_view text);

// The fields in their order, decoded: '+' is a space, a '%' without two hex digits stays.
std::vector<std::pair<std::string, std::string>> ParseForm(std::string_view body);

// The object of the fields: text, or an array of texts where a name is repeated. Bytes that are not
// UTF-8 become U+FFFD.
std::string JsonOfForm(std::string_view body);

}  // namespace tw::ingest
