#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <unordered_map>

#include "base/strings.h"
#include "config/node.h"

namespace tw::config {
namespace {

// Builds the tree from yaml-cpp's events. After the first error it ignores what follows: an
// exception through the library would be the only other way to stop it.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view source, std::shared_ptr<const std::string> file, Problems& problems)
      : source_(source), file_(std::move(file)), problems_(problems) {}

  Node TakeRoot() { return std::move(root_); }
  Location At(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_, 0, 0};
    return {file_, static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
  }
  void Fail(const Location& where, std::string message) {
    if (problems_.empty()) problems_.Add(where, std::move(message));
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Fail(At(mark), "a second document: a file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!failed()) AddValue(Node::Scalar("", Node::Style::kPlain, At(mark)), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (failed() || !AcceptTag(mark, tag, "!")) return;
    // yaml-cpp gives a lone byte for \N and \_.
    if (!IsUtf8(value)) return Fail(At(mark), "the escapes \\N and \\_ are not supported");
    if (IsKeyNext()) return AddKey(mark, value, tag == "?");
    const auto style = tag == "?" ? Node::Style::kPlain : Node::Style::kQuoted;
    AddValue(Node::Scalar(value, style, At(mark)), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (!failed() && AcceptTag(mark, tag, "?")) Open(mark, Node::Kind::kList, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (!failed() && AcceptTag(mark, tag, "?")) Open(mark, Node::Kind::kMap, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed()) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return Fail(At(mark), "alias inside its own anchor");
    if (Spend(At(mark), found->second.Count())) AddValue(found->second, YAML::NullAnchor);
  }

 private:
  struct Frame {
    Node::Kind kind;
    Location where;
    YAML::anchor_t anchor;
    std::vector<Node> items;
    std::vector<Node::Entry> entries;
    StringSet keys;
    bool has_key = false;  // The last entry waits for its value.
  };

  bool failed() const { return !problems_.empty(); }
  bool IsKeyNext() const {
    return !stack_.empty() && stack_.back().kind == Node::Kind::kMap && !stack_.back().has_key;
  }

  // yaml-cpp reports "?" for plain and "!" for quoted scalars; "!" also when somebody wrote it.
  bool AcceptTag(const YAML::Mark& mark, const std::string& tag, std::string_view also) {
    const auto at = static_cast<size_t>(mark.pos);
    const bool written = at < source_.size() && source_[at] == '!';
    if (!written && (tag.empty() || tag == "?" || tag == also)) return true;
    Fail(At(mark), "tags are not supported: '" + tag + "'");
    return false;
  }

  bool Spend(const Location& where, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ <= kNodesMax) return true;
    Fail(where, "more than " + std::to_string(kNodesMax) + " values, aliases included");
    return false;
  }

  void Open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    if (IsKeyNext()) return Fail(At(mark), "a key must be a scalar");
    if (stack_.size() >= kDepthMax) {
      return Fail(At(mark), "nested deeper than " + std::to_string(kDepthMax) + " levels");
    }
    stack_.push_back({kind, At(mark), anchor, {}, {}, {}, false});
  }

  void Close() {
    if (failed()) return;
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    Node node = frame.kind == Node::Kind::kMap
                    ? Node::Map(std::move(frame.entries), std::move(frame.where))
                    : Node::List(std::move(frame.items), std::move(frame.where));
    AddValue(std::move(node), frame.anchor);
  }

  void AddKey(const YAML::Mark& mark, const std::string& key, bool plain) {
    if (plain && key == "<<") return Fail(At(mark), "merge keys are not supported: write them out");
    if (key.size() > kKeyBytesMax) {
      return Fail(At(mark), "a key longer than " + std::to_string(kKeyBytesMax) + " bytes");
    }
    Frame& frame = stack_.back();
    if (!frame.keys.insert(key).second) return Fail(At(mark), "duplicate key '" + key + "'");
    if (!Spend(At(mark), 1)) return;
    frame.entries.push_back({key, At(mark), Node()});
    frame.has_key = true;
  }

  void AddValue(Node node, YAML::anchor_t anchor) {
    if (IsKeyNext()) return Fail(node.where(), "a key must be a text");
    if (!Spend(node.where(), 1)) return;
    if (anchor != YAML::NullAnchor) {
      if (!Spend(node.where(), node.Count())) return;
      anchors_.insert_or_assign(anchor, node);
    }
    if (stack_.empty()) {
      root_ = std::move(node);
    } else if (Frame& frame = stack_.back(); frame.kind == Node::Kind::kMap) {
      frame.entries.back().value = std::move(node);
      frame.has_key = false;
    } else {
      frame.items.push_back(std::move(node));
    }
  }

  std::string_view source_;
  std::shared_ptr<const std::string> file_;
  Problems& problems_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  Node root_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

// The place of a byte, for what is found before yaml-cpp sees the text.
YAML::Mark MarkOf(std::string_view text, size_t at) {
  YAML::Mark mark;
  for (size_t i = 0; i < at; ++i) {
    mark.column = text[i] == '\n' ? 0 : mark.column + 1;
    mark.line += text[i] == '\n' ? 1 : 0;
  }
  return mark;
}

bool IsForbidden(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

// yaml-cpp takes byte 4 for the end of the file, repairs broken UTF-8 and obeys directives.
bool CheckBytes(std::string_view text, Builder& builder) {
  if (text.size() > kFileBytesMax) {
    builder.Fail(builder.At(YAML::Mark::null_mark()),
                 "larger than " + std::to_string(kFileBytesMax) + " bytes");
    return false;
  }
  if (!IsUtf8(text)) {
    builder.Fail(builder.At(YAML::Mark::null_mark()), "not UTF-8");
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool directive = text[i] == '%' && (i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r');
    if (!directive && !IsForbidden(text[i])) continue;
    builder.Fail(builder.At(MarkOf(text, i)),
                 directive ? "directives are not supported ('%' starts the line)"
                           : "control character " + std::to_string(text[i]));
    return false;
  }
  return true;
}

}  // namespace

Node ParseYaml(std::string_view text, std::string_view file, Problems& problems) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Builder builder(text, std::make_shared<const std::string>(file), problems);
  if (!CheckBytes(text, builder)) return Node();
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (problems.empty() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& exception) {
    builder.Fail(builder.At(exception.mark), exception.msg);
  } catch (const std::exception& exception) {
    builder.Fail(builder.At(YAML::Mark::null_mark()), exception.what());
  }
  return problems.empty() ? builder.TakeRoot() : Node();
}

Result<Node> ParseYaml(std::string_view text, std::string_view file) {
  Problems problems;
  Node node = ParseYaml(text, file, problems);
  TW_RETURN_IF_ERROR(problems.ToStatus());
  return node;
}

}  // namespace tw::config
