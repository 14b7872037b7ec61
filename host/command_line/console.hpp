// What a command reads and writes, and how it looks there. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

// Exit codes of every command.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;   // at run time
inline constexpr int kRefused = 2;  // usage, manifest or plugin

// Ends a command with exit code 2: what was asked cannot be done as it was asked.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The streams of a command. Tests give string streams, the program its standard ones. Borrowed.
struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool colour = false;  // `out` takes colours
  bool out_is_terminal = false;
  bool err_is_terminal = false;  // then long work shows a progress bar
};

// The standard streams of this process; NO_COLOR and TERM=dumb switch colours off.
Console standard_console();

// `text` as a heading; plain where there are no colours.
std::string bold(const Console& console, std::string_view text);

// "1 route", "2 routes".
std::string quantity(std::size_t count, std::string_view what);

// Rows with their columns aligned, two spaces between; the last column is not padded. Widths count
// characters of UTF-8, not bytes.
std::string aligned(const std::vector<std::vector<std::string>>& rows, std::string_view indent = "");

// A progress bar with the rate on standard error, where that is a terminal that does not also show the
// results; nothing elsewhere.
class Progress {
 public:
  // `verb`: "sent"; `total`: what count ends at in `unit` (messages or bytes), 0: unknown.
  enum class Unit { messages, bytes };
  Progress(Console& console, std::string verb, std::uint64_t total, Unit unit);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // draws the last state and ends the line

  // One message more. Draws ten times a second at most.
  void add(std::uint64_t bytes);
  std::uint64_t messages() const { return messages_; }

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  Console& console_;
  std::string verb_;
  std::uint64_t total_;
  Unit unit_;
  bool shown_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point drawn_{};
  std::size_t width_ = 0;
};

}  // namespace backplane::host
