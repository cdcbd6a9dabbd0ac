#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "json/json.h"

namespace tw::json {
namespace od = simdjson::ondemand;

// A bump allocator: nodes and texts of one document, freed together.
class Document::Arena {
 public:
  void* Allocate(size_t bytes, size_t alignment) {
    size_t at = (used_ + alignment - 1) & ~(alignment - 1);
    if (blocks_.empty() || at + bytes > block_bytes_) {
      block_bytes_ = std::max(bytes, blocks_.empty() ? size_t{2048} : block_bytes_ * 2);
      blocks_.push_back(std::make_unique<std::max_align_t[]>(
          (block_bytes_ + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t)));
      at = 0;
    }
    used_ = at + bytes;
    return reinterpret_cast<char*>(blocks_.back().get()) + at;
  }

  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* copy = static_cast<char*>(Allocate(text.size(), 1));
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

  template <typename T>
  const T* Copy(std::span<const T> items) {
    if (items.empty()) return nullptr;
    T* copy = static_cast<T*>(Allocate(items.size_bytes(), alignof(T)));
    std::uninitialized_copy(items.begin(), items.end(), copy);
    return copy;
  }

 private:
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks_;
  size_t block_bytes_ = 0;
  size_t used_ = 0;
};

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 8259 §6. simdjson's on-demand front end hands out the token unchecked.
bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  const auto digits = [&] {
    const size_t first = at;
    while (IsDigit(peek())) ++at;
    return at > first;
  };
  if (peek() == '-') ++at;
  if (peek() == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (peek() == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (peek() == 'e' || peek() == 'E') {
    ++at;
    if (peek() == '+' || peek() == '-') ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

std::unexpected<Error> Bad(std::string_view reason) {
  return Fail(ErrorCode::kInvalidArgument, "not JSON: " + std::string(reason));
}

std::unexpected<Error> Bad(simdjson::error_code code) { return Bad(simdjson::error_message(code)); }

}  // namespace

class Builder {
 public:
  explicit Builder(Document& document) : arena_(*document.arena_), document_(document) {}

  // `source` is an array or an object.
  Status Build(od::document& source) {
    od::value root;
    if (const auto error = source.get_value().get(root)) return Bad(error);
    TW_ASSIGN_OR_RETURN(document_.root_, Node(root, 1));
    const char* rest;
    if (source.current_location().get(rest) == simdjson::SUCCESS) {
      return Bad("text after the end of the value");
    }
    return {};
  }

 private:
  Result<Value> Scalar(od::value& source, od::json_type type) {
    Value node;
    switch (type) {
      case od::json_type::null: {
        bool is_null = false;
        if (source.is_null().get(is_null) != simdjson::SUCCESS || !is_null) {
          return Bad("invalid literal");
        }
        return node;
      }
      case od::json_type::boolean:
        node.kind_ = Kind::kBool;
        if (const auto error = source.get_bool().get(node.bool_)) return Bad(error);
        return node;
      case od::json_type::number: return Number(source);
      case od::json_type::string: {
        std::string_view text;
        if (const auto error = source.get_string().get(text)) return Bad(error);
        node.kind_ = Kind::kString;
        SetText(node, arena_.Copy(text));
        return node;
      }
      case od::json_type::array:
      case od::json_type::object: break;
    }
    return Bad("unexpected token");
  }

  Result<Value> Number(od::value& source) {
    std::string_view token = source.raw_json_token();
    (void)source.get_double().error();  // Consumes the token; we judge its text ourselves.
    while (!token.empty() && std::strchr(" \t\r\n", token.back()) != nullptr) {
      token.remove_suffix(1);
    }
    if (!IsNumber(token)) return Bad("invalid number");
    Value node;
    SetText(node, arena_.Copy(token));
    const char* const end = token.data() + token.size();
    int64_t integer;
    if (const auto parsed = std::from_chars(token.data(), end, integer);
        parsed.ec == std::errc{} && parsed.ptr == end && token != "-0") {
      node.kind_ = Kind::kInt;
      node.int_ = integer;
      return node;
    }
    node.kind_ = Kind::kNumber;
    const auto parsed = std::from_chars(token.data(), end, node.double_);
    if (parsed.ec == std::errc::result_out_of_range) {
      // Too small reads as zero; too large has no value.
      if (std::abs(std::strtod(std::string(token).c_str(), nullptr)) > 1) {
        return Bad("number out of range");
      }
      node.double_ = 0;
    }
    return node;
  }

  Result<Value> Node(od::value& source, int depth) {
    od::json_type type;
    if (const auto error = source.type().get(type)) return Bad(error);
    if (type == od::json_type::array) return Array(source, depth);
    if (type == od::json_type::object) return Object(source, depth);
    return Scalar(source, type);
  }

  Result<Value> Array(od::value& source, int depth) {
    if (depth > kDepthMax) return Bad("nested too deeply");
    od::array array;
    if (const auto error = source.get_array().get(array)) return Bad(error);
    const size_t first = values_.size();
    for (auto item : array) {
      od::value child;
      if (const auto error = item.get(child)) return Bad(error);
      TW_ASSIGN_OR_RETURN(const Value node, Node(child, depth + 1));
      values_.push_back(node);
    }
    Value result;
    result.kind_ = Kind::kArray;
    result.size_ = static_cast<uint32_t>(values_.size() - first);
    result.data_ = arena_.Copy(std::span<const Value>(values_).subspan(first));
    values_.resize(first);
    return result;
  }

  Result<Value> Object(od::value& source, int depth) {
    if (depth > kDepthMax) return Bad("nested too deeply");
    od::object object;
    if (const auto error = source.get_object().get(object)) return Bad(error);
    const size_t first = members_.size();
    for (auto field : object) {
      if (const auto error = field.error()) return Bad(error);
      std::string_view key;
      if (const auto error = field.unescaped_key().get(key)) return Bad(error);
      const std::string_view kept = arena_.Copy(key);
      od::value child;
      if (const auto error = field.value().get(child)) return Bad(error);
      TW_ASSIGN_OR_RETURN(const Value node, Node(child, depth + 1));
      members_.push_back({kept, node});
    }
    Value result;
    result.kind_ = Kind::kObject;
    result.size_ = static_cast<uint32_t>(members_.size() - first);
    result.data_ = arena_.Copy(std::span<const Member>(members_).subspan(first));
    members_.resize(first);
    return result;
  }

  static void SetText(Value& node, std::string_view text) {
    node.size_ = static_cast<uint32_t>(text.size());
    node.data_ = text.data();
  }

  Document::Arena& arena_;
  Document& document_;
  std::vector<Value> values_;    // Stack of unfinished arrays' items.
  std::vector<Member> members_;  // Stack of unfinished objects' members.
};

Document::Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Parse(std::string_view text) {
  if (text.size() >= UINT32_MAX / 4) return Bad("text too long");
  // A lone scalar is parsed as the only item of an array: simdjson checks less at the root.
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return Bad("empty text");
  const bool scalar = text[first] != '{' && text[first] != '[';

  // simdjson needs readable bytes behind the text; both buffers are kept for the next call.
  thread_local od::parser parser;
  thread_local std::string padded;
  const size_t size = text.size() + (scalar ? 2 : 0);
  if (padded.size() < size + simdjson::SIMDJSON_PADDING) {
    padded.resize((size + simdjson::SIMDJSON_PADDING) * 2);
  }
  std::memcpy(padded.data() + (scalar ? 1 : 0), text.data(), text.size());
  if (scalar) padded[0] = '[', padded[size - 1] = ']';
  std::memset(padded.data() + size, ' ', simdjson::SIMDJSON_PADDING);

  Document document;
  document.arena_ = std::make_unique<Document::Arena>();
  od::document source;
  if (const auto error = parser.iterate(padded.data(), size, padded.size()).get(source)) {
    return Bad(error);
  }
  TW_RETURN_IF_ERROR(Builder(document).Build(source));
  if (scalar) {
    if (document.root_.items().size() != 1) return Bad("text after the end of the value");
    const Value only = document.root_.items()[0];
    document.root_ = only;
  }
  constexpr size_t kKeptBytesMax = 1 << 20;
  if (padded.size() > kKeptBytesMax) padded = std::string();
  return document;
}

}  // namespace tw::json
