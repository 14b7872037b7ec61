#include "command_line/run_progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "runtime/clock.hpp"
#include "runtime/runtime.hpp"

namespace backplane::host {

namespace {

constexpr std::int64_t line_period = 2 * seconds;  // where a bar cannot be drawn
constexpr int bar_width = 30;

struct Read {
  std::int64_t bytes = 0;
  std::int64_t total = 0;
  std::int64_t messages = 0;
};

Read read_gauges(const Runtime& runtime) {
  Read read;
  for (const auto& [component, metrics] : runtime.metrics()) {
    for (const auto& metric : metrics) {
      if (metric.name == "bytes_read") read.bytes += metric.value;
      if (metric.name == "bytes_total") read.total += metric.value;
      if (metric.name == "lines") read.messages += metric.value;
    }
  }
  return read;
}

std::string amount(double value, const char* unit) {
  constexpr std::array<const char*, 5> prefixes = {"", "k", "M", "G", "T"};
  std::size_t prefix = 0;
  while (value >= 1000 && prefix + 1 < prefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s%s", prefix == 0 ? 0 : 1, value, prefixes[prefix], unit);
  return text.data();
}

std::string line_of(const Read& read, double elapsed) {
  const double share =
      read.total > 0 ? std::clamp(static_cast<double>(read.bytes) / static_cast<double>(read.total), 0.0, 1.0)
                     : 0.0;
  std::string line;
  if (read.total > 0) {
    const int full = static_cast<int>(share * bar_width);
    line = "[" + std::string(static_cast<std::size_t>(full), '#') +
           std::string(static_cast<std::size_t>(bar_width - full), '.') + "] " +
           std::to_string(static_cast<int>(share * 100)) + " %  ";
  }
  line += amount(static_cast<double>(read.bytes), "B") + " read, " +
          amount(static_cast<double>(read.bytes) / elapsed, "B/s");
  if (read.messages > 0)
    line += ", " + amount(static_cast<double>(read.messages), "messages") + ", " +
            amount(static_cast<double>(read.messages) / elapsed, "messages/s");
  return line;
}

}  // namespace

RunProgress::RunProgress(const Runtime& runtime, bool shown)
    : runtime_(runtime), shown_(shown), terminal_(::isatty(STDERR_FILENO) == 1), began_(now_nanoseconds()) {}

RunProgress::~RunProgress() {
  if (shown_) show(true);
}

void RunProgress::look() {
  if (shown_ && (terminal_ || now_nanoseconds() - std::max(drawn_, began_) >= line_period)) show(false);
}

void RunProgress::show(bool last) {
  drawn_ = now_nanoseconds();
  const double elapsed = std::max(1e-3, static_cast<double>(drawn_ - began_) * 1e-9);
  std::string line = line_of(read_gauges(runtime_), elapsed);
  const auto width = line.size();
  if (terminal_) {
    if (width < width_) line.append(width_ - width, ' ');
    std::cerr << '\r' << line << (last ? "\n" : "") << std::flush;
  } else {
    std::cerr << line << std::endl;
  }
  width_ = width;
}

}  // namespace backplane::host
