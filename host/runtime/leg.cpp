#include "runtime/leg.hpp"

#include <algorithm>

#include "runtime/component.hpp"
#include "runtime/loop.hpp"

namespace backplane::host {

namespace {

// A component that goes on sending after BP_PAUSED may fill a leg up to here; then it is rejected.
constexpr std::size_t most_waiting = 65536;
// Tokens saved up at a limited rate: a tenth of a second's worth, one at least.
constexpr double burst_seconds = 0.1;

}  // namespace

Leg::Leg(Loop& loop, Component& origin, const Route& route, const Target& target,
         const std::string& spill_folder)
    : loop_(loop), origin_(origin), route_(route), name_(route.settings.from + " -> " + target.name) {
  lanes_.reserve(target.instances.size());
  for (const auto instance : target.instances) {
    Lane& lane = lanes_.emplace_back();
    lane.destination = instance;
    lane.loop = origin.place_of(instance).loop;
    lane.credit = route.settings.window;
    lane.number = loop.add_lane(*this, lane);
  }
  if (route.settings.overflow == Overflow::spill) spill_.emplace(spill_folder, route.settings.spill_limit);
  if (route.settings.rate) rate_ = *route.settings.rate / std::max(1u, route.origins);
  tokens_ = std::max(1.0, rate_ * burst_seconds);
  filled_ = loop.now();
}

Offered Leg::offer(HostMessage* message) {
  ++account_.in;
  message->dead_letters =
      route_.dead_letters.empty() ? 0 : route_.dead_letters[origin_.id() % route_.dead_letters.size()];
  if (route_.settings.ttl) {
    const auto expires = loop_.now() + route_.settings.ttl->count();
    auto& current = message->envelope.expires;
    current = current == 0 ? expires : std::min(current, expires);
  }
  if (idle()) {
    Lane* lane = choose(*message);
    if (lane != nullptr && take_token()) {
      carry(message, *lane);
      return Offered::accepted;
    }
  }
  return keep(message);
}

Offered Leg::keep(HostMessage* message) {
  switch (route_.settings.overflow) {
    case Overflow::drop_newest:
      return drop_newest(message);
    case Overflow::drop_oldest:
      waiting_.push(message);
      if (waiting_.size() > route_.settings.window) {
        ++account_.dropped_for(Dropped::overflow_oldest);
        origin_.discard(waiting_.pop(), "Overloaded", "overflow_oldest");
      }
      return Offered::accepted;
    case Overflow::reject:
      ++account_.refused;
      origin_.discard(message, "Overloaded", "rejected");
      return Offered::rejected;
    case Overflow::spill:
      return spill(message);
    case Overflow::block:
      break;
  }
  return wait_in(waiting_, message);
}

Offered Leg::spill(HostMessage* message) {
  if (behind_.empty()) {
    if (spill_->empty() && waiting_.size() < route_.settings.window) {
      waiting_.push(message);
      return Offered::accepted;
    }
    if (spill_->push(message)) return Offered::accepted;
    origin_.log(LogLevel::warning, "route " + name_ + " waits instead of spilling: " + spill_->error());
  }
  return wait_in(behind_, message);
}

Offered Leg::wait_in(MessageQueue& queue, HostMessage* message) {
  if (queue.size() >= most_waiting) {
    ++account_.refused;
    origin_.discard(message, "Overloaded", "rejected");
    return Offered::rejected;
  }
  queue.push(message);
  set_blocked(true);
  return Offered::paused;
}

Offered Leg::drop_newest(HostMessage* message) {
  ++account_.dropped_for(Dropped::overflow_newest);
  origin_.discard(message, "Overloaded", "overflow_newest");
  return Offered::accepted;
}

Lane* Leg::choose(const HostMessage& message) {
  if (lanes_.size() == 1) return lanes_[0].credit > 0 ? lanes_.data() : nullptr;
  switch (route_.settings.balance) {
    case Balance::round_robin:
      return next_with_credit();
    case Balance::least_loaded: {
      // From the next one on, so that equally loaded ones take turns.
      Lane* best = nullptr;
      for (std::size_t i = 0; i < lanes_.size(); ++i) {
        Lane& lane = lanes_[(next_lane_ + i) % lanes_.size()];
        if (lane.credit > 0 && (best == nullptr || lane.credit > best->credit)) best = &lane;
      }
      if (best != nullptr) next_lane_ = static_cast<std::size_t>(best - lanes_.data()) + 1;
      return best;
    }
    case Balance::hash: {
      Lane& lane = lanes_[hash_of(hash_field(route_.settings.hash_field, message)) % lanes_.size()];
      return lane.credit > 0 ? &lane : nullptr;
    }
  }
  return nullptr;
}

Lane* Leg::next_with_credit() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[(next_lane_ + i) % lanes_.size()];
    if (lane.credit == 0) continue;
    next_lane_ = (next_lane_ + i + 1) % lanes_.size();
    return &lane;
  }
  return nullptr;
}

