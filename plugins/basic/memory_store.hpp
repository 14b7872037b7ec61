// Keys and values in memory, within limits. Pure: the caller brings the time. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace backplane::basic {

class MemoryStore {
 public:
  struct Limits {
    std::size_t max_entries = 100'000;
    std::size_t max_bytes = std::size_t{64} << 20;  // of all keys and values
    bool evict = true;  // full: the entries not used for longest go; otherwise new ones are refused
  };

  explicit MemoryStore(Limits limits) : limits_(limits) {}

  // The value, valid until the next change; nothing: no such key, or its time is over. Counts as a use.
  std::optional<std::string_view> get(std::string_view key, std::int64_t now);
  // Keeps `value` under `key`, until the instant `expires` (0: for good). False when it does not fit: then
  // nothing has changed.
  bool set(std::string_view key, std::string_view value, std::int64_t now, std::int64_t expires = 0);
  // False when there was no such key, which is not an error.
  bool remove(std::string_view key, std::int64_t now);
  // Removes every key that begins with `prefix`. Returns how many there were.
  std::size_t remove_prefix(std::string_view prefix, std::int64_t now);
  // Calls `told` with each key that goes without being named: it makes room, its time is over, or its prefix
  // is removed.
  void on_lost(std::function<void(std::string_view key)> told) { lost_ = std::move(told); }
  // Removes what expired until `now`. Returns the number of entries left.
  std::size_t expire(std::int64_t now);

  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t evicted() const { return evicted_; }
  std::uint64_t expired() const { return expired_; }

 private:
  struct Entry;
  using Entries = std::list<Entry>;  // the most recently used first
  struct Entry {
    std::string key;
    std::string value;
    std::multimap<std::int64_t, Entries::iterator>::iterator deadline;  // end() of deadlines_: none
  };

  Entries::iterator find(std::string_view key, std::int64_t now);
  void erase(Entries::iterator entry);
  void lose(Entries::iterator entry);

  Limits limits_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  // keys are those of the entries
  std::multimap<std::int64_t, Entries::iterator> deadlines_;
  std::size_t bytes_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t expired_ = 0;
  std::function<void(std::string_view)> lost_;
};

}  // namespace backplane::basic
