// router: which subscribers a change concerns, and the bytes that they get.
//
//   Batch ──▶ index (table, anchor value) ──▶ Audience ──decide once, encode once──▶ its members
//
// Start here   router.h → audience.h (a group of equal subscribers) → change_encoder.h (frames).
// Promises     Candidates are found by hash look-ups, never by scanning subscribers; policy and
//              filter decide once per audience; a frame is encoded and framed once per audience and
//              shared. A delivery costs one virtual call.
// Thread       One Router per loop.
// Not here     Who may join and where a stream begins (session).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "io/bytes.h"
#include "model/change.h"
#include "router/audience.h"
#include "router/change_encoder.h"
#include "router/channel_spec.h"
#include "telemetry/metrics.h"

namespace tw::router {

class Router {
 public:
  explicit Router(telemetry::Registry& metrics);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Makes `receiver` get every later change that `spec` asks for, until Leave. `membership` belongs
  // to the caller and must outlive the subscription (its destructor leaves).
  void Join(const ChannelSpec& spec, Receiver& receiver, Membership& membership);

  // Sends the batch's changes to all who may see them, in order.
  void Publish(const Batch& batch);
  // Offset of the change whose frames are being given out; 0 outside of Publish. All frames of a
  // change are given out before the first of the next.
  uint64_t publishing() const { return publishing_; }

  // Offsets above `after`, up to and including `last`.
  struct Range {
    uint64_t after = 0;
    uint64_t last = 0;
  };
  // The frames that `spec` would have received for the changes of `batch` within `range`.
  void Replay(const ChannelSpec& spec, const Batch& batch, Range range,
              const std::function<void(const io::SharedBytes&)>& send);

  size_t audiences() const { return audiences_.size(); }
  size_t members() const { return members_; }

 private:
  friend class Membership;
  using AnchorMap = std::unordered_map<Value, std::vector<Audience*>, ValueHash>;
  // The audiences that follow one table.
  struct TableIndex {
    std::vector<std::pair<size_t, AnchorMap>> by_column;
    std::vector<Audience*> unanchored;
  };

  void Leave(Membership& membership);
  void AddToIndex(Audience& audience);
  void RemoveFromIndex(Audience& audience);
  void Offer(const std::vector<Audience*>& candidates);
  void Deliver(Audience& audience, const io::SharedBytes& frame);

  std::unordered_map<std::string, std::unique_ptr<Audience>> audiences_;
  StringMap<TableIndex> tables_;
  ChangeEncoder encoder_;
  size_t members_ = 0;
  uint64_t round_ = 0;  // Rises per change, so that an audience is offered it once.
  uint64_t publishing_ = 0;
  telemetry::Counter& deliveries_;
  telemetry::Counter& candidates_;
  telemetry::Gauge& subscriptions_;
};

}  // namespace tw::router
