// The timers of one loop: a heap of instants. Belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace backplane::host {

class Timers {
 public:
  using Run = std::function<void()>;

  // Runs `run` at `when`, then every `period` (0: once). Returns the timer's number, never 0.
  std::uint64_t start(std::int64_t when, std::int64_t period, Run run);
  // A number that is not running is ignored.
  void stop(std::uint64_t timer);
  // Runs what is due. A timer that is late by several periods runs once and is set anew from now. A timer
  // started meanwhile waits for the next call.
  void run_due(std::int64_t now);
  // The next instant, or a negative number when there is none.
  std::int64_t next();
  std::size_t size() const { return timers_.size(); }

 private:
  struct Timer {
    std::int64_t period;
    Run run;
  };
  struct Due {
    std::int64_t when;
    std::uint64_t timer;
    bool operator>(const Due& other) const {
      return when != other.when ? when > other.when : timer > other.timer;
    }
  };
  void push(Due due);
  Due pop();

  std::unordered_map<std::uint64_t, Timer> timers_;
  std::vector<Due> heap_;  // earliest first; entries of stopped timers are skipped when they come up
  std::uint64_t last_ = 0;
};

}  // namespace backplane::host
