#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "policy/evaluate.h"
#include "policy/policy.h"
#include "policy/program.h"

namespace tw::policy {
namespace {

// AND (decisive false) or OR (decisive true) of values, some of which depend on the row.
std::optional<Datum> ConnectiveForEveryRow(const Expression& e, bool decisive, const Slots& slots) {
  bool unknown = false;
  bool depends = false;
  for (const Expression& argument : e.arguments) {
    const auto value = ValueForEveryRow(argument, slots);
    if (!value) {
      depends = true;
    } else if (value->is_null()) {
      unknown = true;
    } else if (value->kind == Datum::Kind::kBool && value->boolean == decisive) {
      return value;
    }
  }
  if (depends) return std::nullopt;
  return unknown ? Datum{} : Datum::Bool(!decisive);
}

void CollectColumns(const Expression& e, std::set<uint16_t>& columns) {
  if (e.op == Op::kColumn) columns.insert(static_cast<uint16_t>(e.index));
  for (const Expression& argument : e.arguments) CollectColumns(argument, columns);
}

}  // namespace

std::optional<Datum> ValueForEveryRow(const Expression& e, const Slots& slots) {
  switch (e.op) {
    case Op::kConstant:
      return e.constant;
    case Op::kSlot:
      return slots.values[e.index];
    case Op::kAnd:
      return ConnectiveForEveryRow(e, false, slots);
    case Op::kOr:
      return ConnectiveForEveryRow(e, true, slots);
    case Op::kNot: {
      const auto value = ValueForEveryRow(e.arguments[0], slots);
      if (!value || value->kind != Datum::Kind::kBool) return value;
      return Datum::Bool(!value->boolean);
    }
    default:
      return std::nullopt;  // Depends on the row, or is not worth knowing.
  }
}

Access::Access(std::shared_ptr<const Program> program, const Claims& claims)
    : program_(std::move(program)), slots_(std::make_unique<Slots>()) {
  key_ = program_->identity();
  if (program_->Bypasses(claims.role)) {
    verdict_ = Verdict::kEverything;
    key_ += "#all";
    return;
  }
  const auto& policies = program_->policies();
  slots_->values.resize(program_->slots().size());
  std::vector<bool> known(program_->slots().size());
  std::string applied = "#";
  for (uint32_t i = 0; i < policies.size(); ++i) {
    if (!policies[i].AppliesTo(claims.role)) continue;
    const bool permissive = policies[i].kind == PolicyDefinition::Kind::kPermissive;
    (permissive ? permissive_ : restrictive_).push_back(i);
    applied += std::to_string(i) + ",";
    for (const uint32_t slot : policies[i].slots) {
      if (known[slot]) continue;
      known[slot] = true;
      Scratch scratch;
      const Datum value = Evaluate(program_->slots()[slot], {.claims = &claims}, scratch);
      if (value.is_error()) {
        error_ = Error{ErrorCode::kInvalidArgument, policies[i].label + ": " + *scratch.error()};
        key_ += "#error:" + error_->message;
        anchors_.emplace();
        return;
      }
      slots_->values[slot] = Own(value, slots_->scratch);
    }
  }
  Decide();
  if (verdict_ == Verdict::kEverything) {
    key_ += "#all";
  } else if (verdict_ == Verdict::kNothing) {
    key_ += "#none";
    anchors_.emplace();
  } else {
    key_ += applied;
    for (size_t i = 0; i < known.size(); ++i) {
      if (known[i]) AppendIdentity(key_, slots_->values[i]);
    }
  }
}

Access::~Access() = default;

void Access::Decide() {
  const auto& policies = program_->policies();
  bool everything = false;
  std::optional<std::vector<Anchor>> anchors = std::vector<Anchor>{};
  bool nothing = true;
  for (const uint32_t i : permissive_) {
    const auto value = ValueForEveryRow(policies[i].condition, *slots_);
    if (!value || value->is_true()) nothing = false;
    if (value && value->is_true()) everything = true;
    anchors = JoinAnchors(std::move(anchors), AnchorsOf(policies[i].condition, *slots_));
  }
  for (const uint32_t i : restrictive_) {
    const auto value = ValueForEveryRow(policies[i].condition, *slots_);
    if (value && !value->is_true()) nothing = true;
    if (!value) everything = false;
    anchors = BetterAnchors(std::move(anchors), AnchorsOf(policies[i].condition, *slots_));
  }
  if (anchors && anchors->empty()) nothing = true;  // Such as owner = NULL.
  verdict_ = nothing ? Verdict::kNothing : (everything ? Verdict::kEverything : Verdict::kByRow);
  if (verdict_ == Verdict::kByRow) anchors_ = std::move(anchors);
}

bool Access::Allows(const Row& row) const {
  if (verdict_ != Verdict::kByRow) return verdict_ == Verdict::kEverything;
  TW_CHECK(row.size() == program_->relation()->columns.size());
  const auto& policies = program_->policies();
  const Inputs inputs{.row = &row, .slots = slots_->values.data()};
  Scratch scratch;
  bool allowed = false;
  for (const uint32_t i : permissive_) {
    const Datum value = Evaluate(policies[i].condition, inputs, scratch);
    if (value.is_error()) return false;
    if (value.is_true()) {
      allowed = true;
      break;
    }
  }
  return allowed && std::ranges::all_of(restrictive_, [&](uint32_t i) {
           return Evaluate(policies[i].condition, inputs, scratch).is_true();
         });
}

Result<std::shared_ptr<const TablePolicy>> TablePolicy::Compile(
    RelationPtr relation, std::span<const PolicyDefinition> policies,
    const CompileOptions& options) {
  TW_ASSIGN_OR_RETURN(auto program, Program::Compile(std::move(relation), policies, options));
  return std::make_shared<const TablePolicy>(std::move(program));
}

TablePolicy::TablePolicy(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
TablePolicy::~TablePolicy() = default;

AccessPtr TablePolicy::AccessFor(const Claims& claims) const {
  return std::make_shared<const Access>(program_, claims);
}

std::vector<uint16_t> TablePolicy::columns_read() const {
  std::set<uint16_t> columns;
  for (const CompiledPolicy& policy : program_->policies()) {
    CollectColumns(policy.condition, columns);
  }
  return {columns.begin(), columns.end()};
}

const RelationPtr& TablePolicy::relation() const {
  return program_->relation();
}

}  // namespace tw::policy
