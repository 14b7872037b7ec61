// Kinds that peers ask: zmq.rep (REQ peers) and zmq.router (DEALER and REQ peers). Both are a ROUTER
// socket, so any number of requests is in flight, each answered to its own asker in the order in which the
// answers come. All members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "slots.hpp"
#include "socket.hpp"
#include "socket_options.hpp"

namespace backplane::zmq {

// The frames that lead back to an asker.
using Way = std::vector<Frame>;

// Moves the first `count` frames of a request, its envelope, into `way`, and leaves the body.
void take_way(Message& request, std::size_t count, Way& way);

// Makes a ROUTER socket say when a peer is gone or full, instead of dropping in silence.
void make_mandatory(void* socket);

enum class Delivered { yes, peer_gone, peer_full };

// Sends an answer along its way; both are used up. An answer without frames is sent as one empty frame.
Delivered send_answer(void* socket, Way& way, Message& answer);

class Answerer {
 public:
  // What becomes of a request.
  enum class Manner {
    wait,     // the asker gets the outcome
    accept,   // the asker gets a fixed reply as soon as a route has taken the request
    one_way,  // it is no request: nothing goes back
  };

  Answerer(Host host, Envelope envelope, Manner manner);
  // Looks at the body of every request before it is passed on, and may change it. One that it throws
  // Malformed for is counted and answered with error_reply.
  using Check = std::function<void(Message&)>;
  void check_with(Check check) { check_ = std::move(check); }
  // Without a route from the component, requests are answered with accepted_reply and dropped.
  void accept_unrouted() { accepts_unrouted_ = true; }
  void start();
  void on_outcome(Message outcome);
  // Peers that still wait get an error reply.
  void stop();

 private:
  bool take(Message message);
  Sent pass_on(Message message, std::size_t envelope);
  Sent ask(Message message, std::size_t envelope);
  Sent accept(Message message, std::size_t envelope);
  bool passes(Message& message, Way& way);
  void fail(Way& way, std::string_view type, std::string_view text);
  void reply(Way& way, Message answer);

  Host host_;
  SocketPlan plan_;
  Envelope envelope_;
  Manner manner_;
  std::string accepted_reply_;
  std::string error_reply_;
  bool error_detail_;
  Check check_;
  bool accepts_unrouted_ = false;
  Receiver receiver_;
  Trouble unreachable_;
  Trouble undelivered_;
  Slots<Way> waiting_;
  std::optional<Socket> socket_;
  Watch watch_;
};

inline constexpr std::array<Option, 7> answer_options = {{
    {"block", boolean, "true",
     "true: a request is answered with its outcome; false: with accepted_reply, once a route has taken it"},
    {"accepted_reply", text, "1", "the answer of block: false"},
    {"error_reply", text, "0", "the answer when a request fails, expires or nothing takes it"},
    {"error_detail", boolean, "false", "add two frames to error_reply: the type of the error and its text"},
    {"handover", boolean, "true",
     "a peer that comes back under the same routing id takes over its old connection"},
    {"send_hwm", integer.between(0, most), "10000",
     "answers that wait for one peer to read them; further ones are dropped and counted. 0: no limit"},
    {"probe", boolean, "false", "send every new peer an empty message"},
}};

class Rep {
 public:
  static constexpr auto kind = "zmq.rep";
  static constexpr auto says = "Takes in requests of REQ peers and answers each to its own asker.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(common_options, answer_options, receive_options);

  explicit Rep(Host host);
  void start() { answerer_.start(); }
  void on_reply(Message outcome) { answerer_.on_outcome(std::move(outcome)); }
  void stop() { answerer_.stop(); }

 private:
  Answerer answerer_;
};

inline constexpr std::array<Option, 2> router_options = {{
    {"envelope", choice("automatic|identity|delimited"), "automatic",
     "what leads back to the asker and is kept out of the message. identity: the routing id; delimited: all "
     "up "
     "to the first empty frame; automatic: the routing id, and an empty frame right after it"},
    {"one_way", boolean, "false", "peers wait for no answer and get none"},
}};

class Router {
 public:
  static constexpr auto kind = "zmq.router";
  static constexpr auto says =
      "Takes in requests of DEALER or REQ peers, many in flight from each, and answers each to its own "
      "asker.";
  static constexpr auto properties = inbound | service | connection;
  static constexpr auto options = tables(common_options, answer_options, router_options, receive_options);

  explicit Router(Host host);
  void start() { answerer_.start(); }
  void on_reply(Message outcome) { answerer_.on_outcome(std::move(outcome)); }
  void stop() { answerer_.stop(); }

 private:
  Answerer answerer_;
};

}  // namespace backplane::zmq
