#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/evaluate.h"
#include "policy/inner_tables.h"
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
  const auto& slots = program_->slots();
  slots_->values.resize(slots.size());
  if (program_->error()) {
    Deny(*program_->error());
    return;
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    Scratch scratch;
    const Datum value = Evaluate(slots[i].expression, {.claims = &claims}, scratch);
    if (value.is_error()) {
      Deny({ErrorCode::kInvalidArgument, slots[i].label + ": " + *scratch.error()});
      return;
    }
    slots_->values[i] = Own(value, slots_->scratch);
  }
  Decide();
}

Access::Access(std::shared_ptr<const Program> program, std::unique_ptr<Slots> slots)
    : program_(std::move(program)), slots_(std::move(slots)) {
  TW_CHECK(slots_->values.size() == program_->slots().size());
  if (program_->error()) {
    Deny(*program_->error());
    return;
  }
  Decide();
}

Access::Access(std::shared_ptr<const Program> program, Error error)
    : program_(std::move(program)), slots_(std::make_unique<Slots>()) {
  Deny(std::move(error));
}

void Access::Deny(Error error) {
  verdict_ = Verdict::kNothing;
  key_ = program_->identity() + "#error:" + error.message;
  anchors_.emplace();
  error_ = std::move(error);
}

Access::~Access() = default;

void Access::Decide() {
  const Expression& condition = program_->condition();
  key_ = program_->identity();
  if (program_->database() != nullptr) {
    verdict_ = Verdict::kByRow;
    key_ += '#';
    AppendIdentity(key_, slots_->values.front());
    return;
  }
  const auto value = ValueForEveryRow(condition, *slots_);
  auto anchors = AnchorsOf(condition, *slots_);
  const bool nothing =
      (value && !value->is_true()) || (anchors && anchors->empty());  // Such as owner = NULL.
  const bool everything = value && value->is_true();
  verdict_ = nothing ? Verdict::kNothing : (everything ? Verdict::kEverything : Verdict::kByRow);
  switch (verdict_) {
    case Verdict::kEverything:
      key_ += "#all";
      return;
    case Verdict::kNothing:
      key_ += "#none";
      anchors_.emplace();
      return;
    case Verdict::kByRow:
      anchors_ = std::move(anchors);
      key_ += '#';
      for (const Datum& slot : slots_->values) AppendIdentity(key_, slot);
      return;
  }
}

Access::Judgement Access::Judge(const Row& row, const InnerView* tables) const {
  if (verdict_ == Verdict::kEverything) return Judgement::kShown;
  if (verdict_ == Verdict::kNothing) return Judgement::kHidden;
  TW_CHECK(row.size() == program_->relation()->columns.size());
  if (program_->database() != nullptr) return Judgement::kError;
  if (tables != nullptr && program_->reads_tables() &&
      tables->plan_id() != program_->plan_id()) {
    return Judgement::kError;  // Rights of another catalogue than the tables'.
  }
  Scratch scratch;
  const Inputs inputs{.row = &row, .slots = slots_->values.data(), .tables = tables};
  const Datum value = Evaluate(program_->condition(), inputs, scratch);
  if (value.is_error()) return Judgement::kError;
  return value.is_true() ? Judgement::kShown : Judgement::kHidden;
}

bool Access::Allows(const Row& row, const InnerView* tables) const {
  return Judge(row, tables) == Judgement::kShown;
}

bool Access::reads_tables() const {
  return verdict_ == Verdict::kByRow && program_->reads_tables();
}

bool Access::asks_database() const {
  return verdict_ == Verdict::kByRow && program_->database() != nullptr;
}

std::vector<std::pair<uint32_t, uint64_t>> Access::listings() const {
  std::vector<std::pair<uint32_t, uint64_t>> all;
  if (verdict_ != Verdict::kByRow) return all;
  const auto& leaves = program_->probes().leaves;
  for (uint32_t i = 0; i < leaves.size(); ++i) {
    for (const uint64_t hash : ListingsOf(leaves[i], slots_->values[leaves[i].slot])) {
      all.emplace_back(i, hash);
    }
  }
  return all;
}

}  // namespace tw::policy
