#include "ingest/source_shape.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "ingest/source_config_describe.h"

namespace tw::ingest {
namespace {

config::FieldShape& FieldOf(config::Shape& shape, std::string_view key) {
  const auto found = std::ranges::find(shape.fields, key, &config::FieldShape::key);
  TW_CHECK(found != shape.fields.end());
  return *found;
}

// An expression that nothing was written for is null inside; people see that it is not there.
void DropNullExpressions(config::Shape& shape) {
  for (config::FieldShape& field : shape.fields) {
    const bool null = field.shape.kind == config::Shape::Kind::kCustom && field.default_value &&
                      field.default_value->text() == "null";
    if (null) field.default_value.reset();
    DropNullExpressions(field.shape);
  }
  for (config::Shape& element : shape.element) DropNullExpressions(element);
}

// `upsert: { table: …, key: …, set: … }` in the place of names of tables.
config::FieldShape InlineUpsert() {
  config::FieldShape field;
  field.key = "upsert";
  field.help = "Tables whose row it writes; or one row, written as in tables with `table`, and with "
               "`version`, `tie` and `replace_slice`.";
  field.shape.kind = config::Shape::Kind::kAny;
  return field;
}

}  // namespace

config::Shape SourceShape() {
  config::Shape shape = config::ShapeOf<SourceConfig>();
  config::FieldShape stages = FieldOf(shape, "stages");
  stages.help = "One table's column that advances; not a table.";
  stages.shape.optional = false;
  std::erase_if(shape.fields, [](const auto& field) { return field.key == "stages"; });
  FieldOf(shape, "tables").shape.fields.push_back(std::move(stages));

  DropNullExpressions(shape);
  FieldOf(FieldOf(shape, "events").shape.element[0], "upsert") = InlineUpsert();
  FieldOf(shape, "streams").shape.element[0].fields.push_back(InlineUpsert());

  config::Shape& check = FieldOf(FieldOf(shape, "consistency").shape, "checks").shape.element[0];
  for (const char* key : {"source", "mirror"}) {
    FieldOf(check, key).shape = {};
    FieldOf(check, key).shape.kind = config::Shape::Kind::kAny;
  }

  // What stands for an expression that is not written.
  FieldOf(FieldOf(shape, "webhook").shape, "events").default_value =
      config::Node::Scalar("$", config::Node::Style::kPlain, {});

  config::Shape& any_of = FieldOf(FieldOf(FieldOf(shape, "webhook").shape, "authenticate").shape,
                                  "any_of").shape;
  config::Shape& secret = FieldOf(any_of.element[0], "secret").shape.element[0];
  secret.kind = config::Shape::Kind::kCustom;
  secret.name = "secret or `${secret.NAME}`";
  secret.schema =
      R"({"type":"string","pattern":"^\\$\\{(env:|file:|secret\\.)[^}]+\\}$"})";
  return shape;
}

}  // namespace tw::ingest
