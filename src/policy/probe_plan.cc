// Derives probes from a condition (declared in probe.h).
#include <algorithm>
#include <optional>
#include <utility>

#include "policy/probe.h"

namespace tw::policy {
namespace {

// One alternative before it is planned.
struct Draft {
  std::vector<QueryRange> ranges;
  std::vector<Expression> conditions;  // Without slots.
  std::optional<ProbeLeaf> leaf;       // None: everyone for whom the conditions hold.
  std::vector<Expression> value;
};
using Drafts = std::vector<Draft>;

constexpr size_t kEveryoneCost = 1'000;
constexpr size_t kScanCost = 100;

bool IsTrue(const Expression& e) { return e.op == Op::kConstant && e.constant.is_true(); }

Drafts Everyone() { return {Draft{}}; }

Draft LeafOf(const Expression& slot, const Expression& value, Base operand, ProbeLeaf::Kind kind,
             bool null_matches = false) {
  Draft draft;
  draft.leaf = ProbeLeaf{kind, slot.index, operand, null_matches};
  draft.value.push_back(value);
  return draft;
}

Expression Equality(const Expression& a, const Expression& b, Base operand) {
  Expression e;
  e.op = Op::kCompare;
  e.type = {Base::kBool};
  e.operand = operand;
  e.reads_row = true;
  e.arguments = {a, b};
  return e;
}

class Planner {
 public:
  Planner(ProbePlan& plan, InnerPlan& inner) : plan_(plan), inner_(inner) {}

  // Alternatives that together find all for whom `e` may be TRUE, walking from `known`.
  Drafts Derive(const Expression& e);
  Drafts DeriveAll(const std::vector<Expression>& conditions,
                   const std::vector<QueryRange>& ranges);
  std::vector<Probe> Finish(const Drafts& drafts);
  void FindRanges(const Expression& e);
  void Start(uint16_t known) { known_ = known; }

 private:
  Drafts FromEquality(const Expression& a, const Expression& b, Base operand, bool null_matches);
  Drafts FromQuery(const Expression& query, std::vector<Expression> extra);
  Drafts FromNot(const Expression& e);
  Drafts FromList(const Expression& e);
  Walk Plan(const Draft& draft, InnerPlan& inner, bool& reached) const;
  size_t Cost(const Drafts& drafts) const;

