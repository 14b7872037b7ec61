#include "runtime/timers.hpp"

#include <algorithm>
#include <utility>

namespace backplane::host {

void Timers::push(Due due) {
  heap_.push_back(due);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

Timers::Due Timers::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
  const Due due = heap_.back();
  heap_.pop_back();
  return due;
}

std::uint64_t Timers::start(std::int64_t when, std::int64_t period, Run run) {
  const auto timer = ++last_;
  timers_.emplace(timer, Timer{period, std::move(run)});
  push({when, timer});
  return timer;
}

void Timers::stop(std::uint64_t timer) {
  timers_.erase(timer);
  // Stopped timers leave their heap entry behind; do not let these outgrow the live ones.
  if (heap_.size() < 64 || heap_.size() < 2 * timers_.size()) return;
  std::erase_if(heap_, [this](const Due& due) { return !timers_.contains(due.timer); });
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void Timers::run_due(std::int64_t now) {
  const auto newest = last_;
  std::vector<Due> later;
  while (!heap_.empty() && heap_.front().when <= now) {
    const Due due = pop();
    const auto found = timers_.find(due.timer);
    if (found == timers_.end()) continue;
    if (due.timer > newest) {
      later.push_back(due);
      continue;
    }
    if (found->second.period > 0) {
      later.push_back({std::max(due.when + found->second.period, now), due.timer});
      const Run run = found->second.run;  // a copy: it may stop its own timer
      run();
    } else {
      const Run run = std::move(found->second.run);
      timers_.erase(found);
      run();
    }
  }
  for (const auto& due : later) push(due);
}

std::int64_t Timers::next() {
  while (!heap_.empty() && !timers_.contains(heap_.front().timer)) pop();
  return heap_.empty() ? -1 : heap_.front().when;
}

}  // namespace backplane::host
