// Kinds that HTTP clients post PALM messages to: palm.http_service, the way into a server, and
// palm.web_worker, where another server's HTTP connection has its functions run. All members run on the
// component's loop.
#pragma once

#include <array>

#include "http_asking.hpp"
#include "inbound.hpp"
#include "socket.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 1> accepted_reply_option = {{
    {"accepted_reply", text, "1", "the answer of block: false"},
}};

// 400: the body is no PALM message, or there is none; 501: another method than POST; 503: nothing takes the
// message now; 504: no outcome in time; 500: the outcome is an error of the host, and this its text.
class HttpService {
 public:
  static constexpr auto kind = "palm.http_service";
  static constexpr auto says = "Takes in PALM messages that HTTP clients post, whatever the path.";
  static constexpr std::uint32_t properties = inbound | service;
  static constexpr auto options = tables(http::http_server_options, not_blocking_option, fill_cache_option,
                                         accepted_reply_option, http_timeout_option);

  explicit HttpService(Host host);
  void start() { server_.start(); }
  void on_reply(Message outcome) { asking_.on_reply(std::move(outcome)); }
  void on_resume() { asking_.on_resume(); }
  void drain() { server_.drain(); }
  void stop();

 private:
  void handle(http::Request request, http::Reply reply);

  Host host_;
  bool block_;
  bool fill_cache_;
  std::string accepted_reply_;
  zmq::Trouble malformed_;
  HttpAsking asking_;
  http::Server server_;  // last: it calls the rest
};

// 405: another method than POST; 500 for all that fails. Both have no body.
class WebWorker {
 public:
  static constexpr auto kind = "palm.web_worker";
  static constexpr auto says =
      "Runs the functions that PALM messages posted to it name: its route leads to a palm.functions without "
      "a server, and the result is the answer.";
  static constexpr std::uint32_t properties = inbound | service;
  static constexpr auto options = tables(http::http_server_options, http_timeout_option);

  explicit WebWorker(Host host);
  void start() { server_.start(); }
  void on_reply(Message outcome) { asking_.on_reply(std::move(outcome)); }
  void on_resume() { asking_.on_resume(); }
  void drain() { server_.drain(); }
  void stop();

 private:
  void handle(http::Request request, http::Reply reply);
  http::Response render(const HttpOutcome& outcome);

  Host host_;
  zmq::Trouble malformed_;
  zmq::Trouble failures_;
  HttpAsking asking_;
  http::Server server_;  // last: it calls the rest
};

}  // namespace backplane::palm
