#include <date/tz.h>

#include <algorithm>

#include "base/strings.h"
#include "ingest/mapping/decimal.h"
#include "ingest/mapping/program.h"
#include "ingest/mapping/time_text.h"

namespace tw::ingest::mapping {
namespace {

// Stages in one operand; each is a level of recursion at evaluation.
constexpr int kStagesMax = 32;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsNameChar(char c) {
  return IsNameStart(c) || IsDigit(c);
}
// JSON keys in paths may also have '-' and any letter beyond ASCII.
bool IsKeyChar(char c) {
  return IsNameChar(c) || c == '-' || static_cast<unsigned char>(c) >= 128;
}

class Compiler {
 public:
  Compiler(Program& program, std::string_view text) : program_(program), text_(text) {}

  Result<uint32_t> Run() {
    if (text_.size() > kExpressionBytesMax) {
      return Bad(0, "longer than " + std::to_string(kExpressionBytesMax) + " bytes");
    }
    if (!IsUtf8(text_)) return Bad(0, "not UTF-8");
    TW_ASSIGN_OR_RETURN(const uint32_t root, Or());
    if (Peek() != '\0' || at_ < text_.size()) return Bad(at_, "unexpected " + Here());
    return root;
  }

 private:
  std::unexpected<Error> Bad(size_t at, const std::string& reason) const {
    constexpr size_t kShownMax = 120;
    std::string shown(text_.substr(0, kShownMax));
    if (shown.size() < text_.size()) shown += "…";
    return Fail(ErrorCode::kInvalidArgument,
                "expression '" + shown + "', character " + std::to_string(at + 1) + ": " + reason);
  }
  std::string Here() const {
    return at_ < text_.size() ? "'" + std::string(text_.substr(at_, 12)) + "'" : "end";
  }

  char Peek() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Eat(std::string_view symbol) {
    Peek();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  Status Expect(std::string_view symbol) {
    if (Eat(symbol)) return {};
    return Bad(at_, "expected '" + std::string(symbol) + "', found " + Here());
  }
  bool EatWord(std::string_view word) {
    Peek();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(word)) return false;
    if (rest.size() > word.size() && IsNameChar(rest[word.size()])) return false;
    at_ += word.size();
    return true;
  }

  uint32_t Add(Operation operation) {
    program_.operations.push_back(std::move(operation));
    return static_cast<uint32_t>(program_.operations.size() - 1);
  }
  uint32_t AddLiteral(Datum literal) {
    Operation operation;
    operation.literal = std::move(literal);
    return Add(std::move(operation));
  }
  uint32_t AddOver(Op op, std::vector<uint32_t> arguments) {
    Operation operation;
    operation.op = op;
    operation.arguments = std::move(arguments);
    return Add(std::move(operation));
  }

  Result<uint32_t> Or() {
    if (++depth_ > kExpressionDepthMax) return Bad(at_, "nested too deeply");
    TW_ASSIGN_OR_RETURN(const uint32_t first, And());
    std::vector<uint32_t> all = {first};
    while (EatWord("or")) {
      TW_ASSIGN_OR_RETURN(const uint32_t next, And());
      all.push_back(next);
    }
    --depth_;
    return all.size() == 1 ? first : AddOver(Op::kOr, std::move(all));
  }

  Result<uint32_t> And() {
    TW_ASSIGN_OR_RETURN(const uint32_t first, Not());
    std::vector<uint32_t> all = {first};
    while (EatWord("and")) {
      TW_ASSIGN_OR_RETURN(const uint32_t next, Not());
      all.push_back(next);
    }
    return all.size() == 1 ? first : AddOver(Op::kAnd, std::move(all));
  }

  Result<uint32_t> Not() {
    if (!EatWord("not")) return Comparison();
    if (++depth_ > kExpressionDepthMax) return Bad(at_, "nested too deeply");
    TW_ASSIGN_OR_RETURN(const uint32_t inner, Not());
    --depth_;
    return AddOver(Op::kNot, {inner});
  }

