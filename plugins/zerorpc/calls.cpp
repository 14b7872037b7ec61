#include "calls.hpp"

#include <utility>

namespace backplane::zerorpc {

Calls::Calls(Host host, Limits limits, Callbacks callbacks)
    : host_(host), limits_(limits), callbacks_(std::move(callbacks)) {}

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
  waiting_.push_back({target, std::move(request), cookie});
  waiting_gauge_.set(static_cast<std::int64_t>(waiting_.size()));
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
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    if (callbacks_.wanted(next.cookie)) call(next.target, std::move(next.request), next.cookie);
  }
  starting_ = false;
  running_gauge_.set(static_cast<std::int64_t>(running_));
  waiting_gauge_.set(static_cast<std::int64_t>(waiting_.size()));
}

void Calls::drop_waiting() {
  waiting_.clear();
  waiting_gauge_.set(0);
}

}  // namespace backplane::zerorpc
