#include "ingest/mapping/functions.h"

#include <openssl/sha.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "ingest/mapping/decimal.h"
#include "ingest/mapping/program.h"
#include "ingest/mapping/time_text.h"

namespace tw::ingest::mapping {
namespace {

CallResult Failure() {
  return {Datum(), 1};
}
CallResult Text(std::string text) {
  return {Value(std::move(text)), 0};
}

// The exact text of a number, or a text that may be one; nullopt for all else.
std::optional<std::string> NumberText(const Datum& input) {
  if (const auto* piece = std::get_if<json::Value>(&input)) {
    if (piece->kind() == json::Kind::kNumber) return std::string(piece->NumberText());
  }
  if (input.AsBool() || input.AsList()) return std::nullopt;
  if (const auto* piece = std::get_if<json::Value>(&input)) {
    if (piece->is_array() || piece->is_object()) return std::nullopt;
  }
  return input.ToText();
}

bool IsBlank(const Datum& input) {
  const auto text = input.AsText();
  return text && Trim(*text).empty();
}

CallResult ToInt(const Datum& input) {
  if (const auto integer = input.AsInt()) return {Value(*integer), 0};
  if (const auto boolean = input.AsBool()) return {Value(int64_t{*boolean}), 0};
  if (IsBlank(input)) return {};
  const auto text = NumberText(input);
  const auto decimal = text ? NormalizeDecimal(*text) : std::nullopt;
  if (!decimal) return Failure();
  const size_t point = decimal->find('.');
  if (point != std::string::npos && decimal->find_first_not_of('0', point + 1) != std::string::npos)
    return Failure();
  const auto integer = ParseInt64(std::string_view(*decimal).substr(0, point));
  if (!integer) return Failure();
  return {Value(*integer), 0};
}

CallResult ToDecimal(const Datum& input) {
  if (IsBlank(input)) return {};
  const auto text = NumberText(input);
  auto decimal = text ? NormalizeDecimal(*text) : std::nullopt;
  if (!decimal) return Failure();
  return {Decimal{*std::move(decimal)}, 0};
}

CallResult ToBool(const Datum& input) {
  if (const auto boolean = input.AsBool()) return {Value(*boolean), 0};
  if (IsBlank(input)) return {};
  const auto text = NumberText(input);
  if (!text) return Failure();
  const std::string word = ToLower(Trim(*text));
  for (const char* yes : {"true", "t", "yes", "on", "1"}) {
    if (word == yes) return {Value(true), 0};
  }
  for (const char* no : {"false", "f", "no", "off", "0"}) {
    if (word == no) return {Value(false), 0};
  }
  return Failure();
}

CallResult First(Datum input) {
  auto items = ItemsOf(input);
  if (!items) return {std::move(input), 0};
  for (Datum& item : *items) {
    if (!item.is_null()) return {std::move(item), 0};
  }
  return {};
}

CallResult Sum(const Datum& input) {
  auto items = ItemsOf(input);
  if (!items) items = List{input};
  std::string total = "0";
  bool integers = true;
  for (const Datum& item : *items) {
    if (item.is_null() || IsBlank(item)) continue;
    const CallResult number = ToDecimal(item);
    if (number.failures > 0) return Failure();
    integers = integers && item.AsInt();
    auto sum = AddDecimals(total, std::get<Decimal>(number.value).text);
    if (!sum) return Failure();
    total = *std::move(sum);
  }
  if (const auto integer = ParseInt64(total); integers && integer) return {Value(*integer), 0};
  return {Decimal{std::move(total)}, 0};
}

CallResult Join(const Datum& input, const std::string& separator) {
  auto items = ItemsOf(input);
  if (!items) items = List{input};
  std::string out;
  bool first = true;
  for (const Datum& item : *items) {
    const auto text = item.ToText();
    if (!text) continue;
    if (!first) out += separator;
    out += *text;
    first = false;
  }
  return Text(std::move(out));
}

CallResult Hash(const std::vector<Datum>& inputs) {
  std::string bytes;
  for (const Datum& input : inputs) {
    const auto text = input.ToText();
    if (!text) return {};
    if (inputs.size() > 1) bytes += std::to_string(text->size()) + ':';
    bytes += *text;
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : digest) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return Text(std::move(out));
}

CallResult Match(const Datum& input, const re2::RE2& regexp) {
  const auto text = input.AsText();
  if (!text) return {};
  std::array<re2::StringPiece, 2> groups;
  const bool grouped = regexp.NumberOfCapturingGroups() > 0;
  const re2::StringPiece subject(text->data(), text->size());
  if (!regexp.Match(subject, 0, text->size(), re2::RE2::UNANCHORED, groups.data(),
                    grouped ? 2 : 1)) {
    return {};
  }
  const re2::StringPiece& found = groups[grouped ? 1 : 0];
  if (found.data() == nullptr) return {};  // The group took no part in the match.
  return Text(std::string(found.data(), found.size()));
}

CallResult Format(const Operation& call, const std::vector<Datum>& arguments) {
  std::string out = call.pieces[0];
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto text = arguments[i].ToText();
    if (!text) return {};
    out += *text;
    out += call.pieces[i + 1];
  }
  return Text(std::move(out));
}

CallResult Time(const Operation& call, const Datum& input, const Input& context) {
  if (IsBlank(input)) return {};
  const auto time = ReadTime(input, call.name, call.tenant_zone ? context.zone : call.zone);
  return time ? Text(TimeText(*time)) : Failure();
}

CallResult MonthStartOf(const Datum& input, const Input& context) {
  if (input.is_null() || IsBlank(input)) return {};
  const auto time = ReadTime(input, "rfc3339", nullptr);
  return time ? Text(MonthStart(*time, context.zone)) : Failure();
}

// Functions that keep a null: none of the conversions has anything to say about it.
bool KeepsNull(Function function) {
  switch (function) {
    case Function::kLower:
    case Function::kUpper:
    case Function::kTrim:
    case Function::kInt:
    case Function::kDecimal:
    case Function::kBool:
    case Function::kFirst:
    case Function::kSum:
    case Function::kJoin:
    case Function::kTime:
    case Function::kMatch:
    case Function::kMonthStart:
      return true;
    case Function::kHash:
    case Function::kDefault:
    case Function::kFormat:
    case Function::kNow:
    case Function::kColumn:
      return false;
  }
  TW_UNREACHABLE();
}

CallResult Apply(const Operation& call, std::vector<Datum>& arguments, const Input& context) {
  const Function function = call.signature.function;
  if (KeepsNull(function) && arguments[0].is_null()) return {};
  switch (function) {
    case Function::kLower:
    case Function::kUpper:
    case Function::kTrim: {
      const auto text = arguments[0].AsText();
      if (!text) return {};
      if (function == Function::kLower) return Text(ToLower(*text));
      if (function == Function::kTrim) return Text(std::string(Trim(*text)));
      std::string upper(*text);
      for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      return Text(std::move(upper));
    }
    case Function::kInt:
      return ToInt(arguments[0]);
    case Function::kDecimal:
      return ToDecimal(arguments[0]);
    case Function::kBool:
      return ToBool(arguments[0]);
    case Function::kFirst:
      return First(std::move(arguments[0]));
    case Function::kSum:
      return Sum(arguments[0]);
    case Function::kJoin:
      return Join(arguments[0], call.name);
    case Function::kHash:
      return Hash(arguments);
    case Function::kTime:
      return Time(call, arguments[0], context);
    case Function::kDefault:
      return {std::move(arguments[arguments[0].is_null() ? 1 : 0]), 0};
    case Function::kMatch:
      return Match(arguments[0], *call.regexp);
    case Function::kFormat:
      return Format(call, arguments);
    case Function::kNow:
      return Text(TimeText(context.now));
    case Function::kMonthStart:
      return MonthStartOf(arguments[0], context);
    case Function::kColumn:
      return {context.variables == nullptr ? Datum() : context.variables->Column(call.name), 0};
  }
  TW_UNREACHABLE();
}

}  // namespace

std::optional<List> ItemsOf(const Datum& datum) {
  if (const List* list = datum.AsList()) return *list;
  const auto* piece = std::get_if<json::Value>(&datum);
  if (piece == nullptr || !piece->is_array()) return std::nullopt;
  List items;
  for (const json::Value& item : piece->items()) items.emplace_back(item);
  return items;
}

CallResult Call(const Operation& call, std::vector<Datum> arguments, const Input& input) {
  if (!call.signature.maps_lists) return Apply(call, arguments, input);
  auto items = ItemsOf(arguments[0]);
  if (!items) return Apply(call, arguments, input);
  CallResult all;
  for (Datum& item : *items) {
    arguments[0] = std::move(item);
    CallResult one = Apply(call, arguments, input);
    item = std::move(one.value);
    all.failures += one.failures;
  }
  all.value = *std::move(items);
  return all;
}

}  // namespace tw::ingest::mapping
