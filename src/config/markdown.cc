#include <algorithm>

#include "base/check.h"
#include "config/generate.h"

namespace tw::config {
namespace {

// Text in a cell: no column may end early, no line may break.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out += "\\|";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string Code(std::string_view text) {
  return text.empty() ? std::string() : "`" + Cell(text) + "`";
}

std::string BoundsText(const Shape& shape) {
  if (!shape.element.empty()) return BoundsText(shape.element[0]);
  if (shape.min.empty()) return {};
  return Code(shape.min) + " to " + Code(shape.max);
}

// The struct inside lists, maps and optionals, and how its path goes on.
const Shape* StructIn(const Shape& shape, std::string& path) {
  using enum Shape::Kind;
  if (shape.kind == kStruct) return &shape;
  if (shape.element.empty()) return nullptr;
  path += shape.kind == kMap ? ".<name>" : "[]";
  return StructIn(shape.element[0], path);
}

class Reference {
 public:
  void Section(const Shape& shape, const std::string& path, int level) {
    if (!path.empty()) {
      out_ += '\n' + std::string(static_cast<size_t>(std::clamp(level, 1, 6)), '#') + ' ' +
              Code(path) + "\n\n";
    }
    out_ += "| Key | Type | Default | Bounds | Meaning |\n|---|---|---|---|---|\n";
    for (const FieldShape& field : shape.fields) Row(field);
    for (const FieldShape& field : shape.fields) {
      const std::string at = path.empty() ? field.key : path + '.' + field.key;
      std::string inner = at;
      if (const Shape* nested = StructIn(field.shape, inner)) Section(*nested, inner, level);
      if (field.shape.kind == Shape::Kind::kStruct) continue;
      for (const FieldShape& special : field.shape.fields) {
        std::string below = at + '.' + special.key;
        if (const Shape* nested = StructIn(special.shape, below)) Section(*nested, below, level);
      }
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  void Row(const FieldShape& field) {
    const std::string standard = field.required        ? "required"
                                 : field.default_value ? Code(ToYamlLine(*field.default_value))
                                                       : std::string();
    std::string help = Cell(field.help);
    if (field.expands) help += " May contain `${env:…}` and `${file:…}`.";
    out_ += "| " + Code(field.key) + " | " + Cell(KindName(field.shape)) + " | " + standard +
            " | " + BoundsText(field.shape) + " | " + help + " |\n";
  }

  std::string out_;
};

}  // namespace

std::string KindName(const Shape& shape) {
  using enum Shape::Kind;
  switch (shape.kind) {
    case kBool:
      return "true or false";
    case kInteger:
      return "integer";
    case kNumber:
      return "number";
    case kText:
      return "text";
    case kEnum: {
      std::string text;
      for (const std::string& choice : shape.choices) text += (text.empty() ? "" : " | ") + choice;
      return text;
    }
    case kDuration:
      return "duration";
    case kByteSize:
      return "size";
    case kPercent:
      return "share";
    case kSecret:
      return "secret";
    case kList:
      return "list of " + KindName(shape.element[0]);
    case kOneOrList:
      return "one or a list of " + KindName(shape.element[0]);
    case kMap:
      return "map of " + KindName(shape.element[0]);
    case kStruct:
      return "section";
    case kAny:
      return "anything";
    case kCustom:
      return shape.name;
  }
  TW_UNREACHABLE();
}

std::string MarkdownReference(const Shape& shape, int heading_level) {
  Reference reference;
  reference.Section(shape, {}, heading_level);
  return reference.Take();
}

}  // namespace tw::config
