// Kinds of the gateway, which brings requests to workers and their answers back: palm.http_gateway takes
// HTTP requests, palm.gateway_router finds the asker of each result, palm.gateway_dealer hands results to the
// gateway router of another server. All members run on the component's loop.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http_asking.hpp"
#include "outbound.hpp"
#include "socket.hpp"
#include "zmq/answering.hpp"

namespace backplane::palm {

// Who waits for a result, found by the cache UUID that its message was given. All wait equally long.
class Askers {
 public:
  struct Asker {
    std::string key;        // the UUID
    std::string target;     // what a dealer calls it: the routing id, or the client field
    zmq::Way way;           // of a peer; empty: a component asked
    bp_envelope request{};  // of a component
    Message message;        // of a peer, as it was sent on
    std::int64_t due = 0;

    bool is_component() const { return way.empty(); }
  };

  // REQUIRES: the key is new.
  void add(Asker asker);
  // Nothing: nobody waits for that, or not any more.
  std::optional<Asker> take(std::string_view key);
  // nullptr: likewise. Valid until the next change.
  const Asker* find(std::string_view key) const;
  // The component's request with this correlation.
  std::optional<Asker> take_request(std::uint64_t correlation);
  // The first to be due, when it is.
  std::optional<Asker> take_due(std::int64_t now);
  std::optional<Asker> take_any() { return take_due(INT64_MAX); }
  // When take_due has something; 0: nobody waits.
  std::int64_t next_due() const { return all_.empty() ? 0 : all_.front().due; }
  std::size_t size() const { return all_.size(); }

 private:
  using All = std::list<Asker>;  // in the order in which they are due
  Asker remove(All::iterator asker);

  All all_;
  std::unordered_map<std::string_view, All::iterator> by_key_;  // views of the keys in all_
  std::unordered_map<std::uint64_t, All::iterator> by_correlation_;
};

inline constexpr std::array<Option, 7> gateway_router_options = {{
    {"bind", endpoint_list, optional,
     "endpoint(s) for REQ and DEALER peers that ask. Without it only components do"},
    {"insecure", boolean, "false",
     "allow endpoints that other machines can reach without CURVE or an allow-list"},
    {"dealer", boolean, "false",
     "take results from a peer with the routing id dealer, the gateway dealer of another server. Whoever "
     "can connect may claim to be it"},
    {"timeout", duration.between(1e6, 1e15), "60s",
     "how long an asker waits; then it is answered with an error, and a message that no worker has is "
     "dropped"},
    {"max_waiting", integer.between(1, 1e8), "100000", "askers at once; one more is answered with an error"},
    {"handover", boolean, "true",
     "a peer that comes back under the same routing id takes over its old connection"},
    {"send_hwm", integer.between(0, zmq::most), "10000",
     "answers that wait for one peer to read them; further ones are dropped and counted. 0: no limit"},
}};

// A message of a component that waits for an answer is a request; any other is a result. A request gets a
// UUID of its own in its cache field, and the first result with that UUID is its answer.
class GatewayRouter {
 public:
  static constexpr auto kind = "palm.gateway_router";
  static constexpr auto says =
      "Sends the requests of REQ and DEALER peers and of components to workers, and finds the asker of each "
      "result that comes to it.";
  static constexpr std::uint32_t properties = inbound | outbound | service;
  static constexpr auto options = tables(gateway_router_options, zmq::transport_options,
                                         palm_security_options, error_options, zmq::receive_options);

  explicit GatewayRouter(Host host);
  void start();
  void on_message(Message message);
  // Of a request that its asker has given up.
  void on_reply(Message notice);
  void drain() { draining_ = true; }  // results are taken in as long as they are awaited
  void stop();

 private:
  using Asker = Askers::Asker;

  Sent read(Message message);
  Sent take_request(Message message);
  void take_dealt(Message message);
  Sent ask(Asker asker, Message message);
  void answer(Asker asker, Message result);
  void fail(Asker asker, std::string_view type, std::string_view why);
  void reply(zmq::Way& way, Message answer);
  void watch_first();
  void expire();
  void tell();

  Host host_;
  bool dealer_;
  std::chrono::nanoseconds timeout_;
  std::size_t max_waiting_;
  std::string error_payload_;
  std::optional<zmq::SocketPlan> plan_;  // none: only components ask
  zmq::Receiver receiver_;
  Askers askers_;
  std::optional<zmq::Socket> socket_;
  Watch watch_;
  Timer expiry_;
  bool draining_ = false;
  zmq::Trouble unclaimed_;
  zmq::Trouble undelivered_;
  Counter expired_;
  Gauge waiting_;
};

inline constexpr std::array<Option, 1> gateway_dealer_options = {{
    {"connect", endpoint_list, required, "endpoint of the gateway router, e.g. tcp://127.0.0.1:8899"},
}};

class GatewayDealer {
 public:
  static constexpr auto kind = "palm.gateway_dealer";
  static constexpr auto says =
      "Hands results to the gateway router of another server, each for the client that its message names.";
  static constexpr std::uint32_t properties = outbound | connection;
  static constexpr auto options =
      tables(gateway_dealer_options, zmq::transport_options, palm_security_options, zmq::send_options);

  explicit GatewayDealer(Host host);
  void start();
  // Throws Error "Unanswerable" for a message without a client.
  Taken on_message(Message& message);
  void stop() { outlet_.stop(); }

 private:
  Host host_;
  zmq::Outlet outlet_;
};

// The function that a path asks for: its first segment, after `_.` when it has no dot. Empty: there is none.
// Nothing: it is not UTF-8.
std::optional<std::string> function_of_path(const http::Request& request);

// GET or POST /FUNCTION, or /SERVER.FUNCTION: 200 and the payload of the answer. 404: no function named; 501:
// another method; 503: nothing takes it now; 504: no answer in time; 500: the answer says an error, and this
// its text.
class HttpGateway {
 public:
  static constexpr auto kind = "palm.http_gateway";
  static constexpr auto says = "Makes a PALM message of each HTTP request, and an HTTP answer of its result.";
  static constexpr std::uint32_t properties = inbound | service;
  static constexpr auto options = tables(http::http_server_options, http_timeout_option);

  explicit HttpGateway(Host host);
  void start() { server_.start(); }
  void on_reply(Message outcome) { asking_.on_reply(std::move(outcome)); }
  void on_resume() { asking_.on_resume(); }
  void drain() { server_.drain(); }
  void stop();

 private:
  void handle(http::Request request, http::Reply reply);

  Host host_;
  HttpAsking asking_;
  http::Server server_;  // last: it calls the rest
};

}  // namespace backplane::palm
