#include "router/change_encoder.h"

#include "websocket/shared_frame.h"

namespace tw::router {

using protocol::EventMask;
using protocol::EventType;

void ChangeEncoder::Begin(const NetChange& net, const Views& views, uint64_t epoch) {
  change_ = net.change;
  net_ = net;
  views_ = views;
  epoch_ = epoch;
  judged_ = nullptr;
  for (RowText* text : {&new_text_, &old_text_}) {
    text->all.clear();
    text->key.clear();
  }
}

void ChangeEncoder::Match(const ChannelSpec& spec) {
  matches_.clear();
  for (const TableBinding& binding : spec.bindings) {
    // A binding follows a table whatever its shape was when it joined; filters and policies were
    // compiled for one shape and judge only rows of that shape.
    if (binding.relation->id != change_->relation->id) continue;
    if (const auto match = MatchBinding(binding, spec.leave)) matches_.push_back(*match);
  }
}

bool ChangeEncoder::Allows(const policy::Access& access, const Row& row,
                           const policy::InnerView* tables) const {
  if (!access.asks_database()) return access.Allows(row, tables);
  return views_.verdicts != nullptr && views_.verdicts->Of(access, row) == policy::RowVerdict::kShown;
}

bool ChangeEncoder::AllowsNew(const policy::Access& access) {
  if (judged_ != &access) {
    judged_ = &access;
    judged_new_.reset();
    judged_old_.reset();
  }
  if (!judged_new_) {
    judged_new_ = !net_.new_row->empty() && Allows(access, *net_.new_row, views_.after);
  }
  return *judged_new_;
}

bool ChangeEncoder::AllowsOld(const policy::Access& access) {
  if (judged_ != &access) {
    judged_ = &access;
    judged_new_.reset();
    judged_old_.reset();
  }
  if (!judged_old_) {
    judged_old_ = !net_.old_row->empty() && Allows(access, *net_.old_row, views_.before);
  }
  return *judged_old_;
}

std::optional<ChangeEncoder::Match_> ChangeEncoder::MatchBinding(const TableBinding& binding,
                                                                 bool leave) {
  const auto matches_new = [&] {
    return !net_.new_row->empty() && binding.filter.Matches(*net_.new_row) &&
           AllowsNew(*binding.access);
  };
  const auto matches_old = [&] {
    return !net_.old_row->empty() && binding.filter.Matches(*net_.old_row) &&
           AllowsOld(*binding.access);
  };
  switch (net_.op) {
    case ChangeOp::kInsert:
      if (!Wants(binding.events, EventMask::kInsert) || !matches_new()) return {};
      return Match_{&binding, EventType::kInsert, false, false};
    case ChangeOp::kUpdate:
      if (matches_new()) {
        if (!Wants(binding.events, EventMask::kUpdate)) return {};
        return Match_{&binding, EventType::kUpdate, AllowsOld(*binding.access), false};
      }
      if (!(leave || binding.leave_as_delete) || !matches_old()) return {};
      if (binding.leave_as_delete) {
        if (!Wants(binding.events, EventMask::kDelete)) return {};
        return Match_{&binding, EventType::kDelete, true, false};
      }
      return Match_{&binding, EventType::kLeave, true, false};
    case ChangeOp::kDelete:
      if (!Wants(binding.events, EventMask::kDelete)) return {};
      if (deletes_ == Deletes::kFollowers) return MatchDelete(binding);
      if (!matches_old()) return {};
      return Match_{&binding, EventType::kDelete, true, false};
  }
  return {};
}

std::optional<ChangeEncoder::Match_> ChangeEncoder::MatchDelete(const TableBinding& binding) {
  const bool wanted = !binding.access->error() && !net_.old_row->empty() &&
                      binding.filter.Matches(*net_.old_row);
  if (!wanted) return {};
  return Match_{&binding, EventType::kDelete, binding.access->allows_everything(), false};
}

std::string_view ChangeEncoder::RecordText(const Row& row, RowText& text,
                                           protocol::Columns columns,
                                           const std::vector<uint16_t>& selected) {
  const bool key_only = columns == protocol::Columns::kKey;
  if (!key_only && !selected.empty()) {
    std::string& scratch = selected_texts_[&text == &new_text_ ? 0 : 1];
    scratch.clear();
    AppendRecord(scratch, *change_->relation, row, columns, selected);
    return scratch;
  }
  std::string& cached = key_only ? text.key : text.all;
  if (cached.empty()) AppendRecord(cached, *change_->relation, row, columns);
  return cached;
}

std::string_view ChangeEncoder::ColumnsText(const std::vector<uint16_t>& selected) {
  if (!selected.empty()) {
    selected_texts_[2].clear();
    protocol::AppendColumns(selected_texts_[2], *change_->relation, selected);
    return selected_texts_[2];
  }
  std::string& text = columns_texts_[change_->relation->id];
  if (text.empty()) protocol::AppendColumns(text, *change_->relation);
  return text;
}

io::SharedBytes ChangeEncoder::EncodeFrom(const ChannelSpec& spec, size_t first) {
  const Match_ model = matches_[first];
  // All bindings with the same columns, kind and sight share one frame.
  ids_.clear();
  for (size_t i = first; i < matches_.size(); ++i) {
    Match_& match = matches_[i];
    if (match.taken || match.type != model.type || match.old_visible != model.old_visible ||
        match.binding->selected != model.binding->selected) {
      continue;
    }
    match.taken = true;
    ids_.push_back(match.binding->id);
  }
  const auto& selected = model.binding->selected;
  protocol::ChangeParts parts{.type = model.type, .change = change_, .ids = ids_};
  parts.columns = ColumnsText(selected);
  if (model.type == EventType::kInsert || model.type == EventType::kUpdate) {
    parts.record = RecordText(*net_.new_row, new_text_, protocol::Columns::kAll, selected);
  }
  if (model.type != EventType::kInsert) {
    // A row that its reader could not see before shows only its key, which the new row has as well.
    const bool whole = model.type != EventType::kLeave && model.old_visible;
    const bool from_old = model.old_visible || model.type == EventType::kDelete;
    const Row& row = from_old ? *net_.old_row : *net_.new_row;
    parts.old_record =
        RecordText(row, from_old ? old_text_ : new_text_,
                   whole ? protocol::Columns::kAll : protocol::Columns::kKey, selected);
  }
  if (spec.positions) parts.position = Position{epoch_, change_->offset};
  if (spec.stamps) parts.stamp = Position{epoch_, change_->offset};

  const protocol::Address nobody{std::nullopt, std::nullopt, spec.topic};
  message_.clear();
  BeginMessage(message_, spec.version, nobody, "postgres_changes");
  AppendChangePayload(message_, parts);
  EndMessage(message_, spec.version, nobody);
  return websocket::ShareFrame(websocket::Opcode::kText, message_);
}

}  // namespace tw::router
