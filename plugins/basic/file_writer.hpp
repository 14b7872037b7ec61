// The kind file.writer: writes what it gets to a file, a pipe or standard output.
#pragma once

#include "descriptor.hpp"

#include <backplane/host.hpp>
#include <backplane/options.hpp>
#include <backplane/plugin.hpp>

#include <string>

namespace backplane::basic {

// Every frame becomes a line. Messages are gathered in a buffer and written together. While the file takes
// nothing (a full disk, a reader that does not read) the buffer fills, then messages are refused with
// `busy`, and the routes to this component decide what happens; the host runs on.
class FileWriter {
 public:
  static constexpr auto kind = "file.writer";
  static constexpr auto says = "Writes every frame as a line to a file, a pipe or standard output.";
  static constexpr std::uint32_t properties = outbound;
  static constexpr Option options[] = {
      {"path", path, required, "the file to write, made when absent; - is standard output"},
      {"mode", choice("append|truncate"), "append", "what happens to what the file holds at the start"},
      {"flush", duration.between(0, 3.6e12), "100ms",
       "the longest a message stays in the buffer; 0ms: not at all"},
      {"buffer", size.between(1, 1 << 30), "64KiB", "bytes gathered before they are written"},
      {"sync", boolean, "false", "wait for the disk after each write"},
      {"retry", duration.between(1e6, 3.6e12), "1s", "pause after a failed write, such as a full disk"},
      {"on_error", choice("wait|drop"), "wait",
       "wait: keep messages back until writing works again; drop: count them as dropped"},
      {"line_end", choice("lf|crlf|none"), "lf", "what is written behind every frame"},
  };

  explicit FileWriter(Host host);
  void start();
  Taken on_message(Message& message);
  void drain();
  void stop();
  int descriptor() const { return file_.number(); }  // of the open file

 private:
  void put(const Message& message);
  void flush();
  void flush_later();
  void flush_when_writable();
  bool writable_now();
  void wrote(std::size_t count);
  void write_failed(int reason);
  void drop_buffer();
  void take_messages_again();

  Host host_;
  std::string path_;
  std::string shown_;  // the path as messages name it
  std::chrono::nanoseconds flush_after_;
  std::chrono::nanoseconds retry_;
  std::size_t limit_;
  bool sync_;
  bool wait_on_error_;
  std::string_view line_end_;
  Descriptor file_;
  bool watched_ = false;   // a pipe or terminal: written when it says so
  bool failing_ = false;   // the last write failed; `timer_` tries again
  bool refusing_ = false;  // answered busy: owes the host a resume
  bool draining_ = false;
  std::string buffer_;
  std::size_t written_ = 0;  // bytes of the buffer that are in the file already
  std::uint64_t held_ = 0;   // messages in the buffer
  Watch watch_;
  Timer timer_;  // the next flush or retry
  Counter lines_;
  Counter bytes_;
  Counter errors_;
  Counter lost_;
};

}  // namespace backplane::basic