  Result<uint32_t> Comparison() {
    TW_ASSIGN_OR_RETURN(const uint32_t left, Operand());
    const size_t before = at_;
    const bool negated = EatWord("not");
    if (EatWord("in")) {
      TW_ASSIGN_OR_RETURN(const uint32_t in, In(left));
      return negated ? AddOver(Op::kNot, {in}) : in;
    }
    if (negated) return Bad(before, "expected 'in' after 'not'");
    if (Eat("==")) return Compare(Op::kEqual, left);
    if (Eat("!=")) return Compare(Op::kNotEqual, left);
    if (Eat("=")) return Bad(at_ - 1, "write == to compare");
    return left;
  }

  Result<uint32_t> Compare(Op op, uint32_t left) {
    TW_ASSIGN_OR_RETURN(const uint32_t right, Operand());
    return AddOver(op, {left, right});
  }

  Result<uint32_t> In(uint32_t left) {
    TW_RETURN_IF_ERROR(Expect("("));
    std::vector<uint32_t> all = {left};
    do {
      TW_ASSIGN_OR_RETURN(const uint32_t next, Or());
      all.push_back(next);
    } while (Eat(","));
    TW_RETURN_IF_ERROR(Expect(")"));
    return AddOver(Op::kIn, std::move(all));
  }

  Result<uint32_t> Operand() {
    TW_ASSIGN_OR_RETURN(uint32_t value, Primary());
    for (int stages = 0; Eat("|"); ++stages) {
      if (stages == kStagesMax) return Bad(at_, "more than 32 stages");
      Peek();
      const size_t start = at_;
      const std::string name = Name();
      if (name.empty()) return Bad(at_, "expected a function after '|', found " + Here());
      TW_ASSIGN_OR_RETURN(value, CallTo(name, start, value));
    }
    return value;
  }

  std::string Name() {
    const size_t start = at_;
    if (at_ < text_.size() && IsNameStart(text_[at_])) {
      while (at_ < text_.size() && IsNameChar(text_[at_])) ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }

  Result<uint32_t> Primary() {
    const char c = Peek();
    if (c == '$' || c == '@') return Path();
    if (c == '\'' || c == '"') {
      TW_ASSIGN_OR_RETURN(std::string text, Text());
      return AddLiteral(Value(std::move(text)));
    }
    if (IsDigit(c) || c == '-') return Number();
    if (Eat("(")) {
      TW_ASSIGN_OR_RETURN(const uint32_t inner, Or());
      TW_RETURN_IF_ERROR(Expect(")"));
      return inner;
    }
    if (EatWord("true")) return AddLiteral(Value(true));
    if (EatWord("false")) return AddLiteral(Value(false));
    if (EatWord("null")) return AddLiteral(Datum());
    const size_t start = at_;
    std::string name = Name();
    if (name.empty()) return Bad(at_, "expected a value, found " + Here());
    if (name == "and" || name == "or" || name == "not" || name == "in") {
      return Bad(start, "expected a value, found '" + name + "'");
    }
    if (Peek() == '(') return CallTo(name, start, std::nullopt);
    return Variable(std::move(name));
  }

  Result<uint32_t> Variable(std::string name) {
    while (at_ + 1 < text_.size() && text_[at_] == '.' && IsNameStart(text_[at_ + 1])) {
      ++at_;
      name += '.' + Name();
    }
    program_.reads.variables.push_back(name);
    Operation operation;
    operation.op = Op::kVariable;
    operation.name = std::move(name);
    return Add(std::move(operation));
  }

  Result<uint32_t> Number() {
    const size_t start = at_;
    if (text_[at_] == '-') ++at_;
    while (at_ < text_.size() && (IsDigit(text_[at_]) || text_[at_] == '.')) ++at_;
    const std::string_view token = text_.substr(start, at_ - start);
    if (at_ < text_.size() && IsKeyChar(text_[at_])) return Bad(start, "not a number");
    if (const auto integer = ParseInt64(token)) return AddLiteral(Value(*integer));
    auto decimal = NormalizeDecimal(token);
    if (!decimal || token.ends_with('.')) return Bad(start, "not a number");
    return AddLiteral(Decimal{*std::move(decimal)});
  }

  Result<std::string> Text() {
    const size_t start = at_;
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ == text_.size()) break;
        c = text_[at_++];
        if (c == 'n') {
          c = '\n';
        } else if (c == 't') {
          c = '\t';
        } else if (std::string_view("\\'\"").find(c) == std::string_view::npos) {
          // Regular expressions keep their backslashes.
          out += '\\';
        }
      }
      out += c;
    }
    if (at_ >= text_.size()) return Bad(start, "the text has no closing quote");
    ++at_;
    return out;
  }

