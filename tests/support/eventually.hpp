// Waiting with a limit and a condition.
#pragma once

#include <chrono>
#include <thread>

namespace backplane::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Long enough for a busy machine under a sanitizer; a test that works does not wait for it.
inline constexpr seconds kPatience{30};

// True as soon as `condition` is; false when it is not so before `limit` is over.
template <typename Condition>
bool eventually(std::chrono::nanoseconds limit, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return condition();
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}
template <typename Condition>
bool eventually(Condition condition) {
  return eventually(kPatience, condition);
}

}  // namespace backplane::test
