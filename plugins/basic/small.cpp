#include "small.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace backplane::basic {

namespace {

Severity severity_of(std::string_view level) {
  if (level == "trace") return Severity::trace;
  if (level == "debug") return Severity::debug;
  if (level == "warning") return Severity::warning;
  if (level == "error") return Severity::failure;
  return Severity::info;
}

std::string utc(std::int64_t time) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char shown[32];
  return {shown, std::strftime(shown, sizeof shown, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void replace_all(std::string& in, std::string_view what, std::string_view by) {
  for (auto at = in.find(what); at != std::string::npos; at = in.find(what, at + by.size()))
    in.replace(at, what.size(), by);
}

std::int64_t seconds_since_epoch() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

std::string fill_in(std::string_view pattern, std::int64_t count, std::int64_t time,
                    std::string_view component) {
  std::string filled(pattern);
  if (filled.find('{') == std::string::npos) return filled;
  replace_all(filled, "{count}", std::to_string(count));
  replace_all(filled, "{time}", utc(time));
  replace_all(filled, "{component}", component);
  return filled;
}

std::string describe(const Message& message, std::size_t max_bytes) {
  std::string line;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (i > 0) line += " | ";
    for (const char byte : message[i]) {
      if (shown++ == max_bytes) return line += "...";
      const auto value = static_cast<unsigned char>(byte);
      if (value >= 0x20 && value < 0x7f) {
        line += byte;
      } else {
        constexpr auto digits = "0123456789abcdef";
        line.append("\\x").append(1, digits[value >> 4]).append(1, digits[value & 15]);
      }
    }
  }
  return line;
}

TimerTick::TimerTick(Host host)
    : host_(host), payload_(host.option("payload")), limit_(host.option("count")) {}

void TimerTick::start() {
  missed_ = host_.counter("ticks_missed", "ticks left out because no destination took them");
  timer_ = host_.every(host_.option("every"), [this] { tick(); });
  if (host_.option("at_once")) host_.post([this] { tick(); });
}

void TimerTick::tick() {
  if (!timer_.active()) return;
  if (paused_) {
    missed_.add();
    return;
  }
  ++sent_;
  const auto payload = fill_in(payload_, sent_, seconds_since_epoch(), host_.component());
  paused_ = host_.send(host_.message({payload})) == Sent::pause;
  if (sent_ != limit_) return;
  timer_.end();
  if (host_.option("at_end") == "finish") host_.finished();
}

void TimerTick::on_resume() { paused_ = false; }
void TimerTick::drain() { timer_.end(); }
void TimerTick::stop() { timer_.end(); }

LogSink::LogSink(Host host)
    : host_(host),
      severity_(severity_of(host.option("level").view())),
      prefix_(host.option("prefix")),
      max_bytes_(host.option("max_bytes")) {}

void LogSink::on_message(Message message) {
  host_.log(severity_, prefix_ + describe(message, max_bytes_));
  if (message.wants_reply()) host_.reply(message.envelope(), {""});
}

void NullSink::start() {
  messages_ = host_.counter("messages", "messages taken");
  bytes_ = host_.counter("bytes", "bytes of their frames");
}

void NullSink::on_message(Message message) {
  messages_.add();
  for (std::size_t i = 0; i < message.size(); ++i) bytes_.add(static_cast<std::int64_t>(message[i].size()));
  if (message.wants_reply()) host_.reply(message.envelope(), {""});
}

}  // namespace backplane::basic
