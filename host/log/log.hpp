// The host's log. Any thread. A sink that fails (a full disk) loses lines, counts them, and stops nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "manifest/manifest.hpp"

namespace backplane::host {

class Log {
 public:
  // To standard error, text, level info: what speaks before a manifest was read.
  Log();
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Switches to level, format and file of a manifest. A file that cannot be opened throws std::runtime_error
  // naming it. Call before other threads log.
  void configure(const HostSettings& settings);

  // One line. `component` names who says it; empty: the host itself.
  void write(LogLevel level, std::string_view component, std::string_view text);
  void debug(std::string_view text) { write(LogLevel::debug, {}, text); }
  void info(std::string_view text) { write(LogLevel::info, {}, text); }
  void warning(std::string_view text) { write(LogLevel::warning, {}, text); }
  void error(std::string_view text) { write(LogLevel::error, {}, text); }

  bool enabled(LogLevel level) const;
  // Lines that a sink failed to take.
  std::uint64_t lost_lines() const;

 private:
  struct Sinks;
  std::unique_ptr<Sinks> sinks_;
};

}  // namespace backplane::host
