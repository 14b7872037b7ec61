#include "publication.hpp"

#include <algorithm>

namespace backplane::palm {

// ---- subscriptions ------------------------------------------------------------------------------------

void Subscriptions::add(std::string_view topic, Look look) {
  if (topic.empty()) {
    everything_ = true;
    return;
  }
  if (const auto found = by_topic_.find(topic); found != by_topic_.end()) {
    found->second = look;
    return;
  }
  by_topic_.emplace(topic, look);
  ++lengths_[topic.size()];
}

void Subscriptions::remove(std::string_view topic) {
  if (topic.empty()) {
    everything_ = false;
    return;
  }
  const auto found = by_topic_.find(topic);
  if (found == by_topic_.end()) return;
  by_topic_.erase(found);
  if (const auto length = lengths_.find(topic.size()); --length->second == 0) lengths_.erase(length);
}

std::optional<Look> Subscriptions::exact(std::string_view topic) const {
  const auto found = by_topic_.find(topic);
  if (found == by_topic_.end()) return std::nullopt;
  return found->second;
}

bool Subscriptions::covers(std::string_view topic) const {
  for (const auto& [length, count] : lengths_) {
    if (length > topic.size()) return false;
    if (by_topic_.contains(topic.substr(0, length))) return true;
  }
  return false;
}

// ---- publication --------------------------------------------------------------------------------------

Publication::Decision Publication::decide(std::string_view topic, bool client_topic, Look accepted) const {
  if (topic.empty()) return Decision::send;
  if (client_topic) {
    const auto subscribed = subscriptions_.exact(topic);
    if (subscribed && *subscribed >= accepted) return Decision::send;
    return subscriptions_.covers(topic) ? Decision::wait_for_fresh : Decision::wait_for_any;
  }
  return subscriptions_.covers(topic) ? Decision::send : Decision::wait_for_any;
}

void Publication::publish(Message message, bool client_topic, Look accepted, std::int64_t now) {
  const auto topic = message[0];
  const auto decision = decide(topic, client_topic, accepted);
  if (decision == Decision::send && !others_wait(topic)) {
    send_(std::move(message));
    return;
  }
  const auto waiting = hold(std::move(message), client_topic, decision, now);
  // What a client waits for shows how fresh its subscription is; another server's message does not.
  if (decision == Decision::send && client_topic) send_waiting(waiting, accepted, now);
}

Publication::Topics::iterator Publication::hold(Message message, bool client_topic, Decision decision,
                                                std::int64_t now) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < message.size(); ++i) bytes += message[i].size();
  make_room(bytes);
  const bool has_cover = decision != Decision::wait_for_any;
  const auto due = now + (has_cover ? limits_.grace : limits_.hold);
  const auto waiting = waiting_.try_emplace(std::string(message[0])).first;
  waiting->second.messages.push_back({std::move(message), client_topic, due, has_cover, bytes});
  ++held_count_;
  held_bytes_ += bytes;
  list_again(waiting);
  return waiting;
}

// The oldest go first: they have the least time left.
void Publication::make_room(std::size_t bytes) {
  while (!due_.empty() && (held_count_ >= limits_.most_held || held_bytes_ + bytes > limits_.most_bytes)) {
    const auto waiting = waiting_.find(due_.begin()->second);
    auto first = take_first(waiting);
    list_again(waiting);
    drop_(std::move(first.message), Fate::crowded_out);
  }
}

Publication::Held Publication::take_first(Topics::iterator waiting) {
  Held first = std::move(waiting->second.messages.front());
  waiting->second.messages.pop_front();
  --held_count_;
  held_bytes_ -= first.bytes;
  return first;
}

// Puts a topic where its first message belongs in due_; one without messages is forgotten.
void Publication::list_again(Topics::iterator waiting) {
  auto& [topic, queue] = *waiting;
  const auto due = queue.messages.empty() ? 0 : queue.messages.front().due;
  if (queue.listed == due && due != 0) return;
  if (queue.listed != 0) due_.erase({queue.listed, topic});
  queue.listed = due;
  if (due != 0) {
    due_.emplace(due, topic);
  } else {
    waiting_.erase(waiting);
  }
}

void Publication::subscribed(std::string_view topic, Look look, std::int64_t now,
                             const std::function<Look(std::string_view)>& accepted) {
  subscriptions_.add(topic, look);
  if (topic.empty() || held_count_ == 0) return;
  for (auto waiting = waiting_.lower_bound(topic); waiting != waiting_.end();) {
    if (!std::string_view(waiting->first).starts_with(topic)) break;
    const auto current = waiting++;
    send_waiting(current, accepted(current->first), now);
  }
}

// Sends from the front what may go; the rest now waits for a fresh subscription only.
void Publication::send_waiting(Topics::iterator waiting, Look accepted, std::int64_t now) {
  const std::string_view topic = waiting->first;
  auto& messages = waiting->second.messages;
  while (!messages.empty() && decide(topic, messages.front().client_topic, accepted) == Decision::send)
    send_(take_first(waiting).message);
  if (subscriptions_.covers(topic)) {
    for (auto& held : messages) {
      if (held.has_cover) continue;
      held.has_cover = true;
      held.due = std::min(held.due, now + limits_.grace);
    }
  }
  list_again(waiting);
}

void Publication::expire(std::int64_t now, const std::function<void(std::string_view)>& settle) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto waiting = waiting_.find(due_.begin()->second);
    auto first = take_first(waiting);
    if (!first.has_cover && !subscriptions_.everything()) {
      drop_(std::move(first.message), Fate::expired);
      list_again(waiting);
      continue;
    }
    if (first.client_topic) settle(waiting->first);
    send_(std::move(first.message));
    send_waiting(waiting, 0, now);
  }
}

}  // namespace backplane::palm
