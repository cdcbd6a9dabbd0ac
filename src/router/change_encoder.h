// From a change and a channel to framed bytes; parts that many audiences share are written once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/bytes.h"
#include "model/change.h"
#include "protocol/change_payload.h"
#include "router/channel_spec.h"
#include "router/net_effect.h"
#include "router/views.h"

namespace tw::router {

class ChangeEncoder {
 public:
  // Who is told of a DELETE. kThoseWhoSawIt: rights and filter are judged on the old row.
  // kFollowers: as Supabase does, everyone who follows the table and whose filter the old row
  // matches; those with row-level security get its primary key only.
  enum class Deletes : uint8_t { kThoseWhoSawIt, kFollowers };
  void set_deletes(Deletes deletes) { deletes_ = deletes; }
  Deletes deletes() const { return deletes_; }

  // Sets the change that the next calls of Encode are about. What it refers to must stay valid
  // meanwhile.
  void Begin(const NetChange& net, const Views& views, uint64_t epoch);

  // The WebSocket text frames that `spec` receives for the change: none when it may not see it or
  // did not ask; one, or one per distinct column set of the bindings that match.
  // `send` is called for each.
  template <typename Send>
  void Encode(const ChannelSpec& spec, Send send) {
    Match(spec);
    for (size_t i = 0; i < matches_.size(); ++i) {
      if (!matches_[i].taken) send(EncodeFrom(spec, i));
    }
  }

 private:
  struct Match_ {
    const TableBinding* binding;
    protocol::EventType type;
    bool old_visible;
    bool taken;
  };
  // The JSON of a row; empty until first needed for the current change.
  struct RowText {
    std::string all;
    std::string key;
  };

  void Match(const ChannelSpec& spec);
  std::optional<Match_> MatchBinding(const TableBinding& binding, bool leave);
  std::optional<Match_> MatchDelete(const TableBinding& binding);
  // Whether the rights allow the row; audiences of equal rights come one after the other.
  bool AllowsNew(const policy::Access& access);
  bool AllowsOld(const policy::Access& access);
  bool Allows(const policy::Access& access, const Row& row, const policy::InnerView* tables) const;
  io::SharedBytes EncodeFrom(const ChannelSpec& spec, size_t first);
  std::string_view RecordText(const Row& row, RowText& text, protocol::Columns columns,
                              const std::vector<uint16_t>& selected);
  std::string_view ColumnsText(const std::vector<uint16_t>& selected);

  const Change* change_ = nullptr;
  NetChange net_;
  Views views_;
  Deletes deletes_ = Deletes::kThoseWhoSawIt;
  // The last rights asked about, and what they said.
  const policy::Access* judged_ = nullptr;
  std::optional<bool> judged_new_;
  std::optional<bool> judged_old_;
  uint64_t epoch_ = 0;
  RowText new_text_;
  RowText old_text_;
  std::string selected_texts_[3];  // Scratch for column sets that are not "all".
  std::unordered_map<uint32_t, std::string> columns_texts_;  // By relation id.
  std::vector<Match_> matches_;
  std::vector<int64_t> ids_;
  std::string message_;
};

}  // namespace tw::router
