// Small stages for manifests: what comes in goes on along the routes, or back to its asker where there
// are none.
#pragma once

#include <backplane/plugin.hpp>

#include <chrono>
#include <cstddef>
#include <deque>

namespace backplane::demo {

// Makes ASCII letters upper case.
class Upper {
 public:
  static constexpr auto kind = "demo.upper";
  static constexpr auto says = "Makes letters upper case; sends on, or answers when it has no route.";
  static constexpr std::uint32_t properties = outbound;

  explicit Upper(Host host) : host_(host) {}
  Taken on_message(Message& message);
  void on_resume();

 private:
  Host host_;
  bool paused_ = false;
};

// Takes its time for every message and holds no thread meanwhile: a slow consumer to try policies with.
class Slow {
 public:
  static constexpr auto kind = "demo.slow";
  static constexpr auto says = "Works on every message for a while; then sends on, answers, or forgets it.";
  static constexpr std::uint32_t properties = outbound;
  static constexpr Option options[] = {
      {"delay", duration.between(0, 3.6e12), "100ms", "how long a message takes"},
      {"at_once", integer.between(1, 1'000'000), "1", "messages it works on at the same time"},
  };

  explicit Slow(Host host) : host_(host), delay_(host.option("delay")), at_once_(host.option("at_once")) {}
  void start();
  Taken on_message(Message& message);
  void on_resume();
  void stop();

 private:
  struct Job {
    std::int64_t ready;  // instant
    Message message;
  };
  void wait_for_first();
  void finish_ready();

  Host host_;
  std::chrono::nanoseconds delay_;
  std::size_t at_once_;
  std::deque<Job> jobs_;  // the first is ready first
  bool refusing_ = false;
  bool paused_ = false;
  Timer timer_;
  Counter done_;
};

}  // namespace backplane::demo
