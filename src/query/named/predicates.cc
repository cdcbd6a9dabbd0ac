#include "query/named/predicates.h"

#include <pg_query.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "json/json.h"
#include "policy/sql_tree.h"

namespace tw::query {
namespace {

using policy::NodeOf;
using policy::SqlNode;

// One table in a FROM clause.
struct Reference {
  std::string alias;
  std::string table;  // Canonical.
  Conjunction conjunction;
};

// The FROM clause of one SELECT.
struct Scope {
  std::vector<size_t> references;  // Into Finder::references_.
  bool only_tables = true;         // Unqualified names can only be columns of `references`.
};

class Finder {
 public:
  Finder(std::string_view sql, const PredicateSchema& schema) : sql_(sql), schema_(schema) {}

  bool Run(const json::Value& root) {
    const auto statements = root["stmts"].items();
    if (statements.size() != 1) return false;
    const SqlNode select = NodeOf(statements[0]["stmt"]);
    if (select.name != "SelectStmt") return false;
    CollectNames(select.fields);
    Select(select.fields);
    return !unknown_tables_;
  }

  std::map<std::string, std::vector<Conjunction>> Take() {
    std::map<std::string, std::vector<Conjunction>> result;
    for (Reference& reference : references_) {
      result[reference.table].push_back(std::move(reference.conjunction));
    }
    return result;
  }

 private:
  void CollectNames(const json::Value& node) {
    if (node.is_object()) {
      for (const json::Member& member : node.members()) {
        if (member.key == "CommonTableExpr") {
          ctes_.insert(ToLower(member.value["ctename"].AsString().value_or("")));
        }
        CollectNames(member.value);
      }
    }
    for (const json::Value& item : node.items()) CollectNames(item);
  }

  // A SelectStmt's fields.
  void Select(const json::Value& select) {
    Scope scope;
    for (const json::Value& item : select["fromClause"].items()) From(item, scope);
    Conjuncts(select["whereClause"], scope, nullptr);
    // Everything else may hold sub-selects; the sides of a UNION stand here without a wrapper.
    for (const json::Member& member : select.members()) {
      if (member.key == "larg" || member.key == "rarg") {
        Select(member.value);
      } else if (member.key != "fromClause") {
        Walk(member.value);
      }
    }
  }

  // Finds SELECTs and tables anywhere below.
  void Walk(const json::Value& node) {
    for (const json::Value& item : node.items()) Walk(item);
    for (const json::Member& member : node.members()) {
      if (member.key == "SelectStmt") {
        Select(member.value);
      } else if (member.key == "RangeVar") {
        // Outside of any FROM that was understood: every row counts.
        Scope ignored;
        Table(member.value, ignored);
      } else {
        Walk(member.value);
      }
    }
  }

  void From(const json::Value& item, Scope& scope) {
    const SqlNode node = NodeOf(item);
    if (node.name == "RangeVar") return Table(node.fields, scope);
    if (node.name == "JoinExpr") return Join(node.fields, scope);
    scope.only_tables = false;
    Walk(item);
  }

  void Table(const json::Value& fields, Scope& scope) {
    const auto name = fields["relname"].AsString().value_or("");
    const auto alias = fields["alias"]["aliasname"].AsString();
    const bool cte = ctes_.contains(ToLower(name));
    if (cte) scope.only_tables = false;
    const auto table = schema_.table(name);
    if (!table) {
      if (!cte) unknown_tables_ = true;  // A view.
      scope.only_tables = false;
      return;
    }
    if (!fields["alias"]["colnames"].items().empty()) scope.only_tables = false;
    scope.references.push_back(references_.size());
    references_.push_back({std::string(alias.value_or(name)), *table, {}});
  }

