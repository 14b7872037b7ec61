// The kinds that fit on a screen: timer.tick, log.sink, null.sink.
#pragma once

#include <backplane/host.hpp>
#include <backplane/options.hpp>
#include <backplane/plugin.hpp>

#include <string>

namespace backplane::basic {

// Sends a message every so often.
class TimerTick {
 public:
  static constexpr auto kind = "timer.tick";
  static constexpr auto says = "Sends a message at regular times.";
  static constexpr std::uint32_t properties = inbound;
  static constexpr Option options[] = {
      {"every", duration.between(1e6, 3.2e18), required, "time between two messages"},
      {"payload", text, "tick {count}", "what it sends: {count} from 1, {time} in UTC, {component}"},
      {"at_once", boolean, "false", "send the first message at the start, not one period later"},
      {"count", integer.between(0, 1e15), "0", "messages to send; 0: no end"},
      {"at_end", choice("finish|stay"), "finish",
       "finish: after the last one this component is done (a host whose sources are all done stops)"},
  };

  explicit TimerTick(Host host);
  void start();
  void on_resume();
  void drain();
  void stop();

 private:
  void tick();

  Host host_;
  std::string payload_;
  std::int64_t limit_;
  std::int64_t sent_ = 0;
  bool paused_ = false;
  Timer timer_;
  Counter missed_;
};

// Writes messages to the host's log.
class LogSink {
 public:
  static constexpr auto kind = "log.sink";
  static constexpr auto says = "Writes every message to the host's log.";
  static constexpr std::uint32_t properties = outbound;
  static constexpr Option options[] = {
      {"level", choice("trace|debug|info|warning|error"), "info", "of the log lines"},
      {"prefix", text, "", "put before every line"},
      {"max_bytes", size.between(1, 65536), "256", "as much of a message is shown"},
  };

  explicit LogSink(Host host);
  void on_message(Message message);

 private:
  Host host_;
  Severity severity_;
  std::string prefix_;
  std::size_t max_bytes_;
};

// Takes everything and counts it.
class NullSink {
 public:
  static constexpr auto kind = "null.sink";
  static constexpr auto says = "Takes every message, counts it and forgets it.";
  static constexpr std::uint32_t properties = outbound;

  explicit NullSink(Host host) : host_(host) {}
  void start();
  void on_message(Message message);

 private:
  Host host_;
  Counter messages_;
  Counter bytes_;
};

// A message as one readable line: frames separated by " | ", unprintable bytes as \xNN, cut behind
// `max_bytes` bytes of payload.
std::string describe(const Message& message, std::size_t max_bytes);

// `pattern` with {count}, {time} (seconds since the epoch, shown as UTC) and {component} filled in.
std::string fill_in(std::string_view pattern, std::int64_t count, std::int64_t time,
                    std::string_view component);

}  // namespace backplane::basic
