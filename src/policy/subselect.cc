// Sub-selects over tables: FROM, WHERE, joins, and the row-level security of what they read.
#include <algorithm>
#include <utility>

#include "policy/builder.h"

namespace tw::policy {
namespace {

// Whether a LIMIT's count is the constant 1 (or more, with `or_more`).
bool LimitsToOne(const json::Value& count, bool or_more) {
  const auto number = count["A_Const"]["ival"]["ival"].AsInt();
  return number && (*number == 1 || (or_more && *number > 1));
}

void Flatten(Expression condition, std::vector<Expression>& out) {
  if (condition.op != Op::kAnd) {
    out.push_back(std::move(condition));
    return;
  }
  for (Expression& argument : condition.arguments) Flatten(std::move(argument), out);
}

}  // namespace

Expression Builder::QueryNode(Op op, Type type, size_t offset, std::shared_ptr<SubQuery> query) {
  Expression result = Node(op, type, offset, {});
  result.reads_row = true;
  result.query = std::move(query);
  return result;
}

Result<Expression> Builder::BuildTableSelect(const json::Value& select, std::string_view kind,
                                             Fields fields, size_t offset) {
  if (kind == "EXISTS_SUBLINK") return BuildMembership(select, kind, nullptr, offset);
  if (kind == "ANY_SUBLINK") {
    if (fields.Find("operName") != nullptr && NameOf(fields["operName"]).name != "=") {
      return FailHere(offset, "of a table's rows only = ANY and IN are supported");
    }
    TW_ASSIGN_OR_RETURN(const Expression value, Build(fields["testexpr"]));
    if (value.type.array) return FailHere(offset, "IN of arrays is not supported");
    return BuildMembership(select, kind, &value, offset);
  }
  if (kind != "EXPR_SUBLINK" && kind != "ARRAY_SUBLINK") {
    return FailHere(offset, "this form of sub-select is not supported (" + std::string(kind) + ")");
  }
  if (select["op"].AsString() != "SETOP_NONE") {
    return FailHere(offset, "UNION and its kin are supported under IN and EXISTS only");
  }
  TW_ASSIGN_OR_RETURN(auto query, BuildQuery(select, true, offset));
  const Type type = query->target[0].type;
  if (kind == "EXPR_SUBLINK") return QueryNode(Op::kScalarQuery, type, offset, std::move(query));
  if (query->first_only) return FailHere(offset, "LIMIT is not supported here");
  return QueryNode(Op::kArrayQuery, {type.base, true, type.flexible}, offset, std::move(query));
}

Result<Expression> Builder::BuildMembership(const json::Value& select, std::string_view kind,
                                            const Expression* value, size_t offset) {
  const std::string_view set_operation = select["op"].AsString().value_or("SETOP_NONE");
  if (set_operation == "SETOP_UNION") {
    // x IN (a UNION b) is x IN a OR x IN b, NULLs included.
    if (select.Find("limitCount") != nullptr || select.Find("withClause") != nullptr) {
      return FailHere(offset, "LIMIT and WITH are not supported here");
    }
    std::vector<Expression> sides;
    for (const char* side : {"larg", "rarg"}) {
      json::Value branch = select[side];
      if (branch.Find("SelectStmt") != nullptr) branch = branch["SelectStmt"];
      TW_ASSIGN_OR_RETURN(Expression part, BuildMembership(branch, kind, value, offset));
      sides.push_back(std::move(part));
    }
    return Node(Op::kOr, {Base::kBool}, offset, std::move(sides));
  }
  if (set_operation != "SETOP_NONE") {
    return FailHere(offset, "INTERSECT and EXCEPT are not supported");
  }
  const bool exists = value == nullptr;
  TW_ASSIGN_OR_RETURN(auto query, BuildQuery(select, !exists, offset));
  if (exists) return QueryNode(Op::kExists, {Base::kBool}, offset, std::move(query));
  if (query->first_only && select.Find("limitCount") != nullptr) {
    return FailHere(offset, "LIMIT under IN is not supported");
  }
  return Membership(*value, std::move(query), offset);
}

Result<Expression> Builder::Membership(Expression value, std::shared_ptr<SubQuery> query,
                                       size_t offset) {
  Expression& target = query->target[0];
  const auto common = CommonBase({&value, &target});
  if (!common || target.type.array) {
    return NoOperator("=", value.type, target.type, offset);
  }
  TW_ASSIGN_OR_RETURN(value, Coerce(std::move(value), {*common}));
  TW_ASSIGN_OR_RETURN(target, Coerce(std::move(target), {*common}));
  const bool claims = value.reads_claims;
  Expression result = QueryNode(Op::kInQuery, {Base::kBool}, offset, std::move(query));
  result.arguments.push_back(std::move(value));
  result.operand = *common;
  result.reads_claims |= claims;
  return result;
}

Status Builder::CheckClauses(const json::Value& select, bool exists, SubQuery& query,
                             size_t offset) {
  for (const json::Member& member : select.members()) {
    const std::string_view key = member.key;
    if (key == "targetList" || key == "fromClause" || key == "whereClause" || key == "op" ||
        key == "limitOption" || key == "sortClause") {
      continue;
    }
    if (key == "limitCount" && LimitsToOne(member.value, exists)) {
      query.first_only = true;
      continue;
    }
    if (key == "distinctClause") {
      // Of a scalar sub-select several equal values are one; different ones are an error.
      query.first_only = true;
      continue;
    }
    return FailHere(offset, "sub-selects with " + std::string(key) + " are not supported");
  }
  return {};
}

Result<std::shared_ptr<SubQuery>> Builder::BuildQuery(const json::Value& select, bool wants_target,
                                                      size_t offset) {
  auto query = std::make_shared<SubQuery>();
  TW_RETURN_IF_ERROR(CheckClauses(select, !wants_target, *query, offset));
  Scope scope;
  scope.outer = scope_;
  const Scope* const outer = std::exchange(scope_, &scope);
  const auto build = [&]() -> Status {
    for (const json::Value& item : select["fromClause"].items()) {
      TW_RETURN_IF_ERROR(AddFrom(item, *query, scope, offset));
    }
    if (const json::Value* where = select.Find("whereClause")) {
      TW_ASSIGN_OR_RETURN(Expression condition, BuildBool(*where, "WHERE"));
      Flatten(std::move(condition), query->conditions);
    }
    if (!wants_target) return {};
    const auto targets = select["targetList"].items();
    if (targets.size() != 1) return FailHere(offset, "subquery must return only one column");
    TW_ASSIGN_OR_RETURN(Expression target, Build(NodeOf(targets[0]).fields["val"]));
    if (target.type.base == Base::kUnknown) {
      TW_ASSIGN_OR_RETURN(target, Coerce(std::move(target), {Base::kText}));
    }
    query->target.push_back(std::move(target));
    return {};
  };
  const Status built = build();
  scope_ = outer;
  TW_RETURN_IF_ERROR(built);
  return query;
}

Status Builder::AddFrom(const json::Value& node, SubQuery& query, Scope& scope, size_t offset) {
  const SqlNode item = NodeOf(node);
  if (item.name == "RangeVar") return AddTable(item.fields, query, scope, offset);
  if (item.name == "JoinExpr") return AddJoin(item.fields, query, scope, offset);
  return FailHere(offset, "this form of FROM is not supported (" + std::string(item.name) + ")");
}

const SchemaTable* Builder::ResolveTable(std::string_view schema, std::string_view name) const {
  if (!schema.empty()) return compilation_.schema().FindTable(schema, name);
  for (const std::string& candidate : search_path_) {
    const SchemaTable* const table = compilation_.schema().FindTable(candidate, name);
    if (table != nullptr) return table;
  }
  return nullptr;
}

Status Builder::AddTable(Fields range, SubQuery& query, Scope& scope, size_t offset) {
  const std::string_view schema = range["schemaname"].AsString().value_or("");
  const std::string_view name = range["relname"].AsString().value_or("");
  const size_t at = OffsetOf(range, offset);
  const SchemaTable* const table = ResolveTable(schema, name);
  if (table == nullptr) {
    return FailHere(at, "table \"" + std::string(name) +
                            "\" is not followed; a sub-select sees only tables whose changes are "
                            "captured");
  }
  if (range["alias"].Find("colnames") != nullptr || range.Find("catalogname") != nullptr) {
    return FailHere(at, "renamed columns are not supported");
  }
  if (!table->MayRead(role_)) {
    return Fail(ErrorCode::kPermissionDenied, "permission denied for table " +
                                                  table->relation->table + " (role \"" + role_ +
                                                  "\")");
  }
  ScopeEntry entry;
  entry.alias = std::string(range["alias"]["aliasname"].AsString().value_or(name));
  entry.table = table;
  entry.privileges = ScopeEntry::Privileges::kNeeded;
  TW_ASSIGN_OR_RETURN(entry.range, compilation_.NewRange());
  entry.inner = compilation_.inner().Table(table->relation);
  if (std::ranges::any_of(scope.entries,
                          [&](const ScopeEntry& other) { return other.alias == entry.alias; })) {
    return FailHere(at, "table name \"" + entry.alias + "\" specified more than once");
  }
  query.ranges.push_back({entry.range, *entry.inner});
  TW_ASSIGN_OR_RETURN(Expression visible, compilation_.Predicate(entry, role_));
  if (!(visible.op == Op::kConstant && visible.constant.is_true())) {
    Flatten(std::move(visible), query.conditions);
  }
  scope.entries.push_back(std::move(entry));
  return {};
}

Status Builder::AddJoin(Fields join, SubQuery& query, Scope& scope, size_t offset) {
  if (join["jointype"].AsString().value_or("JOIN_INNER") != "JOIN_INNER" ||
      join.Find("alias") != nullptr || join["isNatural"].AsBool().value_or(false)) {
    return FailHere(offset, "of joins only [INNER] JOIN … ON, USING and CROSS JOIN are supported");
  }
  const size_t before = scope.entries.size();
  TW_RETURN_IF_ERROR(AddFrom(join["larg"], query, scope, offset));
  const size_t middle = scope.entries.size();
  TW_RETURN_IF_ERROR(AddFrom(join["rarg"], query, scope, offset));
  for (const json::Value& item : join["usingClause"].items()) {
    const std::string_view name = item["String"]["sval"].AsString().value_or("");
    std::vector<Expression> sides;
    for (const auto& [from, to] : {std::pair{before, middle}, {middle, scope.entries.size()}}) {
      for (size_t i = from; i < to; ++i) {
        const auto column = scope.entries[i].table->relation->Find(name);
        if (!column) continue;
        TW_ASSIGN_OR_RETURN(Expression side, UseColumn(scope.entries[i], *column, offset));
        sides.push_back(std::move(side));
        if (from == before) scope.merged.emplace_back(name, i);
        break;
      }
    }
    if (sides.size() != 2) return FailHere(offset, "USING names a column that is not on both sides");
    TW_ASSIGN_OR_RETURN(Expression equal,
                        Compare("=", std::move(sides[0]), std::move(sides[1]), offset));
    query.conditions.push_back(std::move(equal));
  }
  if (const json::Value* on = join.Find("quals")) {
    TW_ASSIGN_OR_RETURN(Expression condition, BuildBool(*on, "JOIN/ON"));
    Flatten(std::move(condition), query.conditions);
  }
  return {};
}

}  // namespace tw::policy