bool Leg::take_token() {
  if (rate_ <= 0) return true;
  const auto now = loop_.now();
  tokens_ = std::min(tokens_ + rate_ * static_cast<double>(now - filled_) * 1e-9,
                     std::max(1.0, rate_ * burst_seconds));
  filled_ = now;
  if (tokens_ < 1.0) {
    wait_for_token();
    return false;
  }
  tokens_ -= 1.0;
  return true;
}

void Leg::wait_for_token() {
  if (token_timer_) return;
  token_timer_ = true;
  const auto missing = static_cast<std::int64_t>((1.0 - tokens_) / rate_ * 1e9) + 1;
  loop_.timers().start(loop_.now() + missing, 0, [this] {
    token_timer_ = false;
    pump();
  });
}

void Leg::carry(HostMessage* message, Lane& lane) {
  --lane.credit;
  message->lane_loop = loop_.number();
  message->lane = lane.number;
  message->envelope.destination = lane.destination;
  if (message->envelope.reply_to == origin_.id() && (message->envelope.flags & BP_REQUEST) != 0) {
    if (Request* request = loop_.requests().find(message->envelope.correlation))
      request->callee = lane.destination;
  }
  loop_.deliver(message);
}

void Leg::return_credit(Lane& lane, std::uint32_t count) {
  if (abandoned_) return;  // counted as dropped already
  lane.credit += count;
  account_.out += count;
  if (!idle()) pump();
}

// Brings the next message to the front of the line. False: nothing waits.
bool Leg::refill() {
  if (!waiting_.empty()) return true;
  if (spill_ && !spill_->empty()) {
    std::uint64_t lost = 0;
    if (HostMessage* message = spill_->pop(lost)) {
      waiting_.push(message);
      return true;
    }
    account_.dropped_for(Dropped::failed) += lost;
    origin_.log(LogLevel::error,
                "route " + name_ + " lost " + std::to_string(lost) + " messages: " + spill_->error());
  }
  if (behind_.empty()) return false;
  waiting_.push(behind_.pop());
  return true;
}

void Leg::pump() {
  while (refill()) {
    HostMessage* first = waiting_.front();
    if (first->envelope.expires != 0 && first->envelope.expires <= loop_.now()) {
      ++account_.expired;
      origin_.discard(waiting_.pop(), "Expired", "expired");
      continue;
    }
    Lane* lane = choose(*first);
    if (lane == nullptr || !take_token()) break;
    carry(waiting_.pop(), *lane);
  }
  if (blocked_ && (spill_ ? behind_.empty() : waiting_.empty())) set_blocked(false);
}

void Leg::sweep() {
  if (!idle()) pump();
}

void Leg::set_blocked(bool blocked) {
  if (blocked_ == blocked) return;
  blocked_ = blocked;
  if (blocked) {
    origin_.block();
  } else {
    origin_.unblock();
  }
}

void Leg::abandon() {
  abandoned_ = true;
  while (refill()) {
    ++account_.dropped_for(Dropped::stopped);
    origin_.discard(waiting_.pop(), "Stopped", "stopped");
  }
  for (auto& lane : lanes_) {
    account_.dropped_for(Dropped::stopped) += route_.settings.window - lane.credit;
    lane.credit = route_.settings.window;
  }
}

std::uint64_t Leg::held() const {
  std::uint64_t held = waiting_.size() + behind_.size() + (spill_ ? spill_->size() : 0);
  for (const auto& lane : lanes_) held += route_.settings.window - lane.credit;
  return held;
}

Account Leg::account() const {
  Account account = account_;
  account.held = held();
  return account;
}

}  // namespace backplane::host
