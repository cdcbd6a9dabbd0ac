#include "config/environment.h"

namespace tw::config {
namespace {

constexpr std::string_view kVariable = "${env:";
constexpr std::string_view kFile = "${file:";

std::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<std::string> ReadVariable(const std::string& name, const Environment& environment) {
  const auto value = environment.Variable(name);
  if (!value) return Bad("environment variable " + name + " is not set");
  if (value->empty()) return Bad("environment variable " + name + " is empty");
  return *value;
}

Result<std::string> ReadSecretFile(const std::string& path, const Environment& environment) {
  auto content = environment.ReadFile(path, kSecretFileBytesMax);
  if (!content.ok()) return Bad("cannot read file " + path + ": " + content.error().message);
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  if (content->empty()) return Bad("file " + path + " is empty");
  return content;
}

}  // namespace

bool HasReference(std::string_view text) {
  return text.find(kVariable) != std::string_view::npos ||
         text.find(kFile) != std::string_view::npos;
}

bool IsReference(std::string_view text) {
  return (text.starts_with(kVariable) || text.starts_with(kFile)) &&
         text.find('}') == text.size() - 1;
}

Result<std::string> Substitute(std::string_view text, const Environment& environment) {
  std::string out;
  while (!text.empty()) {
    const size_t at = text.find('$');
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at);
    if (text.starts_with("$${")) {
      out += "${";
      text.remove_prefix(3);
      continue;
    }
    const bool variable = text.starts_with(kVariable);
    if (!variable && !text.starts_with(kFile)) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const size_t start = variable ? kVariable.size() : kFile.size();
    const size_t end = text.find('}');
    if (end == std::string_view::npos) return Bad("'" + std::string(text) + "' is not closed");
    const std::string name(text.substr(start, end - start));
    TW_ASSIGN_OR_RETURN(const std::string value, variable ? ReadVariable(name, environment)
                                                          : ReadSecretFile(name, environment));
    out += value;
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace tw::config
