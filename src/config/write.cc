#include "config/write.h"

#include "json/json.h"

namespace tw::config::internal {

Node SecretNode(const Secret& secret, Secrets secrets) {
  if (secret.empty()) return Node();
  if (secrets == Secrets::kRevealed) return TextNode(secret.Reveal());
  const bool reference = secrets == Secrets::kReferences && !secret.reference().empty();
  return TextNode(reference ? secret.reference() : "***");
}

Node NumberNode(double value) {
  std::string text;
  json::AppendDouble(text, value);
  if (text == "null") text = value != value ? ".nan" : value > 0 ? ".inf" : "-.inf";
  return Node::Scalar(std::move(text), Node::Style::kPlain);
}

Node TextNode(std::string text) {
  return Node::Scalar(std::move(text), Node::Style::kQuoted);
}

}  // namespace tw::config::internal
