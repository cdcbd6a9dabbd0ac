// router: which subscribers a change concerns, and the bytes that they get.
//
//   Batch ──▶ net effect ──▶ rights index ──▶ Audience ──decide once, encode once──▶ its members
//                            (row → claims values, by walking inner tables)
//
// Start here   router.h → rights_index.h (who is asked) → audience.h (a group of equal subscribers)
//              → change_encoder.h (frames) → net_effect.h (what a commit did to a row).
// Promises     Candidates are found by hash look-ups, never by scanning subscribers; policy and
//              filter decide once per audience; a frame is encoded and framed once per audience and
//              shared. A delivery costs one virtual call. Old rows are judged with the tables that
//              policies look into as they were before the batch, new ones as after it.
// Thread       One Router per loop.
// Not here     Who may join and where a stream begins (session).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "base/strings.h"
#include "io/bytes.h"
#include "model/change.h"
#include "router/audience.h"
#include "router/change_encoder.h"
#include "router/channel_spec.h"
#include "router/net_effect.h"
#include "router/rights_index.h"
#include "telemetry/metrics.h"

namespace tw::router {

class Router {
 public:
  explicit Router(telemetry::Registry& metrics);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Before the first Publish: the tables that policies look into, as they are at the position that
  // the first batch follows.
  void SetInnerTables(std::unique_ptr<policy::InnerTables> tables);
  const policy::InnerTables* inner_tables() const { return inner_.get(); }
  // All rows of a table are gone (TRUNCATE) behind offset `head`.
  void OnTruncate(const Relation& relation, uint64_t head);
  void set_deletes(ChangeEncoder::Deletes deletes) { encoder_.set_deletes(deletes); }

  // Makes `receiver` get every later change that `spec` asks for, until Leave. `membership` belongs
  // to the caller and must outlive the subscription (its destructor leaves).
  void Join(const ChannelSpec& spec, Receiver& receiver, Membership& membership);

  // Sends the batch's changes to all who may see them, in order. Channels for which the database
  // must be asked do not join; they replay.
  void Publish(const Batch& batch);
  // Offset of the change whose frames are being given out; 0 outside of Publish. All frames of a
  // change are given out before the first of the next.
  uint64_t publishing() const { return publishing_; }

  // Offsets above `after`, up to and including `last`.
  struct Range {
    uint64_t after = 0;
    uint64_t last = 0;
  };
  // False when a replay for `spec` from offset `after` on cannot be judged: its policies look into
  // tables whose rows of that time are no longer known.
  bool CanJudgeSince(const ChannelSpec& spec, uint64_t after) const;
  // Whether the batch changed a table that the policies of `spec` look into, within `range`.
  bool TouchesRights(const ChannelSpec& spec, const Batch& batch, Range range) const;
  // The "access_changed" message for a channel.
  static io::SharedBytes AccessChanged(const ChannelSpec& spec, Position position);

  // The frames that `spec` would have received for the changes of `batch` within `range`.
  // `verdicts`: of the rows that ForEachToJudge names.
  void Replay(const ChannelSpec& spec, const Batch& batch, Range range,
              const std::function<void(const io::SharedBytes&)>& send,
              const policy::RowVerdicts* verdicts = nullptr);
  // The rows within `range` that the filters of `spec` let pass and only the database can judge.
  void ForEachToJudge(const ChannelSpec& spec, const Batch& batch, Range range,
                      FunctionRef<void(const policy::AccessPtr&, const Row&)> visit);

  size_t audiences() const { return audiences_.size(); }
  size_t members() const { return members_; }

 private:
  friend class Membership;

  void Leave(Membership& membership);
  void Offer(Audience& audience);
  void Deliver(Audience& audience, const io::SharedBytes& frame);
  void TellAccessChanged(const Batch& batch,
                         std::span<const policy::InnerTables::Delta> deltas, const Views& views);
  void TellEveryReader(const Batch& batch);
  // Empty: the changes stand for themselves.
  std::vector<std::optional<NetChange>> NetOf(const Batch& batch) const;
  void SetReplayed(const Batch& batch);

  std::unordered_map<std::string_view, std::unique_ptr<Audience>> audiences_;  // By their key.
  StringMap<RightsIndex> tables_;  // By table name.
  std::unique_ptr<policy::InnerTables> inner_;
  bool blind_ = false;  // Batches went by that could not be judged.
  ChangeEncoder encoder_;
  // The batch that is being replayed: asked for slice by slice.
  struct Replayed {
    const Change* first = nullptr;
    uint64_t after = 0;
    Position position;
    bool net = false;
    bool operator==(const Replayed&) const = default;
  };
  Replayed replayed_;
  std::vector<std::optional<NetChange>> replayed_net_;
  size_t members_ = 0;
  uint64_t round_ = 0;  // Rises per change, so that an audience is offered it once.
  uint64_t publishing_ = 0;
  telemetry::Counter& deliveries_;
  telemetry::Counter& candidates_;
  telemetry::Counter& access_changes_;
  telemetry::Gauge& subscriptions_;
};

}  // namespace tw::router
