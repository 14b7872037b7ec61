#include "memory_store.hpp"

namespace backplane::basic {

std::optional<std::string_view> MemoryStore::get(std::string_view key, std::int64_t now) {
  const auto entry = find(key, now);
  if (entry == entries_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->value;
}

bool MemoryStore::set(std::string_view key, std::string_view value, std::int64_t now, std::int64_t expires) {
  expire(now);
  const auto size = key.size() + value.size();
  if (size > limits_.max_bytes || limits_.max_entries == 0) return false;

  const auto old = find(key, now);
  const auto old_size = old == entries_.end() ? 0 : old->key.size() + old->value.size();
  const auto old_count = old == entries_.end() ? 0u : 1u;
  const auto fits = [&] {
    return bytes_ - old_size + size <= limits_.max_bytes && entries_.size() - old_count < limits_.max_entries;
  };
  if (!fits() && !limits_.evict) return false;
  if (old != entries_.end()) erase(old);
  while (bytes_ + size > limits_.max_bytes || entries_.size() >= limits_.max_entries) {
    lose(std::prev(entries_.end()));
    ++evicted_;
  }

  entries_.push_front({std::string(key), std::string(value), deadlines_.end()});
  const auto entry = entries_.begin();
  by_key_.emplace(entry->key, entry);
  if (expires != 0) entry->deadline = deadlines_.emplace(expires, entry);
  bytes_ += size;
  return true;
}

bool MemoryStore::remove(std::string_view key, std::int64_t now) {
  const auto entry = find(key, now);
  if (entry == entries_.end()) return false;
  erase(entry);
  return true;
}

std::size_t MemoryStore::expire(std::int64_t now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    lose(deadlines_.begin()->second);
    ++expired_;
  }
  return entries_.size();
}

MemoryStore::Entries::iterator MemoryStore::find(std::string_view key, std::int64_t now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return entries_.end();
  const auto entry = found->second;
  if (entry->deadline == deadlines_.end() || entry->deadline->first > now) return entry;
  lose(entry);
  ++expired_;
  return entries_.end();
}

std::size_t MemoryStore::remove_prefix(std::string_view prefix, std::int64_t now) {
  expire(now);
  const auto before = entries_.size();
  for (auto next = entries_.begin(); next != entries_.end();) {
    const auto entry = next++;
    if (entry->key.starts_with(prefix)) lose(entry);
  }
  return before - entries_.size();
}

void MemoryStore::lose(Entries::iterator entry) {
  if (lost_) lost_(entry->key);
  erase(entry);
}

void MemoryStore::erase(Entries::iterator entry) {
  bytes_ -= entry->key.size() + entry->value.size();
  if (entry->deadline != deadlines_.end()) deadlines_.erase(entry->deadline);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace backplane::basic
