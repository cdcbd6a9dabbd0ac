// Decoding of arbitrary record payloads: never a crash; what decodes encodes to the same bytes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "ingest/inbox/delivery.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tw::ingest::Delivery;
  using tw::ingest::NamedText;
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  const auto view = tw::ingest::DecodeDelivery(1, payload);
  if (!view.ok()) return 0;
  const auto own = [](const auto& list) {
    return std::vector<NamedText>(list.begin(), list.end());
  };
  const Delivery delivery{view->sequence,
                          view->received_at,
                          view->channel,
                          view->authentication,
                          std::string(view->source),
                          std::string(view->method),
                          std::string(view->query),
                          std::string(view->remote_address),
                          own(view->headers),
                          own(view->path_parameters),
                          std::string(view->body)};
  std::string encoded;
  tw::ingest::EncodeDelivery(delivery, encoded);
  TW_CHECK(encoded == payload);
  return 0;
}
