#include "calls.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace backplane::zerorpc {

Calls::Calls(Host host, Limits limits, Callbacks callbacks)
    : host_(host), limits_(limits), callbacks_(std::move(callbacks)), armed_(never) {}

void Calls::start() {
  running_gauge_ = host_.gauge("calls_under_way", "calls of functions that have not ended");
  waiting_gauge_ = host_.gauge("calls_waiting", "calls that wait until others have ended");
  refused_ = host_.counter("calls_refused", "calls that were refused because too many wait");
}

bool Calls::begin(const std::string& target, Message request, std::uint64_t cookie) {
  if (running_ < limits_.at_once) {
    call(target, std::move(request), cookie);
    return true;
  }
  if (waiting_.size() >= limits_.waiting) {
    refused_.add();
    return false;
  }
  wait(target, std::move(request), cookie);
  return true;
}

void Calls::call(const std::string& target, Message request, std::uint64_t cookie) {
  ++running_;
  running_gauge_.set(static_cast<std::int64_t>(running_));
  request.envelope().cookie = cookie;
  const auto sent = host_.call(target, std::move(request));
  const bool accepted = sent == Sent::yes || sent == Sent::pause;
  callbacks_.begun(cookie, accepted ? host_.last_request() : 0);
}

void Calls::ended() {
  --running_;
  if (starting_) return;  // a call was refused at once: the loop below sees it
  starting_ = true;
  while (running_ < limits_.at_once && !waiting_.empty()) {
    auto next = take(waiting_.begin());
    if (callbacks_.wanted(next.cookie)) call(next.target, std::move(next.request), next.cookie);
  }
  starting_ = false;
  running_gauge_.set(static_cast<std::int64_t>(running_));
}

// ---- calls that wait ----------------------------------------------------------------------------------

void Calls::wait(const std::string& target, Message request, std::uint64_t cookie) {
  const auto deadline = request.envelope().deadline;
  const auto place = waiting_.insert(waiting_.end(), {target, std::move(request), cookie});
  by_cookie_[cookie] = place;
  if (deadline != 0) place->deadline = deadlines_.emplace(deadline, cookie);
  show_waiting();
  arm();
}

Calls::Waiting Calls::take(Queue::iterator place) {
  auto taken = std::move(*place);
  waiting_.erase(place);
  by_cookie_.erase(taken.cookie);
  if (taken.deadline) deadlines_.erase(*taken.deadline);
  show_waiting();
  return taken;
}

void Calls::forget(std::uint64_t cookie) {
  if (const auto found = by_cookie_.find(cookie); found != by_cookie_.end()) take(found->second);
}

void Calls::drop_waiting() {
  waiting_.clear();
  by_cookie_.clear();
  deadlines_.clear();
  clock_.end();
  armed_ = never;
  show_waiting();
}

void Calls::show_waiting() { waiting_gauge_.set(static_cast<std::int64_t>(waiting_.size())); }

// Set to the first deadline; when that call has gone by then, the timer finds the next.
void Calls::arm() {
  if (deadlines_.empty() || deadlines_.begin()->first >= armed_) return;
  armed_ = deadlines_.begin()->first;
  const auto left = std::max<std::int64_t>(0, armed_ - host_.now());
  clock_ = host_.after(std::chrono::nanoseconds(left), [this] { expire(); });
}

void Calls::expire() {
  armed_ = never;
  const auto now = host_.now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto cookie = deadlines_.begin()->second;
    take(by_cookie_.at(cookie));
    if (callbacks_.wanted(cookie)) callbacks_.expired(cookie);
  }
  arm();
}

}  // namespace backplane::zerorpc
