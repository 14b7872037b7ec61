// The plugin "words": counts the words of a text with several components at once.
//
//   file.lines --line--> words.count (several instances) --partial counts--> words.top (one) --> a table
#pragma once

#include <backplane/plugin.hpp>

#include <chrono>
#include <cstdio>
#include <string>

#include "words.hpp"

namespace words {

// Counts the words of the lines it gets, and sends what it has counted when enough has come together, at
// the latest after a moment. `holding` tells the host about lines counted but not sent, so that a drain
// waits for them.
class Count {
 public:
  static constexpr auto kind = "words.count";
  static constexpr auto says = "Counts words: takes lines of text, sends partial counts.";
  static constexpr std::uint32_t properties = backplane::outbound;
  static constexpr backplane::Option options[] = {
      {"every", backplane::duration.between(1e6, 60e9), "50ms",
       "the longest a counted line waits to be sent"},
      {"words", backplane::integer.between(1, 10'000'000), "20000",
       "different words to gather before sending"},
  };

  explicit Count(backplane::Host host)
      : host_(host), every_(host.option("every")), most_words_(host.option("words")) {}

  backplane::Taken on_message(backplane::Message& message) {
    if (paused_) return backplane::Taken::busy;
    for (std::size_t i = 0; i < message.size(); ++i) count(counts_, message[i]);
    host_.holding(++lines_);
    if (counts_.size() >= most_words_) {
      send();
    } else if (lines_ == 1) {
      timer_ = host_.after(every_, [this] { send(); });
    }
    return backplane::Taken::yes;
  }
  void on_resume() {
    paused_ = false;
    host_.resume();
  }
  void drain() { send(); }
  void stop() { timer_.end(); }

 private:
  void send() {
    timer_.end();
    if (!counts_.empty()) paused_ = host_.send(host_.message({to_lines(counts_)})) == backplane::Sent::pause;
    counts_.clear();
    lines_ = 0;
    host_.holding(0);
  }

  backplane::Host host_;
  std::chrono::nanoseconds every_;
  std::size_t most_words_;
  Counts counts_;
  std::uint64_t lines_ = 0;  // counted but not sent
  bool paused_ = false;
  backplane::Timer timer_;
};

// Adds up partial counts and prints the most frequent words when it stops.
class Top {
 public:
  static constexpr auto kind = "words.top";
  static constexpr auto says = "Adds up counts of words and prints the most frequent ones when it stops.";
  static constexpr std::uint32_t properties = backplane::outbound;
  static constexpr backplane::Option options[] = {
      {"show", backplane::integer.between(0, 1e9), "20", "how many words to print; 0: all"},
  };

  explicit Top(backplane::Host host) : host_(host), show_(host.option("show")) {}

  void start() { words_ = host_.gauge("words", "different words so far"); }
  // By reference: what it refuses stays the host's, which counts it.
  backplane::Taken on_message(backplane::Message& message) {
    for (std::size_t i = 0; i < message.size(); ++i)
      if (!add_lines(counts_, message[i])) throw backplane::Malformed("expected lines \"word count\"");
    words_.set(static_cast<std::int64_t>(counts_.size()));
    return backplane::Taken::yes;
  }
  void stop() {
    const auto table = to_table(top(counts_, show_));
    std::fwrite(table.data(), 1, table.size(), stdout);
    if (std::fflush(stdout) != 0) host_.warn("the table could not be written to standard output");
  }

 private:
  backplane::Host host_;
  std::size_t show_;
  Counts counts_;
  backplane::Gauge words_;
};

}  // namespace words
