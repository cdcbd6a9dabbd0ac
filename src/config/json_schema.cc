#include "config/generate.h"
#include "json/json.h"

namespace tw::config {
namespace {

void WriteValue(json::Writer& out, const Node& node) {
  switch (node.kind()) {
    case Node::Kind::kNull:
      out.Null();
      return;
    case Node::Kind::kBool:
      out.Bool(*node.AsBool());
      return;
    case Node::Kind::kInt:
      if (const auto value = node.AsInt()) {
        out.Int(*value);
      } else {
        out.Uint(node.AsUint().value_or(0));
      }
      return;
    case Node::Kind::kFloat:
      out.Double(*node.AsDouble());
      return;
    case Node::Kind::kText:
      out.String(node.text());
      return;
    case Node::Kind::kList:
      out.Array();
      for (const Node& item : node.items()) WriteValue(out, item);
      out.End();
      return;
    case Node::Kind::kMap:
      out.Object();
      for (const Node::Entry& entry : node.entries()) {
        WriteValue(out.Key(entry.key), entry.value);
      }
      out.End();
      return;
  }
}

class SchemaWriter {
 public:
  explicit SchemaWriter(json::Writer& out) : out_(out) {}

  // The members of a schema object that is open already.
  void Body(const Shape& shape) {
    if (shape.optional) {
      out_.Key("anyOf").Array();
      Shape present = shape;
      present.optional = false;
      Whole(present);
      out_.Object().Key("type").String("null").End().End();
      return;
    }
    using enum Shape::Kind;
    switch (shape.kind) {
      case kBool:
        Type("boolean");
        return;
      case kInteger:
        return Numeric("integer", shape);
      case kNumber:
        return Numeric("number", shape);
      case kText:
        Type("string");
        return;
      case kEnum:
        return Enum(shape);
      case kDuration:
        return Pattern("^-?[0-9]+(us|ms|s|m|h|d)$");
      case kByteSize:
        return Pattern("^[0-9]+(B|KiB|MiB|GiB|TiB)$");
      case kPercent:
        return Pattern("^-?[0-9]+(\\.[0-9]+)?%$");
      case kSecret:
        return Pattern("^\\$\\{(env|file):[^}]+\\}$");
      case kList:
        return ListBody(shape.element[0]);
      case kOneOrList:
        out_.Key("anyOf").Array();
        Whole(shape.element[0]);
        out_.Object();
        ListBody(shape.element[0]);
        out_.End().End();
        return;
      case kMap:
        out_.Key("type").Array().String("object").String("null").End();
        if (!shape.fields.empty()) Properties(shape);
        out_.Key("additionalProperties");
        Whole(shape.element[0]);
        return;
      case kStruct:
        return Struct(shape);
      case kAny:
        return;
      case kCustom:
        out_.Key("allOf").Array().Raw(shape.schema).End();
        return;
    }
  }

 private:
  void Whole(const Shape& shape) {
    out_.Object();
    Body(shape);
    out_.End();
  }
  void Type(std::string_view type) { out_.Key("type").String(type); }
  void Pattern(std::string_view pattern) {
    Type("string");
    out_.Key("pattern").String(pattern);
  }
  void Numeric(std::string_view type, const Shape& shape) {
    Type(type);
    if (!shape.min.empty()) out_.Key("minimum").Raw(shape.min);
    if (!shape.max.empty()) out_.Key("maximum").Raw(shape.max);
  }
  void Enum(const Shape& shape) {
    out_.Key("enum").Array();
    for (const std::string& choice : shape.choices) out_.String(choice);
    out_.End();
  }
  void ListBody(const Shape& element) {
    Type("array");
    out_.Key("items");
    Whole(element);
  }
  void Field(const FieldShape& field) {
    out_.Key(field.key).Object();
    std::string help = field.help;
    const bool numeric =
        field.shape.kind == Shape::Kind::kInteger || field.shape.kind == Shape::Kind::kNumber;
    if (!field.shape.min.empty() && !numeric) {
      help += " From " + field.shape.min + " to " + field.shape.max + ".";
    }
    if (!help.empty()) out_.Key("description").String(help);
    if (field.default_value) WriteValue(out_.Key("default"), *field.default_value);
    Body(field.shape);
    out_.End();
  }
  void Properties(const Shape& shape) {
    out_.Key("properties").Object();
    for (const FieldShape& field : shape.fields) Field(field);
    out_.End();
  }
  void Struct(const Shape& shape) {
    out_.Key("type").Array().String("object").String("null").End();
    Properties(shape);
    out_.Key("additionalProperties").Bool(false);
    bool any = false;
    for (const FieldShape& field : shape.fields) {
      if (!field.required) continue;
      if (!any) out_.Key("required").Array();
      any = true;
      out_.String(field.key);
    }
    if (any) out_.End();
  }

  json::Writer& out_;
};

// Compact JSON with line feeds and two spaces per level.
std::string Indented(std::string_view compact) {
  std::string out;
  size_t level = 0;
  bool in_text = false;
  for (size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[i];
    if (in_text) {
      out += c;
      if (c == '\\') {
        out += compact[++i];
      } else if (c == '"') {
        in_text = false;
      }
      continue;
    }
    const bool close = c == '}' || c == ']';
    const bool was_open = i > 0 && (compact[i - 1] == '{' || compact[i - 1] == '[');
    if (close) --level;
    if (close != was_open && (close || i > 0)) {
      if (close || was_open) out += '\n' + std::string(level * 2, ' ');
    }
    out += c;
    if (c == '"') in_text = true;
    if (c == '{' || c == '[') ++level;
    if (c == ':') out += ' ';
    if (c == ',') out += '\n' + std::string(level * 2, ' ');
  }
  return out + '\n';
}

}  // namespace

std::string JsonSchema(const Shape& shape, std::string_view id, std::string_view title) {
  json::Writer out;
  out.Object().Key("$schema").String("https://json-schema.org/draft/2020-12/schema");
  if (!id.empty()) out.Key("$id").String(id);
  if (!title.empty()) out.Key("title").String(title);
  SchemaWriter(out).Body(shape);
  out.End();
  return Indented(out.Take());
}

}  // namespace tw::config
