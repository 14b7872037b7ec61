// Kinds that never touch the router: a heartbeat, a listener that logs, and a service that answers by
// itself. All members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "answering.hpp"
#include "outlet.hpp"
#include "socket.hpp"
#include "socket_options.hpp"

namespace backplane::zmq {

class PushBypass {
 public:
  static constexpr auto kind = "zmq.push_bypass";
  static constexpr auto says = "Sends a text to a PULL peer at a fixed pace: a heartbeat, a mark of life.";
  static constexpr auto properties = bypass | service | connection;
  static constexpr std::array<Option, 2> own_options = {{
      {"every", duration.between(1e6, 3.2e16), "10s", "the pace"},
      {"text", text, "{host} {component} {count}",
       "what to send. {host}, {component}, {count}: the names and the number of this text, from 1; {time}: "
       "seconds since 1970"},
  }};
  static constexpr auto options = tables(common_options, own_options, send_options);

  explicit PushBypass(Host host);
  void start();
  void stop();

 private:
  void beat();

  Host host_;
  std::chrono::nanoseconds every_;
  std::string text_;
  Trouble skipped_;
  Outlet outlet_;
  std::uint64_t count_ = 0;
  Timer timer_;
};

class PullBypass {
 public:
  static constexpr auto kind = "zmq.pull_bypass";
  static constexpr auto says = "Writes what PUSH peers send to the log.";
  static constexpr auto properties = bypass | service | connection;
  static constexpr std::array<Option, 2> own_options = {{
      {"level", choice("trace|debug|info|warning|error"), "info", "level of the log lines"},
      {"show", backplane::size.between(1, 65536), "512B", "characters of a message that are shown"},
  }};
  static constexpr auto options = tables(common_options, own_options, receive_options);

  explicit PullBypass(Host host);
  void start();
  void stop();

 private:
  Host host_;
  Severity severity_;
  std::size_t show_;
  Receiver receiver_;
  Counter received_;
  Outlet outlet_;
};

class RepBypass {
 public:
  static constexpr auto kind = "zmq.rep_bypass";
  static constexpr auto says = "Answers REQ peers by itself: with a fixed text, or with their own message.";
  static constexpr auto properties = bypass | service | connection;
  static constexpr std::array<Option, 1> own_options = {{
      {"reply", text, optional, "the answer. Default: the request's own frames"},
  }};
  static constexpr auto options = tables(common_options, own_options, receive_options, send_options);

  explicit RepBypass(Host host);
  void start();
  void stop();

 private:
  void answer(Message request);

  Host host_;
  std::optional<std::string> reply_;
  Way way_;
  Receiver receiver_;
  Trouble undelivered_;
  Outlet outlet_;
};

// `text` with {host}, {component}, {count} and {time} filled in; other braces stay.
std::string fill_in(std::string text, const Host& host, std::uint64_t count, std::int64_t unix_seconds);

}  // namespace backplane::zmq
