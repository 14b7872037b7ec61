#include "log/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "log/escape.hpp"

namespace backplane::host {

namespace {

// A line says no more of a text than this; how much was left out is told.
constexpr std::size_t longest_text = 16 * 1024;
// How long a line waits for a full, non-blocking standard error.
constexpr int patience_ms = 100;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return "trace";
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warning";
    default:
      return "error";
  }
}

std::string_view view(spdlog::string_view_t text) { return {text.data(), text.size()}; }

// 2026-01-31T23:59:59.123Z, always UTC: lines of several machines sort together.
std::string time_text(spdlog::log_clock::time_point time) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  auto fraction = std::to_string(1000 + milliseconds % 1000);
  fraction.front() = '.';
  return std::string(text.data(), size) + fraction + 'Z';
}

void append(spdlog::memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

// "TIME LEVEL   [component] text"
class TextFormatter : public spdlog::formatter {
 public:
  explicit TextFormatter(bool colour) : colour_(colour) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    constexpr std::size_t level_width = 8;
    std::string line = time_text(message.time) + ' ';
    std::string level(level_name(message.level));
    level.resize(level_width, ' ');
    line += colour_ ? std::string(colour_of(message.level)) + level + "\033[0m" : level;
    if (message.logger_name.size() != 0) {
      line += '[';
      append_escaped(line, view(message.logger_name));
      line += "] ";
    }
    append_escaped(line, view(message.payload));
    line += '\n';
    append(to, line);
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>(colour_);
  }

 private:
  static std::string_view colour_of(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::err:
        return "\033[31m";
      case spdlog::level::warn:
        return "\033[33m";
      case spdlog::level::info:
        return "\033[32m";
      default:
        return "\033[2m";
    }
  }

  bool colour_;
};

// {"time":...,"level":...,"component":...,"message":...}
class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    const nlohmann::ordered_json line{{"time", time_text(message.time)},
                                      {"level", level_name(message.level)},
                                      {"component", view(message.logger_name)},
                                      {"message", view(message.payload)}};
    append(to, line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    to.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// Writes each line with one call, so lines of several processes do not mix, and none waits in a buffer when
// this one crashes. A line that cannot be written is lost and counted.
class DescriptorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Closes `descriptor` unless it is standard error. `name` is for the report.
  DescriptorSink(int descriptor, std::string name, std::unique_ptr<spdlog::formatter> formatter,
                 std::atomic<std::uint64_t>& lost)
      : base_sink(std::move(formatter)), descriptor_(descriptor), name_(std::move(name)), lost_(lost) {}
  ~DescriptorSink() override {
    if (descriptor_ != STDERR_FILENO) ::close(descriptor_);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    // A line that broke off half-way must not swallow the beginning of this one.
    if (broken_off_) line.push_back('\n');
    formatter_->format(message, line);
    std::size_t written = 0;
    const bool complete = write_all({line.data(), line.size()}, written);
    if (written > 0) broken_off_ = !complete;
    if (complete) return;
    lost_.fetch_add(1, std::memory_order_relaxed);
    report(errno);
  }
  void flush_() override {}

 private:
  bool write_all(std::string_view bytes, std::size_t& written) const {
    while (written < bytes.size()) {
      const auto count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
      if (count > 0) {
        written += static_cast<std::size_t>(count);
      } else if (count == 0 || (errno != EINTR && !(errno == EAGAIN && wait_for_room()))) {
        return false;
      }
    }
    return true;
  }

  bool wait_for_room() const {
    pollfd room{descriptor_, POLLOUT, 0};
    const bool there = ::poll(&room, 1, patience_ms) > 0;
    if (!there) errno = EAGAIN;
    return there;
  }

  void report(int failure) {
    if (std::exchange(reported_, true)) return;
    const auto text = "the log cannot be written to " + name_ + ": " + std::strerror(failure) +
                      "; lines are lost and counted, the host goes on\n";
    // When standard error itself is the log, nobody is left to be told.
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text.data(), text.size());
  }

  int descriptor_;
  std::string name_;
  std::atomic<std::uint64_t>& lost_;
  bool broken_off_ = false;
  bool reported_ = false;
};

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::unique_ptr<spdlog::formatter> make_formatter(LogFormat format, bool colour) {
  if (format == LogFormat::json) return std::make_unique<JsonFormatter>();
  return std::make_unique<TextFormatter>(colour);
}

// `text`, or its beginning and how much more there is.
std::string_view shortened(std::string_view text, std::string& room) {
  if (text.size() <= longest_text) return text;
  auto end = longest_text;
  while (end > longest_text - 4 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;
  room.assign(text.substr(0, end));
  room += " ... and " + std::to_string(text.size() - end) + " bytes more";
  return room;
}

}  // namespace

struct Log::Sinks {
  std::atomic<LogLevel> level{LogLevel::info};
  std::atomic<std::uint64_t> lost{0};
  std::unique_ptr<spdlog::sinks::sink> sink;

  void to_standard_error(LogFormat format) {
    sink = std::make_unique<DescriptorSink>(STDERR_FILENO, "standard error",
                                            make_formatter(format, wants_colour()), lost);
  }

  void to_file(const std::string& file, LogFormat format) {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (descriptor < 0)
      throw std::runtime_error("the log file " + file + " cannot be opened: " + std::strerror(errno));
    sink = std::make_unique<DescriptorSink>(descriptor, file, make_formatter(format, false), lost);
  }
};

Log::Log() : sinks_(std::make_unique<Sinks>()) { sinks_->to_standard_error(LogFormat::text); }
Log::~Log() = default;

void Log::configure(const HostSettings& settings) {
  if (settings.log_file.empty())
    sinks_->to_standard_error(settings.log_format);
  else
    sinks_->to_file(settings.log_file, settings.log_format);
  sinks_->level = settings.log_level;
}

void Log::write(LogLevel level, std::string_view component, std::string_view text) {
  if (!enabled(level)) return;
  std::string room;
  text = shortened(text, room);
  const spdlog::details::log_msg message(spdlog::log_clock::now(), spdlog::source_loc{},
                                         {component.data(), component.size()}, spdlog_level(level),
                                         {text.data(), text.size()});
  try {
    sinks_->sink->log(message);
  } catch (const std::exception&) {
    sinks_->lost.fetch_add(1, std::memory_order_relaxed);  // out of memory: the line is lost, nothing else
  }
}

bool Log::enabled(LogLevel level) const { return level != LogLevel::off && level >= sinks_->level.load(); }

std::uint64_t Log::lost_lines() const { return sinks_->lost.load(std::memory_order_relaxed); }

}  // namespace backplane::host