  void Join(const json::Value& fields, Scope& scope) {
    const auto type = fields["jointype"].AsString().value_or("");
    if (fields["alias"].is_object() || fields["isNatural"].AsBool().value_or(false) ||
        !fields["usingClause"].items().empty()) {
      scope.only_tables = false;  // Merged columns: names may mean either side.
    }
    const size_t before = scope.references.size();
    From(fields["larg"], scope);
    const size_t between = scope.references.size();
    From(fields["rarg"], scope);
    const auto side = [&](size_t from, size_t to) {
      return std::set<size_t>(scope.references.begin() + static_cast<ptrdiff_t>(from),
                              scope.references.begin() + static_cast<ptrdiff_t>(to));
    };
    // ON limits both sides of an inner join and the nullable side of an outer one.
    std::set<size_t> limited;
    if (type == "JOIN_INNER") limited = side(before, scope.references.size());
    if (type == "JOIN_LEFT") limited = side(between, scope.references.size());
    if (type == "JOIN_RIGHT") limited = side(before, between);
    Conjuncts(fields["quals"], scope, &limited);
    Walk(fields["quals"]);
  }

  // `limited`: the references that may be narrowed; null: all of the scope.
  void Conjuncts(const json::Value& condition, const Scope& scope,
                 const std::set<size_t>* limited) {
    const SqlNode node = NodeOf(condition);
    if (node.name == "BoolExpr" && node.fields["boolop"].AsString() == "AND_EXPR") {
      for (const json::Value& part : node.fields["args"].items()) {
        Conjuncts(part, scope, limited);
      }
      return;
    }
    if (node.name != "A_Expr") return;
    Predicate predicate;
    const auto reference = Compare(node.fields, scope, predicate);
    if (!reference || (limited != nullptr && !limited->contains(*reference))) return;
    Conjunction& conjunction = references_[*reference].conjunction;
    if (conjunction.size() < kPredicatesMax) conjunction.push_back(std::move(predicate));
  }

