#include "runtime/requests.hpp"

#include <algorithm>

namespace backplane::host {

namespace {

// A correlation is loop (16 bits), generation (20), index (28): a stale one finds another generation.
constexpr std::uint32_t index_bits = 28;
constexpr std::uint32_t generation_bits = 20;
constexpr std::uint32_t index_mask = (1u << index_bits) - 1;
constexpr std::uint32_t generation_mask = (1u << generation_bits) - 1;

}  // namespace

Requests::Requests(std::uint32_t loop) : loop_bits_(std::uint64_t{loop} << 48), wheel_(wheel_slots, none) {}

std::uint64_t Requests::add(ComponentId asker, std::uint64_t cookie, std::int64_t deadline) {
  if (free_ == none) {
    free_ = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  const auto index = free_;
  Entry& entry = entries_[index];
  free_ = entry.next;
  entry.generation = (entry.generation + 1) & generation_mask;
  if (entry.generation == 0) entry.generation = 1;  // a correlation is never 0
  entry.live = true;
  const auto correlation = loop_bits_ | (std::uint64_t{entry.generation} << index_bits) | index;
  entry.request = {asker, 0, cookie, deadline, correlation};
  ++live_;
  if (deadline != 0) link(index);
  return correlation;
}

Request* Requests::find(std::uint64_t correlation) {
  const auto index = static_cast<std::uint32_t>(correlation) & index_mask;
  if (index >= entries_.size()) return nullptr;
  Entry& entry = entries_[index];
  return entry.live && entry.request.correlation == correlation ? &entry.request : nullptr;
}

void Requests::remove(std::uint64_t correlation) {
  release(static_cast<std::uint32_t>(correlation) & index_mask);
}

void Requests::release(std::uint32_t index) {
  Entry& entry = entries_[index];
  if (entry.request.deadline != 0) unlink(index);
  entry.live = false;
  entry.next = free_;
  free_ = index;
  --live_;
}

void Requests::link(std::uint32_t index) {
  Entry& entry = entries_[index];
  const auto at = entry.request.deadline / tick;
  if (with_deadline_ == 0) {
    swept_ = at;
    hint_ = (at + 1) * tick;
  } else {
    swept_ = std::min(swept_, at);
    if (hint_ >= 0) hint_ = std::min(hint_, (at + 1) * tick);
  }
  auto& head = wheel_[static_cast<std::size_t>(at % wheel_slots)];
  entry.previous = none;
  entry.next = head;
  if (head != none) entries_[head].previous = index;
  head = index;
  ++with_deadline_;
}

void Requests::unlink(std::uint32_t index) {
  const Entry& entry = entries_[index];
  if (entry.next != none) entries_[entry.next].previous = entry.previous;
  if (entry.previous != none) {
    entries_[entry.previous].next = entry.next;
  } else {
    wheel_[static_cast<std::size_t>((entry.request.deadline / tick) % wheel_slots)] = entry.next;
  }
  --with_deadline_;
}

std::vector<Request> Requests::expire(std::int64_t now) {
  std::vector<Request> expired;
  if (next() < 0 || now < hint_) return expired;
  const auto current = now / tick;
  const auto last = std::min(current, swept_ + wheel_slots);  // one round sees every list
  for (; with_deadline_ > 0 && swept_ < last; ++swept_) {
    auto index = wheel_[static_cast<std::size_t>(swept_ % wheel_slots)];
    while (index != none) {
      const auto following = entries_[index].next;
      if (entries_[index].request.deadline <= now) {
        expired.push_back(entries_[index].request);
        release(index);
      }
      index = following;
    }
  }
  swept_ = std::max(swept_, current);
  hint_ = -1;
  return expired;
}

std::vector<Request> Requests::remove_of(ComponentId asker) {
  std::vector<Request> removed;
  for (std::uint32_t index = 0; index < entries_.size(); ++index) {
    if (!entries_[index].live || entries_[index].request.asker != asker) continue;
    removed.push_back(entries_[index].request);
    release(index);
  }
  return removed;
}

std::int64_t Requests::next() {
  if (with_deadline_ == 0) return -1;
  for (auto at = swept_; hint_ < 0 && at < swept_ + wheel_slots; ++at)
    if (wheel_[static_cast<std::size_t>(at % wheel_slots)] != none) hint_ = (at + 1) * tick;
  return hint_;
}

}  // namespace backplane::host
