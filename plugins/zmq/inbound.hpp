// Kinds that bring messages from a socket: zmq.pull, zmq.sub, zmq.xsub. A service when it binds, a
// connection when it connects. All members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "outlet.hpp"
#include "socket.hpp"
#include "socket_options.hpp"

namespace backplane::zmq {

// A socket whose messages go along the component's routes.
class Inlet {
 public:
  // Takes a message, to send it or something made of it. False: bring no more for now.
  using Take = std::function<bool(Message)>;

  // Without `take`, messages are sent as they are.
  Inlet(Host host, int type, Take take = {});
  // Throws Error.
  void start(const std::function<void(void*)>& prepare = {});
  void stop();

 private:
  Host host_;
  int type_;
  SocketPlan plan_;
  Take take_;
  Receiver receiver_;
  std::optional<Socket> socket_;
  Watch watch_;
};

class Pull {
 public:
  static constexpr auto kind = "zmq.pull";
  static constexpr auto says = "Takes in what PUSH peers send.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(common_options, receive_options, conflate_option);

  explicit Pull(Host host) : inlet_(host, ZMQ_PULL) {}
  void start() { inlet_.start(); }
  void stop() { inlet_.stop(); }

 private:
  Inlet inlet_;
};

inline constexpr std::array<Option, 1> topics_option = {{
    {"topics", text_list, optional,
     "take messages whose first frame begins with one of these. Default: zmq.sub all, zmq.xsub none"},
}};
inline constexpr std::array<Option, 1> matching_option = {{
    {"invert_matching", boolean, "false", "deliver what no topic matches; both sides must be set to it"},
}};

class Sub {
 public:
  static constexpr auto kind = "zmq.sub";
  static constexpr auto says = "Takes in what PUB or XPUB peers publish: [topic, ...], all frames kept.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options =
      tables(common_options, topics_option, matching_option, receive_options, conflate_option);

  explicit Sub(Host host);
  void start();
  void stop() { inlet_.stop(); }

 private:
  std::vector<std::string> topics_;
  Inlet inlet_;
};

// The publishers' side of a proxy: subscriptions come from a zmq.xpub as messages.
class Xsub {
 public:
  static constexpr auto kind = "zmq.xsub";
  static constexpr auto says =
      "Takes in what PUB or XPUB peers publish; a message to it is a subscription: 01 or 00, then the topic.";
  static constexpr auto properties = inbound | outbound | service | connection;
  static constexpr auto options = tables(common_options, topics_option, receive_options, send_options);

  explicit Xsub(Host host);
  void start();
  Taken on_message(Message& message) { return outlet_.send(message); }
  void drain() { outlet_.stop_reading(); }
  void stop() { outlet_.stop(); }

 private:
  Host host_;
  std::vector<std::string> topics_;
  Receiver receiver_;
  Outlet outlet_;
};

}  // namespace backplane::zmq
