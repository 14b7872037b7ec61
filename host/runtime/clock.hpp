// The host's clock: steady nanoseconds, as in <backplane/abi.h>.
#pragma once

#include <ctime>

#include <cstdint>

namespace backplane::host {

inline constexpr std::int64_t milliseconds = 1'000'000;
inline constexpr std::int64_t seconds = 1'000 * milliseconds;

inline std::int64_t now_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * seconds + time.tv_nsec;
}

}  // namespace backplane::host
