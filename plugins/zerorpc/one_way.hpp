// Kinds that take or send one event per message, to which nobody answers: zerorpc.pull and zerorpc.sub bring
// calls to the functions that their routes lead to; zerorpc.push and zerorpc.pub send what routes bring. All
// members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>
#include <backplane/rpc/event.hpp>

#include <array>
#include <string>
#include <vector>

#include "zmq/inbound.hpp"
#include "zmq/outbound.hpp"

namespace backplane::zerorpc {

inline constexpr std::array<Option, 3> one_way_options = {{
    {"carry", text_list, "trace_id",
     "keys of an event's header that go on as baggage of the message, or baggage that becomes such keys"},
    {"max_depth", integer.between(8, 512), "512", "lists and maps within each other in an event"},
    {"max_payload", backplane::size.between(1024, 2147483648.0), "100MiB", "longest event"},
}};

// Events as messages: calls that nobody waits for.
class EventReader {
 public:
  explicit EventReader(Host host);
  // The call in the last frame of `message`; an empty message when that is no event, which is then counted
  // and told.
  Message read(Message message);

 private:
  Host host_;
  std::vector<std::string> carried_;
  std::size_t max_depth_;
  std::size_t max_payload_;
  zmq::Trouble unreadable_;
};

// Messages as events.
class EventWriter {
 public:
  explicit EventWriter(Host host);
  // Makes the event of a message: its function with its arguments, or its frames as arguments of the option
  // `method`. Throws Malformed for a message that cannot be one.
  Message write(const Message& message);

 private:
  std::string arguments_of(const Message& message) const;

  Host host_;
  std::string method_;
  std::vector<std::string> carried_;
  std::size_t max_depth_;
  std::size_t max_payload_;
  rpc::EventIds ids_;
};

class Pull {
 public:
  static constexpr auto kind = "zerorpc.pull";
  static constexpr auto says = "Takes in calls of ZeroRPC pushers, for the functions its routes lead to.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(zmq::common_options, zmq::receive_options, one_way_options);

  explicit Pull(Host host);
  void start() { inlet_.start(); }
  void stop() { inlet_.stop(); }

 private:
  EventReader reader_;
  zmq::Inlet inlet_;
};

class Sub {
 public:
  static constexpr auto kind = "zerorpc.sub";
  static constexpr auto says = "Takes in calls of ZeroRPC publishers, for the functions its routes lead to.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(zmq::common_options, zmq::receive_options, one_way_options);

  explicit Sub(Host host);
  void start();
  void stop() { inlet_.stop(); }

 private:
  EventReader reader_;
  zmq::Inlet inlet_;
};

inline constexpr std::array<Option, 1> method_option = {{
    {"method", text, optional, "what messages without a function call: their frames are its arguments"},
}};

class Push {
 public:
  static constexpr auto kind = "zerorpc.push";
  static constexpr auto says = "Sends each message as a call to one of its ZeroRPC pullers, in turn.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options =
      tables(zmq::common_options, zmq::send_options, method_option, one_way_options);

  explicit Push(Host host) : host_(host), writer_(host), outlet_(host, ZMQ_PUSH) {}
  void start() { outlet_.start(); }
  Taken on_message(Message& message);
  void stop() { outlet_.stop(); }

 private:
  Host host_;
  EventWriter writer_;
  zmq::Outlet outlet_;
};

class Pub {
 public:
  static constexpr auto kind = "zerorpc.pub";
  static constexpr auto says = "Publishes each message as a call to all its ZeroRPC subscribers.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options = tables(zmq::common_options, zmq::send_options,
                                         rows<1, 2>(zmq::publish_options), method_option, one_way_options);

  explicit Pub(Host host) : host_(host), writer_(host), publisher_(host, ZMQ_PUB) {}
  void start() { publisher_.start(); }
  Taken on_message(Message& message);
  void stop() { publisher_.stop(); }

 private:
  Host host_;
  EventWriter writer_;
  zmq::Publisher publisher_;
};

}  // namespace backplane::zerorpc
