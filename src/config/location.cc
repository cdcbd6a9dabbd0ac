#include "config/location.h"

namespace tw::config {

std::string ToString(const Location& where) {
  std::string text(where.FileName());
  if (where.line == 0) return text;
  text += ':' + std::to_string(where.line);
  if (where.column != 0) text += ':' + std::to_string(where.column);
  return text;
}

bool operator==(const Location& a, const Location& b) {
  return a.line == b.line && a.column == b.column && a.FileName() == b.FileName();
}

std::string ToString(const Diagnostic& diagnostic) {
  const auto file = std::make_shared<const std::string>(diagnostic.file);
  const std::string where = ToString(Location{file, diagnostic.line, diagnostic.column});
  return where.empty() ? diagnostic.message : where + ": " + diagnostic.message;
}

std::ostream& operator<<(std::ostream& out, const Diagnostic& diagnostic) {
  return out << ToString(diagnostic);
}

void Problems::Add(const Location& where, std::string message) {
  if (++count_ > kKeptMax) return;
  kept_.push_back({std::string(where.FileName()), where.line, where.column, std::move(message)});
}

Status Problems::ToStatus() const {
  if (empty()) return {};
  std::string text;
  for (const Diagnostic& diagnostic : kept_) {
    if (!text.empty()) text += '\n';
    text += ToString(diagnostic);
  }
  if (count_ > kept_.size()) {
    text += "\nand " + std::to_string(count_ - kept_.size()) + " more";
  }
  return Fail(ErrorCode::kInvalidArgument, std::move(text));
}

}  // namespace tw::config