  std::optional<size_t> Compare(const json::Value& fields, const Scope& scope,
                                Predicate& predicate) {
    const auto kind = fields["kind"].AsString().value_or("");
    const auto names = fields["name"].items();
    if (names.size() != 1) return std::nullopt;
    const auto name = names[0]["String"]["sval"].AsString().value_or("");
    if (kind == "AEXPR_OP") {
      if (auto found = Operator(fields["lexpr"], name, fields["rexpr"], scope, predicate)) {
        return found;
      }
      static const std::map<std::string_view, std::string_view> kMirrored = {
          {"=", "="}, {"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}};
      const auto mirrored = kMirrored.find(name);
      if (mirrored == kMirrored.end()) return std::nullopt;
      return Operator(fields["rexpr"], mirrored->second, fields["lexpr"], scope, predicate);
    }
    if (kind != "AEXPR_IN" && kind != "AEXPR_BETWEEN") return std::nullopt;
    if (kind == "AEXPR_IN" && name != "=") return std::nullopt;  // NOT IN
    const auto reference = Column(fields["lexpr"], scope, predicate);
    const SqlNode list = NodeOf(fields["rexpr"]);
    if (!reference || list.name != "List") return std::nullopt;
    std::vector<Operand> operands;
    for (const json::Value& item : list.fields["items"].items()) {
      auto operand = ReadOperand(item);
      if (!operand || operands.size() == kInValuesMax) return std::nullopt;
      operands.push_back(*std::move(operand));
    }
    if (kind == "AEXPR_IN") {
      predicate.operands = std::move(operands);
      return reference;
    }
    if (operands.size() != 2) return std::nullopt;
    predicate.kind = Predicate::Kind::kRange;
    predicate.low = std::move(operands[0]);
    predicate.high = std::move(operands[1]);
    predicate.low_inclusive = predicate.high_inclusive = true;
    return reference;
  }

  std::optional<size_t> Operator(const json::Value& left, std::string_view name,
                                 const json::Value& right, const Scope& scope,
                                 Predicate& predicate) {
    auto operand = ReadOperand(right);
    if (!operand) return std::nullopt;
    const auto reference = Column(left, scope, predicate);
    if (!reference) return std::nullopt;
    if (name == "=") {
      predicate.operands = {*std::move(operand)};
      return reference;
    }
    predicate.kind = Predicate::Kind::kRange;
    if (name == "<" || name == "<=") {
      predicate.high = std::move(operand);
      predicate.high_inclusive = name == "<=";
      return reference;
    }
    if (name == ">" || name == ">=") {
      predicate.low = std::move(operand);
      predicate.low_inclusive = name == ">=";
      return reference;
    }
    return std::nullopt;
  }

  // A column of exactly one reference of this very scope.
  std::optional<size_t> Column(const json::Value& node, const Scope& scope, Predicate& predicate) {
    const SqlNode column = NodeOf(node);
    if (column.name != "ColumnRef") return std::nullopt;
    const auto name = policy::NameOf(column.fields["fields"]);
    if (name.parts == 0 || name.parts > 2 || name.name.empty()) return std::nullopt;
    if (name.parts == 1 && !scope.only_tables) return std::nullopt;
    std::optional<size_t> found;
    for (const size_t index : scope.references) {
      const Reference& reference = references_[index];
      if (name.parts == 2 && !EqualsIgnoreCase(reference.alias, name.schema)) continue;
      if (name.parts == 1 && !schema_.has_column(reference.table, name.name)) continue;
      if (found) return std::nullopt;
      found = index;
    }
    if (!found) return std::nullopt;
    const auto known = schema_.column(references_[*found].table, name.name);
    if (!known) return std::nullopt;
    predicate.column = known->index;
    predicate.affinity = known->affinity;
    return found;
  }

  std::optional<Operand> ReadOperand(const json::Value& node) const {
    const SqlNode given = NodeOf(node);
    if (given.name == "ParamRef") {
      const auto number = given.fields["number"].AsInt();
      if (!number || *number < 1) return std::nullopt;
      return Operand{.parameter = static_cast<size_t>(*number - 1)};
    }
    if (given.name != "A_Const") return std::nullopt;
    const json::Value& constant = given.fields;
    if (constant["isnull"].AsBool().value_or(false)) return Operand{.constant = Value()};
    if (const auto text = constant["sval"]["sval"].AsString()) {
      return Operand{.constant = Value(*text)};
    }
    if (constant.Find("sval") != nullptr) return Operand{.constant = Value("")};
    if (constant.Find("boolval") != nullptr) {
      const bool value = constant["boolval"]["boolval"].AsBool().value_or(false);
      return Operand{.constant = Value(int64_t{value})};
    }
    if (constant.Find("ival") != nullptr) return Integer(constant);
    return std::nullopt;  // Reals and bit strings: not worth following.
  }

  // libpg_query 15 leaves out values that are not positive: only a bare 0 is read from the text.
  std::optional<Operand> Integer(const json::Value& constant) const {
    if (const auto value = constant["ival"]["ival"].AsInt()) {
      return Operand{.constant = Value(*value)};
    }
    const auto at = constant["location"].AsInt();
    if (!at || *at < 0 || static_cast<size_t>(*at) >= sql_.size() ||
        sql_[static_cast<size_t>(*at)] != '0') {
      return std::nullopt;
    }
    return Operand{.constant = Value(0)};
  }

  std::string_view sql_;
  const PredicateSchema& schema_;
  std::set<std::string> ctes_;
  std::vector<Reference> references_;
  bool unknown_tables_ = false;
};

}  // namespace

std::optional<std::map<std::string, std::vector<Conjunction>>> FindPredicates(
    std::string_view postgres_sql, const PredicateSchema& schema) {
  const std::string sql(postgres_sql);
  PgQueryParseResult parsed = pg_query_parse(sql.c_str());
  if (parsed.error != nullptr) {
    pg_query_free_parse_result(parsed);
    return std::nullopt;
  }
  const auto document = json::Parse(parsed.parse_tree);
  pg_query_free_parse_result(parsed);
  if (!document.ok()) return std::nullopt;
  Finder finder(sql, schema);
  if (!finder.Run(document->root())) return std::nullopt;
  return finder.Take();
}

}  // namespace tw::query