  Result<uint32_t> Path() {
    const size_t start = at_;
    Operation path;
    path.op = Op::kPath;
    if (text_[at_++] == '@') {
      if (filters_ == 0) return Bad(start, "@ stands for an element: only inside [?…]");
      path.root = Root::kElement;
    } else if (text_.substr(at_).starts_with("parent") &&
               (at_ + 6 == text_.size() || !IsKeyChar(text_[at_ + 6]))) {
      path.root = Root::kParent;
      at_ += 6;
    }
    while (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == '[')) {
      TW_ASSIGN_OR_RETURN(Step step, text_[at_] == '.' ? NameStep() : BracketStep());
      path.steps.push_back(std::move(step));
    }
    if (at_ < text_.size() && IsKeyChar(text_[at_])) {
      return Bad(at_, "expected '.' or '[' in the path");
    }
    if (path.root != Root::kElement) {
      program_.reads.paths.emplace_back(text_.substr(start, at_ - start));
    }
    return Add(std::move(path));
  }

  Result<Step> NameStep() {
    const size_t start = ++at_;
    while (at_ < text_.size() && IsKeyChar(text_[at_])) ++at_;
    if (at_ == start) return Bad(at_, "expected a key after '.', found " + Here());
    Step step;
    step.name = text_.substr(start, at_ - start);
    return step;
  }

  Result<Step> BracketStep() {
    ++at_;
    Step step;
    const char c = Peek();
    if (c == '*') {
      ++at_;
      step.kind = Step::Kind::kAll;
    } else if (c == '?') {
      ++at_;
      ++filters_;
      step.kind = Step::Kind::kFilter;
      TW_ASSIGN_OR_RETURN(step.filter, Or());
      --filters_;
    } else if (c == '\'' || c == '"') {
      TW_ASSIGN_OR_RETURN(step.name, Text());
    } else {
      const size_t start = at_;
      if (c == '-') ++at_;
      while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
      const auto index = ParseInt64(text_.substr(start, at_ - start));
      if (!index) return Bad(start, "expected an index, '*', '?' or a key in quotes");
      step.kind = Step::Kind::kIndex;
      step.index = *index;
    }
    TW_RETURN_IF_ERROR(Expect("]"));
    return step;
  }

  Result<uint32_t> CallTo(const std::string& name, size_t start, std::optional<uint32_t> input);
  Status Prepare(Operation& call, size_t start);
  Status PrepareFormat(Operation& call, size_t start) const;
  Status PrepareTime(Operation& call, size_t start);

  Program& program_;
  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int filters_ = 0;
};

