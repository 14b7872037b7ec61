// Kinds that bring PALM messages from a socket: palm.pull, palm.worker_pull, palm.sub, palm.rep. A service
// when it binds, a connection when it connects. All members run on the component's loop.
//
// What is no PALM message, or has another number of frames than the wire says, is counted, logged and
// dropped.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arrivals.hpp"
#include "socket.hpp"
#include "zmq/answering.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 1> fill_cache_option = {{
    {"fill_cache", boolean, "true", "give a message whose cache field is empty a fresh UUID there"},
}};

inline constexpr std::array<Option, 2> payload_options = {{
    {"max_payload", backplane::size.between(0, 1e13), "0",
     "a message with a longer payload goes on as an error reply. 0: no limit but max_message_size, beyond "
     "which "
     "the sender is disconnected"},
    error_options[0],
}};

inline constexpr std::array<Option, 1> messages_option = {{
    {"messages", integer.between(0, 1e15), "0",
     "stop after so many messages; when all that brings messages has, the host drains and stops. 0: never"},
}};

// A socket that messages come from.
class Intake {
 public:
  // `frames`: how many a message has on this wire; the PALM message is the last one.
  Intake(Host host, int type, std::size_t frames) : Intake(host, type, frames, zmq::SocketPlan(host)) {}
  Intake(Host host, int type, std::size_t frames, zmq::SocketPlan plan);

  // Throws Error. `prepare` as for zmq::Socket.
  void start(const std::function<void(void*)>& prepare = {});
  // Remembers by which connection each client's requests come. After start().
  void note_arrivals();
  // Takes only messages with one of these topics.
  void take_only(std::vector<std::string> topics) { topics_ = std::move(topics); }
  void stop();

 private:
  struct Arrived {
    Message message;
    Fields fields;        // views of the message
    int descriptor = -1;  // of its connection
  };

  void read();
  void take(Message message);
  void finish();
  void pass_on(Arrived arrived);
  void refuse_payload(Message& message, const Fields& fields);

  Host host_;
  int type_;
  std::size_t frames_;
  bool fill_cache_;
  std::int64_t left_;        // messages to take; negative: any number
  std::size_t max_payload_;  // 0: no limit
  std::string error_payload_;
  zmq::Trouble too_large_;
  zmq::SocketPlan plan_;
  zmq::Receiver receiver_;
  std::vector<std::string> topics_;  // empty: all
  std::optional<zmq::Socket> socket_;
  std::shared_ptr<LoopArrivals> arrivals_;
  std::optional<LoopArrivals::Door> door_;
  std::vector<Arrived> batch_;
  Watch watch_;
};

class Pull {
 public:
  static constexpr auto kind = "palm.pull";
  static constexpr auto says = "Takes in the messages that PALM clients push.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options =
      tables(palm_socket_options, fill_cache_option, payload_options, messages_option, zmq::receive_options);

  explicit Pull(Host host) : intake_(host, ZMQ_PULL, 1) {}
  void start() {
    intake_.start();
    intake_.note_arrivals();
  }
  void stop() { intake_.stop(); }

 private:
  Intake intake_;
};

class WorkerPull {
 public:
  static constexpr auto kind = "palm.worker_pull";
  static constexpr auto says = "Takes in the results that PALM workers push.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, messages_option, zmq::receive_options);

  explicit WorkerPull(Host host) : intake_(host, ZMQ_PULL, 1) {}
  void start() { intake_.start(); }
  void stop() { intake_.stop(); }

 private:
  Intake intake_;
};

inline constexpr std::array<Option, 3> previous_options = {{
    {"previous", text_list, required,
     "topics to take: the name of the server before this one, or topics that it sets"},
    {"paired", boolean, "false",
     "connect and previous go together by position: each topic is taken from its own address only"},
    {"exact", boolean, "false", "take only these very topics, not also longer ones that begin with them"},
}};

// Its receive_hwm is 0: a publisher drops what its subscriber has no room for.
inline constexpr std::array<Option, 3> subscriber_options = {{
    {"receive_hwm", integer.between(0, zmq::most), "0",
     "messages that wait in the socket; more are lost at the publisher. 0: no limit"},
    zmq::receive_options[1],
    zmq::receive_options[2],
}};

class Sub {
 public:
  static constexpr auto kind = "palm.sub";
  static constexpr auto says = "Takes in what a PALM server before this one publishes.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, previous_options, fill_cache_option,
                                         payload_options, messages_option, subscriber_options);

  explicit Sub(Host host);
  void start();
  void stop();

 private:
  struct Source {
    std::vector<std::string> topics;
    std::unique_ptr<Intake> intake;
  };
  void add_source(const Host& host, std::vector<std::string> topics, zmq::SocketPlan plan);

  std::vector<Source> sources_;
};

inline constexpr std::array<Option, 1> not_blocking_option = {{
    {"block", boolean, "false",
     "true: a request is answered with what comes of it; false: with accepted_reply, once a route has taken "
     "it"},
}};

class Rep {
 public:
  static constexpr auto kind = "palm.rep";
  static constexpr auto says = "Takes in PALM messages of REQ peers and answers each.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, not_blocking_option, fill_cache_option,
                                         rows<1, 6>(zmq::answer_options), zmq::receive_options);

  explicit Rep(Host host);
  void start() { answerer_.start(); }
  void on_reply(Message outcome) { answerer_.on_outcome(std::move(outcome)); }
  void stop() { answerer_.stop(); }

 private:
  zmq::Answerer answerer_;
};

}  // namespace backplane::palm
