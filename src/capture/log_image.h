// Row images in tidewire_log: the columns' values as SQL literals, comma-separated, in column
// order: NULL,-7,1.5,'it''s',X'00ff'. This is what SQLite's quote() writes; it is exact for every
// storage class and needs no extension in the program that makes the change.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/relation.h"

namespace tw::capture {

// The SQL expression that builds the image of `prefix` ("NEW" or "OLD") in a trigger.
std::string ImageExpression(const Relation& relation, std::string_view prefix);

// Inverse, as a row of `relation`. Errors: kDataLoss when the text is no image of that many columns.
Result<Row> ParseImage(std::string_view image, const Relation& relation);

}  // namespace tw::capture
