// Lets a config struct have Expression members.
#pragma once

#include "config/describe.h"
#include "ingest/mapping/expression.h"

template <>
struct tw::config::Codec<tw::ingest::mapping::Expression> {
  static constexpr std::string_view kName = "an expression or a list of expressions";
  static constexpr std::string_view kSchema =
      R"({"anyOf":[{"type":["string","number","boolean"]},)"
      R"({"type":"array","items":{"type":["string","number","boolean"]}}]})";
  static Result<ingest::mapping::Expression> Read(const Node& node) {
    return ingest::mapping::Expression::Compile(node);
  }
  static Node Write(const ingest::mapping::Expression& expression) { return expression.ToNode(); }
};
