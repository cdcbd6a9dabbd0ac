// A bounded map from SHA-256 digests to values that forgets the least recently used.
#pragma once

#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "crypto/hash.h"

namespace tw::auth {

template <typename V>
class LruCache {
 public:
  // Holds at most `entries_max` ≥ 1 entries.
  explicit LruCache(size_t entries_max) : entries_max_(entries_max) { TW_CHECK(entries_max >= 1); }

  // The value, now the most recently used; null when absent. Valid until the next Put.
  const V* Find(const crypto::Digest& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return &found->second->second;
  }

  // `key` must be absent.
  const V& Put(const crypto::Digest& key, V value) {
    if (index_.size() >= entries_max_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(key, std::move(value));
    TW_CHECK(index_.emplace(key, order_.begin()).second);
    return order_.front().second;
  }

  size_t size() const { return index_.size(); }

 private:
  // A digest's first bytes are already as good as a hash.
  struct DigestHash {
    size_t operator()(const crypto::Digest& digest) const {
      size_t hash;
      std::memcpy(&hash, digest.bytes.data(), sizeof(hash));
      return hash;
    }
  };
  using Order = std::list<std::pair<crypto::Digest, V>>;

  size_t entries_max_;
  Order order_;  // Most recently used first.
  std::unordered_map<crypto::Digest, typename Order::iterator, DigestHash> index_;
};

}  // namespace tw::auth
