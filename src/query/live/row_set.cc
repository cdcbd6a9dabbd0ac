#include "query/live/row_set.h"

#include <algorithm>
#include <unordered_set>

#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "json/json.h"

namespace tw::query {
namespace {

// For each of `positions` whether it is part of one longest increasing subsequence.
std::vector<bool> LongestIncreasing(const std::vector<size_t>& positions) {
  std::vector<size_t> tails;  // Index of the last element of the best sequence of each length.
  std::vector<size_t> before(positions.size(), SIZE_MAX);
  for (size_t i = 0; i < positions.size(); ++i) {
    const auto at = std::ranges::lower_bound(tails, positions[i], {},
                                             [&](size_t index) { return positions[index]; });
    if (at != tails.begin()) before[i] = *(at - 1);
    if (at == tails.end()) {
      tails.push_back(i);
    } else {
      *at = i;
    }
  }
  std::vector<bool> kept(positions.size());
  for (size_t i = tails.empty() ? SIZE_MAX : tails.back(); i != SIZE_MAX; i = before[i]) {
    kept[i] = true;
  }
  return kept;
}

// {"column":value…} of what differs; both rows have the same columns in the same order.
void AppendSet(std::string& out, std::string_view from, std::string_view to) {
  const auto old_row = json::Parse(from);
  const auto new_row = json::Parse(to);
  out += "{";
  if (old_row.ok() && new_row.ok()) {
    bool first = true;
    for (const json::Member& member : new_row->root().members()) {
      const std::string text = member.value.ToText();
      if (old_row->root()[member.key].ToText() == text) continue;
      if (!first) out.push_back(',');
      first = false;
      json::AppendString(out, member.key);
      out += ":" + text;
    }
  }
  out += "}";
}

class Section {
 public:
  Section(std::string& out, std::string_view name) : out_(out), name_(name) {}
  std::string& Next() {
    if (count_++ == 0) {
      if (!out_.empty()) out_.push_back(',');
      out_ += "\"" + std::string(name_) + "\":[";
    } else {
      out_.push_back(',');
    }
    return out_;
  }
  void End() {
    if (count_ > 0) out_.push_back(']');
  }

 private:
  std::string& out_;
  std::string_view name_;
  size_t count_ = 0;
};

}  // namespace

size_t RowSet::bytes() const {
  size_t total = sizeof(RowSet) + json.capacity() + rows.capacity() * sizeof(Span);
  for (const std::string& key : keys) total += sizeof(std::string) + key.capacity();
  return total;
}

void RowSetBuilder::Add(std::string_view row, std::string key) {
  if (!set_.rows.empty()) set_.json.push_back(',');
  set_.rows.push_back({static_cast<uint32_t>(set_.json.size()), static_cast<uint32_t>(row.size())});
  set_.json += row;
  if (!key.empty()) set_.keys.push_back(std::move(key));
}

RowSetPtr RowSetBuilder::Finish() {
  set_.json.push_back(']');
  set_.json.shrink_to_fit();
  if (set_.keys.size() == set_.rows.size()) {
    std::unordered_set<std::string_view> seen;
    set_.keyed = std::ranges::all_of(
        set_.keys, [&](const std::string& key) { return seen.insert(key).second; });
  }
  constexpr size_t kBytes = 12;
  set_.version = crypto::EncodeHex(crypto::Sha256(set_.json).view().substr(0, kBytes));
  return std::make_shared<const RowSet>(std::move(set_));
}

std::string DiffMembers(const RowSet& from, const RowSet& to) {
  std::unordered_map<std::string_view, size_t> old_rows;
  for (size_t i = 0; i < from.keys.size(); ++i) old_rows.emplace(from.keys[i], i);
  // Rows of both, in the new order, with their old places.
  std::vector<size_t> old_of_new(to.keys.size(), SIZE_MAX);
  std::vector<size_t> positions;
  std::vector<bool> stays(from.keys.size());
  for (size_t i = 0; i < to.keys.size(); ++i) {
    const auto found = old_rows.find(to.keys[i]);
    if (found == old_rows.end()) continue;
    old_of_new[i] = found->second;
    stays[found->second] = true;
    positions.push_back(found->second);
  }
  const std::vector<bool> kept = LongestIncreasing(positions);

  std::string out;
  Section leave(out, "leave");
  for (size_t i = 0; i < from.keys.size(); ++i) {
    if (!stays[i]) leave.Next() += from.keys[i];
  }
  leave.End();
  Section update(out, "update");
  for (size_t i = 0; i < to.keys.size(); ++i) {
    if (old_of_new[i] == SIZE_MAX || from.row(old_of_new[i]) == to.row(i)) continue;
    update.Next() += "{\"key\":" + to.keys[i] + ",\"set\":";
    AppendSet(out, from.row(old_of_new[i]), to.row(i));
    out.push_back('}');
  }
  update.End();
  Section place(out, "place");
  size_t common = 0;
  for (size_t i = 0; i < to.keys.size(); ++i) {
    const bool old = old_of_new[i] != SIZE_MAX;
    if (old && kept[common++]) continue;
    place.Next() += "{\"at\":" + std::to_string(i);
    if (old) {
      out += ",\"key\":" + to.keys[i] + "}";
    } else {
      out += ",\"row\":";
      out += to.row(i);
      out.push_back('}');
    }
  }
  place.End();
  return out;
}

}  // namespace tw::query
