// Kinds that send what routes bring: zmq.push, zmq.pub, zmq.xpub. A service when it binds, a connection
// when it connects. A message without frames goes out as one empty frame. All members run on the
// component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <array>
#include <chrono>
#include <optional>

#include "inbound.hpp"
#include "outlet.hpp"
#include "socket.hpp"
#include "socket_options.hpp"

namespace backplane::zmq {

class Push {
 public:
  static constexpr auto kind = "zmq.push";
  static constexpr auto says = "Sends each message to one of its PULL peers, in turn.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options = tables(common_options, send_options, conflate_option);

  explicit Push(Host host) : outlet_(host, ZMQ_PUSH) {}
  void start() { outlet_.start(); }
  // Busy while no peer can take it; nothing is dropped.
  Taken on_message(Message& message) { return outlet_.send(message); }
  void stop() { outlet_.stop(); }

 private:
  Outlet outlet_;
};

inline constexpr std::array<Option, 3> publish_options = {{
    {"topic", text, optional, "put this before every message as its first frame"},
    {"slow", choice("wait|drop"), "wait",
     "when a subscriber has send_hwm messages waiting: wait for it, or leave it behind: it misses messages "
     "until it has read half of those (counted as left_behind)"},
    {"slow_limit", duration, "10s",
     "after waiting this long, a slow subscriber is left behind, so that it does not stop the others. 0: "
     "wait "
     "for ever"},
}};

// A PUB or XPUB socket. Messages that nobody subscribes to are gone, as publishing has it.
class Publisher {
 public:
  Publisher(Host host, int type);
  void start(std::function<void()> readable = {});
  Taken send(Message& message);
  void stop();
  void* socket() const { return outlet_.socket(); }

 private:
  bool try_send(Message& message);
  bool may_wait();
  Taken wait();
  void leave_slow_behind(Message& message);

  Host host_;
  Outlet outlet_;
  std::optional<Frame> topic_;
  std::int64_t slow_limit_;  // nanoseconds; 0: for ever
  bool drop_;
  Trouble left_behind_;
  std::int64_t waiting_since_ = 0;  // 0: it is not waiting
  std::chrono::nanoseconds retry_after_;
  Timer retry_;
};

class Pub {
 public:
  static constexpr auto kind = "zmq.pub";
  static constexpr auto says = "Publishes each message to all SUB peers that subscribed to its first frame.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options =
      tables(common_options, publish_options, matching_option, send_options, conflate_option);

  explicit Pub(Host host) : publisher_(host, ZMQ_PUB) {}
  void start() { publisher_.start(); }
  Taken on_message(Message& message) { return publisher_.send(message); }
  void stop() { publisher_.stop(); }

 private:
  Publisher publisher_;
};

inline constexpr std::array<Option, 2> xpub_options = {{
    {"verbose", boolean, "false", "pass on every subscription and its end, not only the first and the last"},
    {"welcome", text, optional, "message that every new subscriber of this topic gets first"},
}};

// The subscribers' side of a proxy.
class Xpub {
 public:
  static constexpr auto kind = "zmq.xpub";
  static constexpr auto says =
      "Publishes as zmq.pub; subscriptions (01, or 00 for their end, then the topic) go along its routes.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options =
      tables(common_options, publish_options, matching_option, xpub_options, receive_options, send_options);

  explicit Xpub(Host host) : host_(host), receiver_(host), publisher_(host, ZMQ_XPUB) {}
  void start();
  Taken on_message(Message& message) { return publisher_.send(message); }
  void stop() { publisher_.stop(); }

 private:
  Host host_;
  Receiver receiver_;
  Publisher publisher_;
};

}  // namespace backplane::zmq
