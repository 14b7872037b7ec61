// The kind file.lines: a file, a pipe or standard input, one message per line.
#pragma once

#include "descriptor.hpp"
#include "lines.hpp"

#include <backplane/host.hpp>
#include <backplane/options.hpp>

#include <string>

namespace backplane::basic {

// Reads as fast as its routes take messages: it stops reading while `send` says pause. A turn of the loop
// sends at most kLinesPerTurn lines, so that others on the loop get theirs.
class FileLines {
 public:
  static constexpr auto kind = "file.lines";
  static constexpr auto says = "Brings a file, a pipe or standard input, one message per line.";
  static constexpr std::uint32_t properties = BP_INBOUND;
  static constexpr Option options[] = {
      {"path", path, required, "the file or pipe to read; - is standard input"},
      {"from", choice("start|end"), "start", "where to begin in a file"},
      {"follow", boolean, "false", "wait for more at the end, also when the file is replaced or cut short"},
      {"follow_every", duration.between(1e6, 3.6e12), "250ms", "how often a followed file is looked at"},
      {"at_end", choice("finish|stay"), "finish",
       "finish: at the end of input this component is done (a host whose sources are all done stops)"},
      {"max_line", size.between(1, 1 << 30), "1MiB", "lines with more bytes are too long"},
      {"too_long", choice("split|refuse"), "split",
       "split: such a line becomes several messages, cut between words; refuse: it is left out and counted"},
      {"max_word", size.between(1, 1 << 30), "64MiB",
       "split cuts a line without a gap between words after this many bytes"},
      {"crlf", boolean, "false", "a carriage return before the line break belongs to the line break"},
  };
  static constexpr int kLinesPerTurn = 512;
  static constexpr std::size_t kReadSize = std::size_t{128} << 10;

  explicit FileLines(Host host);
  void start();
  void on_resume();
  void drain();
  void stop();

 private:
  enum class Input { data, end, nothing_now };

  void open_path();
  void wait_for_input();
  void turn();
  void continue_soon();
  Input read_more();
  void at_end_of_input();
  void look_again();
  bool replaced() const;
  void deliver(std::string_view line);
  void finish();

  Host host_;
  std::string path_;
  std::string shown_;  // the path as messages name it
  bool follow_;
  std::chrono::nanoseconds follow_every_;
  bool finish_at_end_;
  LineCutter cutter_;
  Descriptor file_;
  bool watched_ = false;  // a pipe or terminal: read when it says so
  bool paused_ = false;
  bool done_ = false;  // reads no more: end of input or draining
  std::int64_t position_ = 0;
  Watch watch_;
  Timer turn_timer_;
  Timer follow_timer_;
  Counter lines_;
  Counter split_;
  Counter refused_;
  Gauge bytes_read_;
  Gauge bytes_total_;
};

}  // namespace backplane::basic
