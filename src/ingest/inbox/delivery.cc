#include "ingest/inbox/delivery.h"

#include <cstring>

#include "base/check.h"

namespace tw::ingest {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kFixedBytes = 12;  // Version, channel, authentication, zero, received_at.

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void PutText(std::string& out, std::string_view text) {
  PutVarint(out, text.size());
  out.append(text);
}

void PutList(std::string& out, const std::vector<NamedText>& list) {
  TW_CHECK(list.size() <= kDeliveryListMax);
  PutVarint(out, list.size());
  for (const auto& [name, value] : list) {
    PutText(out, name);
    PutText(out, value);
  }
}

// Takes values off the front of the bytes; after a failure everything is empty and `bad`.
struct Reader {
  std::string_view rest;
  bool bad = false;

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      // The tenth byte has room for one bit; a last byte of zero would be a second spelling.
      if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0)) break;
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    bad = true;
    rest = {};
    return 0;
  }

  std::string_view Text() {
    const uint64_t length = Varint();
    if (length > rest.size()) {
      bad = true;
      rest = {};
      return {};
    }
    const std::string_view text = rest.substr(0, length);
    rest.remove_prefix(length);
    return text;
  }

  std::vector<NamedView> List() {
    const uint64_t count = Varint();
    std::vector<NamedView> list;
    if (count > kDeliveryListMax) bad = true;
    if (bad) return list;
    list.reserve(count);
    for (uint64_t i = 0; i < count && !bad; ++i) {
      const std::string_view name = Text();
      list.emplace_back(name, Text());
    }
    return list;
  }
};

}  // namespace

DeliveryView ViewOf(const Delivery& delivery) {
  const auto views = [](const std::vector<NamedText>& list) {
    return std::vector<NamedView>(list.begin(), list.end());
  };
  return {delivery.sequence,
          delivery.received_at,
          delivery.channel,
          delivery.authentication,
          delivery.source,
          delivery.method,
          delivery.query,
          delivery.remote_address,
          views(delivery.headers),
          views(delivery.path_parameters),
          delivery.body};
}

size_t DeliveryBytes(const Delivery& delivery) {
  size_t bytes = sizeof(Delivery) + delivery.source.size() + delivery.method.size() +
                 delivery.query.size() + delivery.remote_address.size() + delivery.body.size();
  for (const auto* list : {&delivery.headers, &delivery.path_parameters}) {
    for (const auto& [name, value] : *list) bytes += sizeof(NamedText) + name.size() + value.size();
  }
  return bytes;
}

void EncodeDelivery(const Delivery& delivery, std::string& out) {
  out.push_back(static_cast<char>(kVersion));
  out.push_back(static_cast<char>(delivery.channel));
  out.push_back(static_cast<char>(delivery.authentication));
  out.push_back('\0');
  const auto micros = static_cast<uint64_t>(delivery.received_at.time_since_epoch().count());
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(micros >> (8 * i) & 0xff));
  PutText(out, delivery.source);
  PutText(out, delivery.method);
  PutText(out, delivery.query);
  PutText(out, delivery.remote_address);
  PutList(out, delivery.headers);
  PutList(out, delivery.path_parameters);
  out.append(delivery.body);
}

Result<DeliveryView> DecodeDelivery(uint64_t sequence, std::string_view payload) {
  const auto damaged = [&] {
    return Fail(ErrorCode::kDataLoss, "delivery " + std::to_string(sequence) + ": not decodable");
  };
  if (payload.empty()) return damaged();
  const auto version = static_cast<uint8_t>(payload[0]);
  if (version > kVersion) {
    return Fail(ErrorCode::kFailedPrecondition,
                "delivery " + std::to_string(sequence) + ": written by a newer version");
  }
  if (version != kVersion || payload.size() < kFixedBytes || payload[3] != '\0' ||
      static_cast<uint8_t>(payload[1]) > static_cast<uint8_t>(Channel::kTry) ||
      static_cast<uint8_t>(payload[2]) > static_cast<uint8_t>(Authentication::kSignature)) {
    return damaged();
  }
  DeliveryView view;
  view.sequence = sequence;
  view.channel = static_cast<Channel>(payload[1]);
  view.authentication = static_cast<Authentication>(payload[2]);
  uint64_t micros = 0;
  for (int i = 0; i < 8; ++i) {
    micros |= uint64_t{static_cast<unsigned char>(payload[static_cast<size_t>(4 + i)])} << (8 * i);
  }
  view.received_at = WallTime{std::chrono::microseconds{static_cast<int64_t>(micros)}};
  Reader reader{payload.substr(kFixedBytes)};
  view.source = reader.Text();
  view.method = reader.Text();
  view.query = reader.Text();
  view.remote_address = reader.Text();
  view.headers = reader.List();
  view.path_parameters = reader.List();
  if (reader.bad) return damaged();
  view.body = reader.rest;
  return view;
}

}  // namespace tw::ingest
