// Kinds that send PALM messages: palm.push, palm.worker_push, palm.pub. A service when it binds, a
// connection when it connects. All members run on the component's loop.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "arrivals.hpp"
#include "publication.hpp"
#include "socket.hpp"
#include "zmq/outlet.hpp"

namespace backplane::palm {

// The feedback of a part that sends and waits for no answer, for a request that blocks.
inline void acknowledge(const Host& host, const bp_envelope& request) {
  if (request.reply_to != 0 && (request.flags & BP_REPLY) == 0) host.reply(request, {""});
}

class Push {
 public:
  static constexpr auto kind = "palm.push";
  static constexpr auto says = "Pushes PALM messages to its PULL peers, in turn.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, zmq::send_options);

  explicit Push(Host host) : host_(host), outlet_(host, ZMQ_PUSH) {}
  void start() { outlet_.start(); }
  Taken on_message(Message& message);
  void stop() { outlet_.stop(); }

 private:
  Host host_;
  zmq::Outlet outlet_;
};

// What workers must not get goes along the component's routes instead: error replies made on the way, and
// those for messages that name no function.
class WorkerGuard {
 public:
  explicit WorkerGuard(Host host) : host_(host), error_payload_(host.option("error_payload")) {}
  // True when it has taken the message. Throws Malformed, and Error "Unanswerable" for a message that names
  // neither a function nor a client.
  bool turns_back(Message& message);

 private:
  Host host_;
  std::string error_payload_;
};

inline constexpr std::array<Option, 2> worker_send_options = {{
    {"send_hwm", integer.between(0, zmq::most), "16",
     "messages per worker that wait in the socket: few, so that work goes to workers that are free"},
    zmq::send_options[1],
}};

class WorkerPush {
 public:
  static constexpr auto kind = "palm.worker_push";
  static constexpr auto says =
      "Pushes jobs to PALM workers, in turn; error replies go along its routes instead. palm.push_pull does "
      "more: it balances, and sends again what a worker that died has not answered.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, worker_send_options, error_options);

  explicit WorkerPush(Host host) : guard_(host), push_(host) {}
  void start() { push_.start(); }
  Taken on_message(Message& message) {
    return guard_.turns_back(message) ? Taken::yes : push_.on_message(message);
  }
  void stop() { push_.stop(); }

 private:
  WorkerGuard guard_;
  Push push_;
};

inline constexpr std::array<Option, 8> publisher_options = {{
    {"pipelined", boolean, "false",
     "the results go to another server: topic = server, stage + 1. Otherwise they go to the client: topic = "
     "its UUID"},
    {"to_client", boolean, optional, "the same the other way round: false is pipelined"},
    {"server", text, optional, "name of the server, the topic of a pipelined one. Default: host.name"},
    {"grace", duration.between(0, 1e12), "250ms",
     "how long a result waits for the client's new subscription when only an older one is there"},
    {"hold", duration.between(0, 1e12), "5s",
     "how long a message waits for somebody to subscribe. What nobody wanted goes along the routes from "
     "here, if there are any"},
    {"max_held", integer.between(1, 1e9), "100000", "messages that wait so at most; the oldest go first"},
    {"max_held_bytes", backplane::size.between(0, 1e13), "256MiB", "bytes of the messages that wait so"},
    {"send_hwm", integer.between(0, zmq::most), "1000000",
     "messages that wait for a slow subscriber before the publisher takes no more. Nothing is dropped. 0: no "
     "limit"},
}};

// Publishes for subscribers that come late and read slowly: see publication.hpp. It must share its loop with
// the palm.pull that the clients push to, which components joined by routes do unless the manifest says
// otherwise.
class Pub {
 public:
  static constexpr auto kind = "palm.pub";
  static constexpr auto says =
      "Publishes PALM messages so that no subscriber misses one: to the client of each, or, pipelined, to "
      "the next server. A message of two frames is published with its first one as the topic.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options = tables(palm_socket_options, publisher_options);

  explicit Pub(Host host);
  void start();
  Taken on_message(Message& message);
  void stop();

 private:
  void take_subscriptions();
  void add_topic(Message& message, const Fields& fields);
  Look accepted(std::string_view client) const;
  void send_now(Message message);
  bool try_send(Message& message);
  void drop(Message message, Publication::Fate fate);
  void expire();
  void tell();
  Taken wait();

  Host host_;
  bool pipelined_;
  std::string server_;
  zmq::Outlet outlet_;
  std::shared_ptr<LoopArrivals> arrivals_;
  Publication publication_;
  std::deque<Message> unsent_;  // the socket had no room for these
  Timer expiry_;
  std::int64_t expiry_due_ = 0;
  Timer retry_;
  Counter published_;
  Gauge held_;
  Gauge subscribers_;
  zmq::Trouble unwanted_;
};

}  // namespace backplane::palm
