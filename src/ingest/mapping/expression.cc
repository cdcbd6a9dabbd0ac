#include "ingest/mapping/expression.h"

#include <algorithm>

#include "base/check.h"
#include "ingest/mapping/decimal.h"
#include "ingest/mapping/program.h"

namespace tw::ingest::mapping {
namespace {

bool IsTrue(const Datum& datum) {
  return datum.AsBool().value_or(false);
}

// One evaluation: walks the operations from the root. Recursion is bounded by the compiler.
class Evaluator {
 public:
  Evaluator(const Program& program, const Input& input) : program_(program), input_(input) {}

  Datum Run(uint32_t index) {
    const Operation& operation = program_.operations[index];
    switch (operation.op) {
      case Op::kLiteral:
        return operation.literal;
      case Op::kPath:
        return Path(operation);
      case Op::kVariable:
        if (input_.variables == nullptr) return {};
        return input_.variables->Variable(operation.name);
      case Op::kCall:
        return Apply(operation);
      case Op::kEqual:
      case Op::kNotEqual: {
        const bool equal = Equal(Run(operation.arguments[0]), Run(operation.arguments[1]));
        return Value(equal == (operation.op == Op::kEqual));
      }
      case Op::kIn:
        return Value(In(operation));
      case Op::kAnd:
        return Value(std::all_of(operation.arguments.begin(), operation.arguments.end(),
                                 [this](uint32_t each) { return IsTrue(Run(each)); }));
      case Op::kOr:
        return Value(std::any_of(operation.arguments.begin(), operation.arguments.end(),
                                 [this](uint32_t each) { return IsTrue(Run(each)); }));
      case Op::kNot:
        return Value(!IsTrue(Run(operation.arguments[0])));
      case Op::kFirstPresent:
        for (const uint32_t each : operation.arguments) {
          if (Datum value = Run(each); !value.is_null()) return value;
        }
        return {};
    }
    TW_UNREACHABLE();
  }

  // The condition of a filter, with `element` as @.
  bool Holds(uint32_t condition, const json::Value& element) {
    const json::Value* const outer = std::exchange(element_, &element);
    const bool holds = IsTrue(Run(condition));
    element_ = outer;
    return holds;
  }

  uint32_t failures() const { return failures_; }

 private:
  const json::Value* RootOf(const Operation& path) const {
    switch (path.root) {
      case Root::kRecord:
        return &input_.record;
      case Root::kParent:
        return &input_.parent;
      case Root::kElement:
        return element_;
    }
    TW_UNREACHABLE();
  }

  static bool IsMany(const Step& step) {
    return step.kind == Step::Kind::kAll || step.kind == Step::Kind::kFilter;
  }

  // The node under a name or an index; nullptr when there is none.
  static const json::Value* Child(const json::Value& node, const Step& step) {
    if (step.kind == Step::Kind::kName) return node.Find(step.name);
    const auto items = node.items();
    const auto size = static_cast<int64_t>(items.size());
    const int64_t index = step.index < 0 ? step.index + size : step.index;
    if (index < 0 || index >= size) return nullptr;
    return &items[static_cast<size_t>(index)];
  }

  Datum Path(const Operation& path) {
    const json::Value* node = RootOf(path);
    for (size_t i = 0; i < path.steps.size(); ++i) {
      if (IsMany(path.steps[i])) {
        if (!node->is_array()) return {};
        List found;
        Collect(path.steps, i, *node, found);
        return found;
      }
      node = Child(*node, path.steps[i]);
      if (node == nullptr) return {};
    }
    return *node;
  }

  void Collect(const std::vector<Step>& steps, size_t at, const json::Value& from, List& found) {
    const json::Value* node = &from;
    for (; at < steps.size() && !IsMany(steps[at]); ++at) {
      node = Child(*node, steps[at]);
      if (node == nullptr) return;
    }
    if (at < steps.size()) {
      const Step& step = steps[at];
      for (const json::Value& item : node->items()) {
        if (step.kind == Step::Kind::kFilter && !Holds(step.filter, item)) continue;
        Collect(steps, at + 1, item, found);
        if (cut_) return;
      }
    } else if (found.size() < kListItemsMax) {
      found.emplace_back(*node);
    } else if (!cut_) {
      cut_ = true;
      ++failures_;
    }
  }

  bool In(const Operation& operation) {
    const Datum needle = Run(operation.arguments[0]);
    return std::any_of(operation.arguments.begin() + 1, operation.arguments.end(),
                       [&](uint32_t each) { return Equal(needle, Run(each)); });
  }

  Datum Apply(const Operation& call) {
    std::vector<Datum> arguments;
    arguments.reserve(call.arguments.size());
    for (const uint32_t each : call.arguments) arguments.push_back(Run(each));
    CallResult result = Call(call, std::move(arguments), input_);
    failures_ += result.failures;
    return std::move(result.value);
  }

  const Program& program_;
  const Input& input_;
  const json::Value* element_ = nullptr;
  uint32_t failures_ = 0;
  bool cut_ = false;
};

// Walks a path and keeps the nearest object above each element.
class Selector {
 public:
  Selector(const Program& program, const Input& input)
      : steps_(program.operations[program.root].steps), evaluator_(program, input) {}

