// SQL text → typed Expression. The language, its types and what is refused: docs/policies.md.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/relation.h"
#include "policy/expression.h"

namespace tw::policy {

// Compiles one boolean expression over the columns of `relation`. Constants live in `constants`,
// which must outlive the result.
// Errors: kInvalidArgument "line 1, column 8 (offset 7): <reason>"; kResourceExhausted over
// kSqlBytesMax or kExpressionNodesMax.
Result<Expression> CompileExpression(std::string_view sql, const Relation& relation,
                                     Scratch& constants);

}  // namespace tw::policy
