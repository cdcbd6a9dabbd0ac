// Texts with placeholders, for requests: "/act_${tenant.cred.meta_account}/insights". Compiled once;
// filling never fails: a name without a value gives an empty text and is reported.
//
//   tenant.id  tenant.name  tenant.timezone  tenant.COLUMN  tenant.cred.NAME  secret.NAME
//   cursor  window.from[:strftime]  window.to[:strftime]  create.FIELD
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strings.h"

namespace date {
class time_zone;
}

namespace tw::ingest {

// What placeholders stand for in one run. Borrowed.
struct TemplateValues {
  // By full name: "tenant.id", "secret.admin_key", "cursor", "create.id".
  const StringMap<std::string>* names = nullptr;
  std::optional<WallTime> window_from;
  std::optional<WallTime> window_to;  // Of the last day, inclusive.
  const date::time_zone* zone = nullptr;
};

class Template {
 public:
  // Gives each placeholder's value as it is put in, e.g. percent-encoded.
  using Encode = std::string (*)(std::string_view value);

  Template() = default;
  // Errors: kInvalidArgument for a placeholder that is not closed or not of this list.
  static Result<Template> Compile(std::string_view text);
  // The same with these names in the place of that list.
  static Result<Template> Compile(std::string_view text, std::span<const std::string_view> names);

  bool empty() const { return parts_.empty(); }
  // Names used, without formats.
  std::vector<std::string_view> names() const;
  // `missing` gets the first name that has no value.
  std::string Fill(const TemplateValues& values, std::string& missing,
                   Encode encode = nullptr) const;
  // The same for a text whose names all have a value, or may be left out.
  std::string Fill(const StringMap<std::string>& names) const;

 private:
  template <typename Known>
  static Result<Template> CompileWith(std::string_view text, Known known);
  struct Part {
    std::string text;  // Literal, or the name.
    std::string format;
    bool is_name = false;
  };
  std::vector<Part> parts_;
};

// RFC 3986 percent-encoding of everything but unreserved characters.
std::string PercentEncode(std::string_view text);

}  // namespace tw::ingest
