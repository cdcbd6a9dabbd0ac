// json: reading and writing JSON (RFC 8259), the same rules everywhere in the product.
//
//   text ──Parse──▶ Document (immutable tree in one arena)      Writer ──▶ text
//
// Promises     Integers are exact in int64; every other number keeps its source text, so that
//              decimals stay exact. Strings are valid UTF-8. Of duplicate keys the last wins, as in
//              JavaScript. Nesting is bounded.
// Not here     JSON paths (ingest/mapping), YAML (config).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw::json {

// Deeper nesting is refused with kInvalidArgument.
inline constexpr int kDepthMax = 128;

enum class Kind : uint8_t {
  kNull,
  kBool,
  kInt,     // A number written as an integer that fits int64.
  kNumber,  // Any other number: source text and nearest double.
  kString,
  kArray,
  kObject,
};

struct Member;

// A node of a Document; a cheap, copyable view that lives as long as its Document.
class Value {
 public:
  Value() = default;  // null

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_object() const { return kind_ == Kind::kObject; }
  bool is_array() const { return kind_ == Kind::kArray; }

  // Each accessor needs its kind (checked); the As… forms return nullopt for any other kind.
  bool GetBool() const;
  int64_t GetInt() const;
  double GetDouble() const;               // kInt or kNumber
  std::string_view GetString() const;     // decoded
  std::string_view NumberText() const;    // kInt or kNumber: as written
  std::span<const Value> items() const;   // empty unless kArray
  std::span<const Member> members() const;  // in source order; empty unless kObject
  std::optional<bool> AsBool() const;
  std::optional<int64_t> AsInt() const;
  std::optional<std::string_view> AsString() const;

  // The member's value; null Value when absent or when this is no object.
  Value operator[](std::string_view key) const;
  // The same, but an absent member is told apart from a null one.
  const Value* Find(std::string_view key) const;

  // Compact JSON text of this node; keys in source order.
  std::string ToText() const;
  void AppendTo(std::string& out) const;

 private:
  friend class Builder;
  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  uint32_t size_ = 0;  // Bytes of text, or number of items or members.
  union {
    int64_t int_ = 0;
    double double_;
  };
  const void* data_ = nullptr;  // char, Value or Member, in the Document's arena.
};

struct Member {
  std::string_view key;
  Value value;
};

// Owns the arena of a parsed text. Movable. The Values stay valid across moves.
class Document {
 public:
  Document();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  const Value& root() const { return root_; }
  const Value* operator->() const { return &root_; }

 private:
  friend class Builder;
  friend Result<Document> Parse(std::string_view text);
  class Arena;
  std::unique_ptr<Arena> arena_;
  Value root_;
};

// Parses one JSON text; white space around it is allowed, anything else after it is not. Any thread.
// Errors: kInvalidArgument with the reason: syntax, invalid UTF-8, lone surrogate, a number outside
// double's range, nesting over kDepthMax.
Result<Document> Parse(std::string_view text);

// Appends `text` as a JSON string with quotes. Escapes control characters, '"' and '\'; also U+2028
// and U+2029 are left as they are (RFC 8259 allows them). `text` must be UTF-8; invalid bytes become
// U+FFFD.
void AppendString(std::string& out, std::string_view text);
void AppendInt(std::string& out, int64_t value);
void AppendUint(std::string& out, uint64_t value);
// Shortest text that reads back as the same double; null for NaN and infinities.
void AppendDouble(std::string& out, double value);

// Writes one JSON text without building a tree. Commas and colons are its business:
//   Writer w; w.Object().Key("a").Int(1).Key("b").Array().Null().End().End(); w.Take();
class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  // Appends to `out`, which must outlive the Writer.
  explicit Writer(std::string& out) : out_(&out) {}

  Writer& Object() { return Open('{', '}'); }
  Writer& Array() { return Open('[', ']'); }
  Writer& End();
  Writer& Key(std::string_view key);
  Writer& Null() { return Raw("null"); }
  Writer& Bool(bool value) { return Raw(value ? "true" : "false"); }
  Writer& Int(int64_t value);
  Writer& Uint(uint64_t value);
  Writer& Double(double value);
  Writer& String(std::string_view value);
  // `text` must be one valid JSON text.
  Writer& Raw(std::string_view text);
  Writer& Json(const Value& value);

  // The text written so far; only for the default constructor.
  std::string Take() { return std::move(own_); }

 private:
  Writer& Open(char open, char close);
  void Separate();

  std::string own_;
  std::string* out_ = &own_;
  std::string closers_;       // One closing bracket per open level.
  bool needs_comma_ = false;
};

}  // namespace tw::json