  ProbePlan& plan_;
  InnerPlan& inner_;
  uint16_t known_ = 0;
};

Walk Planner::Plan(const Draft& draft, InnerPlan& inner, bool& reached) const {
  std::vector<QueryRange> ranges = draft.ranges;
  std::erase_if(ranges, [&](const QueryRange& range) { return range.range == known_; });
  Walk walk = MakeWalk(ranges, draft.conditions, {known_}, WalkScope::kReachable, inner);
  reached = false;
  if (!draft.leaf) return walk;
  const auto covers = [&](const Walk& candidate) {
    return std::ranges::all_of(FreeRanges(draft.value[0]), [&](uint16_t range) {
      return range == known_ || std::ranges::any_of(candidate.steps, [&](const QueryStep& step) {
               return step.range.range == range;
             });
    });
  };
  reached = covers(walk);
  if (reached) return walk;
  Walk whole = MakeWalk(ranges, draft.conditions, {known_}, WalkScope::kAll, inner);
  reached = covers(whole);
  return reached ? whole : walk;
}

size_t Planner::Cost(const Drafts& drafts) const {
  size_t cost = 0;
  for (const Draft& draft : drafts) {
    InnerPlan discarded = inner_;
    bool reached = false;
    const Walk walk = Plan(draft, discarded, reached);
    if (!reached) {
      cost += walk.guards.empty() ? kEveryoneCost : kEveryoneCost / 2;
      continue;
    }
    cost += 1;
    for (const QueryStep& step : walk.steps) cost += step.keyed ? 2 : kScanCost;
  }
  return cost;
}

std::vector<Probe> Planner::Finish(const Drafts& drafts) {
  std::vector<Probe> probes;
  for (const Draft& draft : drafts) {
    Probe probe;
    bool reached = false;
    probe.walk = Plan(draft, inner_, reached);
    probe.everyone = !reached;
    if (reached) {
      const auto found = std::ranges::find(plan_.leaves, *draft.leaf);
      probe.leaf = static_cast<uint32_t>(found - plan_.leaves.begin());
      if (found == plan_.leaves.end()) plan_.leaves.push_back(*draft.leaf);
      probe.value = draft.value;
    }
    probes.push_back(std::move(probe));
  }
  return probes;
}

Drafts Planner::DeriveAll(const std::vector<Expression>& conditions,
                          const std::vector<QueryRange>& ranges) {
  std::vector<Expression> free;
  for (const Expression& condition : conditions) {
    if (!ReadsSlots(condition)) free.push_back(condition);
  }
  Drafts best = Everyone();
  best[0].ranges = ranges;
  best[0].conditions = free;
  size_t best_cost = Cost(best);
  for (const Expression& condition : conditions) {
    if (!ReadsSlots(condition)) continue;
    Drafts drafts = Derive(condition);
    for (Draft& draft : drafts) {
      draft.ranges.insert(draft.ranges.end(), ranges.begin(), ranges.end());
      draft.conditions.insert(draft.conditions.end(), free.begin(), free.end());
    }
    const size_t cost = Cost(drafts);
    if (cost >= best_cost) continue;
    best = std::move(drafts);
    best_cost = cost;
  }
  return best;
}

Drafts Planner::FromEquality(const Expression& a, const Expression& b, Base operand,
                             bool null_matches) {
  for (const auto& [side, other] : {std::pair{&a, &b}, {&b, &a}}) {
    if (side->op == Op::kSlot && !ReadsSlots(*other) && operand != Base::kJsonb) {
      return {LeafOf(*side, *other, operand, ProbeLeaf::Kind::kValue, null_matches)};
    }
  }
  if (null_matches) return Everyone();
  for (const auto& [side, other] : {std::pair{&a, &b}, {&b, &a}}) {
    if (side->op != Op::kScalarQuery) continue;
    return FromQuery(*side, {Equality(side->query->target[0], *other, operand)});
  }
  return Everyone();
}

Drafts Planner::FromQuery(const Expression& query, std::vector<Expression> extra) {
  std::vector<Expression> conditions = query.query->conditions;
  for (Expression& condition : extra) conditions.push_back(std::move(condition));
  return DeriveAll(conditions, query.query->ranges);
}

// NOT x is TRUE when x is FALSE.
Drafts Planner::FromNot(const Expression& x) {
  if (x.op == Op::kNot) return Derive(x.arguments[0]);
  if (x.op == Op::kIsDistinct) {
    return FromEquality(x.arguments[0], x.arguments[1], x.operand, true);
  }
  if (x.op == Op::kCompare && x.comparison == Comparison::kNotEqual) {
    return FromEquality(x.arguments[0], x.arguments[1], x.operand, false);
  }
  return Everyone();
}

// a IN (b, c): each equality is an alternative.
Drafts Planner::FromList(const Expression& e) {
  Drafts all;
  for (size_t i = 1; i < e.arguments.size(); ++i) {
    Drafts one = ReadsSlots(e.arguments[0]) || ReadsSlots(e.arguments[i])
                     ? FromEquality(e.arguments[0], e.arguments[i], e.operand, false)
                     : Everyone();
    if (!one[0].leaf) one[0].conditions = {Equality(e.arguments[0], e.arguments[i], e.operand)};
    if (ReadsSlots(e.arguments[0]) && !one[0].leaf) return Everyone();
    for (Draft& draft : one) all.push_back(std::move(draft));
  }
  return all;
}

Drafts Planner::Derive(const Expression& e) {
  if (!ReadsSlots(e)) {
    Drafts guarded = Everyone();
    if (!IsTrue(e)) guarded[0].conditions.push_back(e);
    return guarded;
  }
  switch (e.op) {
    case Op::kSlot: {
      Expression yes;
      yes.type = {Base::kBool};
      yes.constant = Datum::Bool(true);
      return {LeafOf(e, yes, Base::kBool, ProbeLeaf::Kind::kValue)};
    }
    case Op::kAnd:
      return DeriveAll(e.arguments, {});
    case Op::kOr: {
      Drafts all;
      for (const Expression& argument : e.arguments) {
        for (Draft& draft : Derive(argument)) all.push_back(std::move(draft));
      }
      return all;
    }
    case Op::kNot:
      return FromNot(e.arguments[0]);
    case Op::kIsTrue:
      return Derive(e.arguments[0]);
    case Op::kIsFalse:
      return FromNot(e.arguments[0]);
    case Op::kCompare:
      if (e.comparison != Comparison::kEqual) return Everyone();
      return FromEquality(e.arguments[0], e.arguments[1], e.operand, false);
    case Op::kIn:
      return FromList(e);
    case Op::kAny:
      if (e.comparison == Comparison::kEqual && e.arguments[1].op == Op::kSlot &&
          !ReadsSlots(e.arguments[0])) {
        return {LeafOf(e.arguments[1], e.arguments[0], e.operand, ProbeLeaf::Kind::kElement)};
      }
      return Everyone();
    case Op::kJsonExists:
      if (e.arguments[0].op == Op::kSlot && !ReadsSlots(e.arguments[1])) {
        return {LeafOf(e.arguments[0], e.arguments[1], Base::kText, ProbeLeaf::Kind::kJsonKey)};
      }
      return Everyone();
    case Op::kExists:
      return FromQuery(e, {});
    case Op::kInQuery:
      return FromQuery(e, {Equality(e.query->target[0], e.arguments[0], e.operand)});
    case Op::kScalarQuery:
      return FromQuery(e, {e.query->target[0]});
    case Op::kCoalesce:
      // coalesce(x, false)
      if (e.arguments.size() == 2 && e.arguments[1].op == Op::kConstant && !IsTrue(e.arguments[1])) {
        return Derive(e.arguments[0]);
      }
      return Everyone();
    case Op::kCase:
      // A strict function: NULL where an argument is, else its body.
      if (e.arguments.size() == 3 && e.arguments[1].op == Op::kConstant &&
          !IsTrue(e.arguments[1])) {
        return Derive(e.arguments[2]);
      }
      return Everyone();
    default:
      return Everyone();
  }
}

// What a change of each inner table's row leads to.
void Planner::FindRanges(const Expression& e) {
  for (const Expression& argument : e.arguments) FindRanges(argument);
  if (e.query == nullptr) return;
  std::vector<Expression> conditions = e.query->conditions;
  // Where NULL matters, rows that are not equal matter too.
  if (e.op == Op::kInQuery && e.truth_only) {
    conditions.push_back(Equality(e.query->target[0], e.arguments[0], e.operand));
  }
  for (const QueryRange& range : e.query->ranges) {
    Start(range.range);
    plan_.inner.push_back({range.table, range.range, Finish(DeriveAll(conditions, e.query->ranges))});
  }
  for (const Expression& condition : e.query->conditions) FindRanges(condition);
  for (const Expression& target : e.query->target) FindRanges(target);
}

}  // namespace

ProbePlan MakeProbes(const Expression& condition, InnerPlan& inner) {
  ProbePlan plan;
  Planner planner(plan, inner);
  planner.Start(0);
  plan.probes = planner.Finish(planner.Derive(condition));
  planner.FindRanges(condition);
  return plan;
}

}  // namespace tw::policy
