// Between HTTP clients and the host: what a client sent becomes a message, and what becomes of that the
// answer. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/server.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 1> http_timeout_option = {{
    {"timeout", duration.between(1e6, 1e18), "60s", "how long an answer may take; then 504"},
}};

// What became of a message. Views end with the call they are given to.
struct HttpOutcome {
  std::string_view error_type;  // of an error; empty: there is none
  std::string_view error_text;
  std::string_view answer;  // the PALM message, when there is no error
  bool failed() const { return !error_type.empty(); }
};

// The status of an error of that type: 503 for what may be tried again later, 504 for what took too long, 500
// for the rest.
unsigned http_status_of(std::string_view error_type);

// Plain text; says when to try again, where that is what the status means.
http::Response http_text(unsigned status, std::string body);

// While the host wants no more, messages wait here: their number is bounded by that of the connections.
class HttpAsking {
 public:
  // Makes the answer to a client.
  using Render = std::function<http::Response(const HttpOutcome&)>;

  HttpAsking(Host host, Render render);

  // Sends a request along the routes; the client gets its outcome. It is cancelled when the client goes.
  void ask(Message message, http::Reply reply);
  // Sends a message along the routes; the client gets `taken` as soon as a route has taken it.
  void give(Message message, std::string_view taken, http::Reply reply);

  void on_reply(Message outcome);
  void on_resume();
  // Forgets everybody. After http::Server::stop, so that nobody is answered by it.
  void stop();

 private:
  struct Client {
    http::Reply reply;
    Message unsent;  // while it waits here
    std::string taken;
    bool asks = false;
    std::int64_t deadline = 0;
    std::uint64_t correlation = 0;
  };

  void begin(Client client);
  void send(std::uint64_t number);
  void sent(std::uint64_t number, Sent how);
  void answer(std::uint64_t number, const HttpOutcome& outcome);
  void give_up(std::uint64_t number);
  void send_waiting();
  void watch_first();
  void expire();

  Host host_;
  Render render_;
  std::chrono::nanoseconds timeout_;
  std::unordered_map<std::uint64_t, Client> clients_;
  std::deque<std::uint64_t> waiting_;  // those with a message that is not sent, in order
  std::uint64_t last_number_ = 0;
  bool paused_ = false;
  Timer timer_;
  Counter failed_;
};

}  // namespace backplane::palm