  void Walk(size_t at, const json::Value& node, const json::Value& parent) {
    if (at == steps_.size()) return Keep(node, parent);
    const json::Value& around = node.is_object() ? node : parent;
    const Step& step = steps_[at];
    switch (step.kind) {
      case Step::Kind::kName:
        if (const json::Value* child = node.Find(step.name)) Walk(at + 1, *child, around);
        return;
      case Step::Kind::kIndex: {
        const auto items = node.items();
        const auto size = static_cast<int64_t>(items.size());
        const int64_t index = step.index < 0 ? step.index + size : step.index;
        if (index >= 0 && index < size) Walk(at + 1, items[static_cast<size_t>(index)], around);
        return;
      }
      case Step::Kind::kAll:
      case Step::Kind::kFilter:
        for (const json::Value& item : node.items()) {
          if (step.kind == Step::Kind::kAll || evaluator_.Holds(step.filter, item)) {
            Walk(at + 1, item, around);
          }
        }
        return;
    }
  }

  std::vector<Selected> found;

 private:
  void Keep(const json::Value& node, const json::Value& parent) {
    const bool spread = node.is_array() && (steps_.empty() || !IsEach(steps_.back()));
    if (node.is_null() || found.size() >= kListItemsMax) return;
    if (!spread) {
      found.push_back({node, parent});
      return;
    }
    for (const json::Value& item : node.items()) {
      if (found.size() < kListItemsMax) found.push_back({item, parent});
    }
  }
  static bool IsEach(const Step& step) {
    return step.kind == Step::Kind::kAll || step.kind == Step::Kind::kFilter;
  }

  const std::vector<Step>& steps_;
  Evaluator evaluator_;
};

void Tidy(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

std::shared_ptr<const Program> Finish(std::shared_ptr<Program> program, uint32_t root,
                                      std::string text) {
  program->root = root;
  program->text = std::move(text);
  Tidy(program->reads.paths);
  Tidy(program->reads.variables);
  Tidy(program->reads.columns);
  return program;
}

std::shared_ptr<const Program> NullProgram() {
  static const std::shared_ptr<const Program> program = [] {
    auto null = std::make_shared<Program>();
    null->operations.emplace_back();
    return Finish(std::move(null), 0, "null");
  }();
  return program;
}

// Plain YAML scalars of other types than text are literals in YAML's own notation; ours is the
// normalized one.
Result<std::string> TextOf(const config::Node& node) {
  using Kind = config::Node::Kind;
  switch (node.kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return *node.AsBool() ? "true" : "false";
    case Kind::kText:
      return node.text();
    case Kind::kInt:
    case Kind::kFloat: {
      if (const auto integer = node.AsInt()) return std::to_string(*integer);
      auto decimal = NormalizeDecimal(node.text());
      if (decimal) return *std::move(decimal);
      return Fail(ErrorCode::kInvalidArgument, "no exact number: " + node.text());
    }
    case Kind::kList:
    case Kind::kMap:
      break;
  }
  return Fail(ErrorCode::kInvalidArgument, "expected an expression, found " + node.Describe());
}

}  // namespace

Datum Variables::Column(std::string_view) const {
  return {};
}

Expression::Expression() : program_(NullProgram()) {}
Expression::Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Result<Expression> Expression::Compile(std::string_view text, const config::Location& where) {
  auto program = std::make_shared<Program>();
  const auto root = CompileInto(*program, text);
  if (root.ok()) return Expression(Finish(std::move(program), *root, std::string(text)));
  if (where.known()) return Annotate(root.error(), config::ToString(where));
  return std::unexpected(root.error());
}

Result<Expression> Expression::Compile(const config::Node& node) {
  if (!node.is_list()) {
    TW_ASSIGN_OR_RETURN(const std::string text, TextOf(node));
    return Compile(text);
  }
  auto program = std::make_shared<Program>();
  Operation any;
  any.op = Op::kFirstPresent;
  std::string text;
  for (const config::Node& item : node.items()) {
    TW_ASSIGN_OR_RETURN(std::string each, TextOf(item));
    TW_ASSIGN_OR_RETURN(const uint32_t index, CompileInto(*program, each));
    any.arguments.push_back(index);
    text += (text.empty() ? "[" : ", ") + each;
    program->alternatives.push_back(std::move(each));
  }
  if (text.empty()) return Fail(ErrorCode::kInvalidArgument, "an empty list of expressions");
  program->operations.push_back(std::move(any));
  const auto root = static_cast<uint32_t>(program->operations.size() - 1);
  return Expression(Finish(std::move(program), root, text + ']'));
}

Outcome Expression::Evaluate(const Input& input) const {
  Evaluator evaluator(*program_, input);
  Outcome outcome{evaluator.Run(program_->root)};
  outcome.conversion_failures = evaluator.failures();
  return outcome;
}

bool Expression::Test(const Input& input) const {
  return IsTrue(Evaluator(*program_, input).Run(program_->root));
}

std::vector<Selected> Expression::Select(const json::Value& root) const {
  if (!IsPath()) return {};
  Input input;
  input.record = root;
  Selector selector(*program_, input);
  selector.Walk(0, root, json::Value());
  return std::move(selector.found);
}

const Reads& Expression::reads() const {
  return program_->reads;
}
const std::string& Expression::text() const {
  return program_->text;
}

config::Node Expression::ToNode() const {
  const auto quoted = [](const std::string& each) {
    return config::Node::Scalar(each, config::Node::Style::kQuoted);
  };
  if (program_->alternatives.empty()) return quoted(program_->text);
  std::vector<config::Node> items;
  for (const std::string& each : program_->alternatives) items.push_back(quoted(each));
  return config::Node::List(std::move(items));
}

bool Expression::IsPath() const {
  const Operation& root = program_->operations[program_->root];
  return root.op == Op::kPath && root.root == Root::kRecord;
}

}  // namespace tw::ingest::mapping