Result<uint32_t> Compiler::CallTo(const std::string& name, size_t start,
                                  std::optional<uint32_t> input) {
  const auto* found = std::find_if(kSignatures.begin(), kSignatures.end(),
                                   [&](const Signature& known) { return known.name == name; });
  if (found == kSignatures.end()) {
    std::vector<std::string_view> names;
    for (const Signature& known : kSignatures) names.push_back(known.name);
    const auto nearest = Nearest(name, names);
    return Bad(start, "unknown function '" + name + "'" +
                          (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
  }
  if (input && !found->is_stage) return Bad(start, name + " is a call, not a stage");
  Operation call;
  call.op = Op::kCall;
  call.signature = *found;
  if (input) call.arguments.push_back(*input);
  if (Eat("(") && !Eat(")")) {
    do {
      TW_ASSIGN_OR_RETURN(const uint32_t argument, Or());
      call.arguments.push_back(argument);
    } while (Eat(","));
    TW_RETURN_IF_ERROR(Expect(")"));
  }
  if (call.arguments.size() < found->arguments_min ||
      call.arguments.size() > found->arguments_max) {
    return Bad(start, name + " takes another number of arguments");
  }
  TW_RETURN_IF_ERROR(Prepare(call, start));
  return Add(std::move(call));
}

// Checks the literal argument and turns it into what evaluation needs.
Status Compiler::Prepare(Operation& call, size_t start) {
  const Signature& signature = call.signature;
  if (signature.literal == kNoLiteral) return {};
  const Operation& literal = program_.operations[call.arguments[signature.literal]];
  const auto text = literal.op == Op::kLiteral ? literal.literal.AsText() : std::nullopt;
  if (!text) {
    return Bad(start, std::string(signature.name) + " needs a text in quotes as argument " +
                          std::to_string(signature.literal + (signature.is_stage ? 0 : 1)));
  }
  call.name = *text;
  call.arguments.erase(call.arguments.begin() + signature.literal);
  if (signature.function == Function::kColumn) program_.reads.columns.push_back(call.name);
  if (signature.function == Function::kFormat) return PrepareFormat(call, start);
  if (signature.function == Function::kTime) return PrepareTime(call, start);
  if (signature.function == Function::kMatch) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    call.regexp = std::make_unique<const re2::RE2>(call.name, options);
    if (!call.regexp->ok()) return Bad(start, "bad regular expression: " + call.regexp->error());
  }
  return {};
}

Status Compiler::PrepareFormat(Operation& call, size_t start) const {
  std::string piece;
  const std::string& text = call.name;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view pair = std::string_view(text).substr(i, 2);
    if (pair == "{}") {
      call.pieces.push_back(std::move(piece));
      piece.clear();
      ++i;
    } else if (pair == "{{" || pair == "}}") {
      piece += text[i++];
    } else if (text[i] == '{' || text[i] == '}') {
      return Bad(start, "format: a single brace in its text; write {{ or }}");
    } else {
      piece += text[i];
    }
  }
  call.pieces.push_back(std::move(piece));
  if (call.pieces.size() == call.arguments.size() + 1) return {};
  return Bad(start, "format has " + std::to_string(call.pieces.size() - 1) + " {} for " +
                        std::to_string(call.arguments.size()) + " arguments");
}

Status Compiler::PrepareTime(Operation& call, size_t start) {
  if (!IsTimeFormat(call.name)) return Bad(start, "time: unknown format '" + call.name + "'");
  if (call.arguments.size() < 2) return {};
  const Operation& zone = program_.operations[call.arguments[1]];
  if (zone.op == Op::kVariable && zone.name == "tenant") {
    call.tenant_zone = true;
  } else {
    const auto name = zone.op == Op::kLiteral ? zone.literal.AsText() : std::nullopt;
    if (!name) return Bad(start, "time: the zone is tenant or a name in quotes");
    try {
      call.zone = date::locate_zone(*name);
    } catch (const std::exception&) {
      return Bad(start, "time: unknown zone '" + std::string(*name) + "'");
    }
  }
  // `tenant` was read last, as if it were a variable.
  if (call.tenant_zone) program_.reads.variables.pop_back();
  call.arguments.pop_back();
  return {};
}

}  // namespace

Result<uint32_t> CompileInto(Program& program, std::string_view text) {
  return Compiler(program, text).Run();
}

}  // namespace tw::ingest::mapping
