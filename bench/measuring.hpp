// What the load generators have in common: how long they measure, the limit of a run, samples, and the line
// of JSON that each prints.
#pragma once

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sockets.hpp"

namespace backplane::bench {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// How much is sent, and for how long.
struct Timing {
  std::size_t size = 100;
  double seconds = 1;  // measured
  double warm_up = 0.3;
  double limit = 60;  // for everything together
};

inline void add_timing_options(CLI::App& mode, Timing& timing, std::size_t least_size) {
  mode.add_option("--size", timing.size, "bytes of a message")
      ->check(CLI::Range(least_size, std::size_t{1} << 30));
  mode.add_option("--seconds", timing.seconds, "measured time");
  mode.add_option("--warm-up", timing.warm_up, "seconds before it");
  mode.add_option("--limit", timing.limit, "seconds for everything; then it is a failure");
}

class Failure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

// Counts down the limit of the whole run.
class Deadline {
 public:
  explicit Deadline(double seconds) : end_(Clock::now() + to_duration(seconds)) {}
  void check(const char* while_doing) const {
    if (Clock::now() > end_) throw Failure(std::string("the time limit ended while ") + while_doing);
  }

 private:
  Clock::time_point end_;
};

inline constexpr int patience_milliseconds = 200;  // of a blocking call, before it looks at the limit

inline Socket open(const Context& context, const std::string& text, std::string_view topic = {}) {
  Socket socket(context, parse_end(text), topic);
  socket.set(ZMQ_SNDTIMEO, patience_milliseconds);
  socket.set(ZMQ_RCVTIMEO, patience_milliseconds);
  return socket;
}

// Sorted samples to percentiles, in microseconds.
class Samples {
 public:
  void reserve(std::size_t count) { nanoseconds_.reserve(count); }
  bool empty() const { return nanoseconds_.empty(); }
  void add(Clock::duration sample) { nanoseconds_.push_back(static_cast<std::uint64_t>(sample.count())); }
  std::string json() {
    std::sort(nanoseconds_.begin(), nanoseconds_.end());
    char text[160];
    std::snprintf(text, sizeof text,
                  "\"samples\": %zu, \"p50_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f",
                  nanoseconds_.size(), at(0.5), at(0.99), at(0.999));
    return text;
  }

 private:
  double at(double part) const {
    if (nanoseconds_.empty()) throw Failure("nothing was measured");
    const auto index = static_cast<std::size_t>(part * static_cast<double>(nanoseconds_.size() - 1));
    return static_cast<double>(nanoseconds_[index]) / 1000;
  }
  std::vector<std::uint64_t> nanoseconds_;
};

// The window between warm-up and end, told apart by the clock.
class Window {
 public:
  explicit Window(const Timing& settings)
      : warm_up_(to_duration(settings.warm_up)), length_(to_duration(settings.seconds)) {}
  // Call now and then with the number of messages so far. True: the window is over.
  bool over(std::uint64_t count) {
    const auto now = Clock::now();
    if (!begun_) {
      begun_ = true;
      opens_ = now + warm_up_;
    }
    if (!open_) {
      if (now < opens_) return false;
      open_ = true;
      opens_ = now;
      count_at_start_ = count;
      return false;
    }
    if (now - opens_ < length_) return false;
    seconds_ = Seconds(now - opens_).count();
    messages_ = count - count_at_start_;
    return true;
  }
  bool open() const { return open_; }
  double seconds() const { return seconds_; }
  std::uint64_t messages() const { return messages_; }

 private:
  Clock::duration warm_up_;
  Clock::duration length_;
  Clock::time_point opens_;
  std::uint64_t count_at_start_ = 0;
  std::uint64_t messages_ = 0;
  double seconds_ = 0;
  bool begun_ = false;
  bool open_ = false;
};

inline double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// `total`: everything that went through, warm-up included; what CPU time of processes is divided by.
inline void print(const char* mode, const Timing& settings, const std::string& figures, std::uint64_t total) {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  std::printf(
      "{\"mode\": \"%s\", \"size\": %zu, %s, \"total\": %llu, \"load_cpu_s\": %.4f, \"libzmq\": "
      "\"%d.%d.%d\"}\n",
      mode, settings.size, figures.c_str(), static_cast<unsigned long long>(total), own_cpu_seconds(), major,
      minor, patch);
}

inline std::string rate_json(const Window& window, double per) {
  char text[120];
  std::snprintf(text, sizeof text, "\"messages\": %llu, \"seconds\": %.4f, \"per_second\": %.1f",
                static_cast<unsigned long long>(window.messages()), window.seconds(),
                static_cast<double>(window.messages()) / per / window.seconds());
  return text;
}

// What has come back, and since when; looks at the clock as often as the rate at hand asks for.
class Progress {
 public:
  // `window`: how many replies are awaited at a time.
  Progress(const Timing& settings, std::size_t window)
      : window_(settings), period_(std::min<std::uint64_t>(window, 32)) {}
  void start() { over_ = window_.over(0); }
  void reply(Clock::duration took) {
    if (window_.open() && !over_) samples_.add(took);
    count();
  }
  // One that nobody timed.
  void count() {
    if (++replies_ % period_ == 0 && !over_) over_ = window_.over(replies_);
  }
  bool over() const { return over_; }
  std::uint64_t replies() const { return replies_; }
  void report(const char* mode, const Timing& settings) {
    if (window_.messages() == 0) throw Failure("nothing was measured");
    const auto rate = rate_json(window_, 1);
    print(mode, settings, samples_.empty() ? rate : rate + ", " + samples_.json(), replies_);
  }

 private:
  Window window_;
  Samples samples_;
  std::uint64_t period_;
  std::uint64_t replies_ = 0;
  bool over_ = false;
};

// Writes a number as `count` hex digits into a text, so that messages encoded beforehand differ.
inline void write_digits(std::string& text, std::size_t at, std::size_t count, std::uint64_t number) {
  for (auto place = at + count; place-- > at; number >>= 4U) text[place] = "0123456789abcdef"[number & 15U];
}

}  // namespace backplane::bench
