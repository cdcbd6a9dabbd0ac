// jsonb's operators on parsed JSON. Source: PostgreSQL 15 manual §9.16, §8.14.3.
#pragma once

#include <string_view>
#include <vector>

#include "json/json.h"
#include "policy/datum.h"

namespace tw::policy {

// Same value: numbers by value, objects regardless of key order.
bool JsonbEqual(const json::Value& a, const json::Value& b);
// a @> b.
bool JsonbContains(const json::Value& a, const json::Value& b);
// a ? key: a top-level key, array element or string.
bool JsonbExists(const json::Value& a, std::string_view key);
// The element at `index` (negative: from the end); nullptr when absent or no array.
const json::Value* JsonbItem(const json::Value& a, int64_t index);
// a #> path; nullptr when absent. A NULL element finds nothing.
const json::Value* JsonbPath(const json::Value& a, const std::vector<Datum>& path);
// What ->> and jsonb_array_elements_text give: NULL for JSON null and nullptr, strings decoded.
Datum JsonbText(const json::Value* value, Scratch& scratch);

}  // namespace tw::policy
