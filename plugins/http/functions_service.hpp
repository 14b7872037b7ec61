// The kind http.service: functions of the host's components as JSON over HTTP.
#pragma once

#include "function_index.hpp"
#include "server.hpp"

#include <backplane/plugin.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace backplane::http {

// What http.service has besides a server's options.
inline constexpr std::array<Option, 2> service_options = {{
    {"functions", text_list, optional, "components whose functions are offered. Default: all of the host"},
    {"timeout", duration.between(1e6, 1e18), "60s", "how long a function may take; then 504"},
}};

//   POST /COMPONENT/FUNCTION   body [1, 2], {"a": 1, "b": 2} or none: 200 and the result, 202 for a signal
//   POST /FUNCTION             likewise, when one component alone publishes it
//   GET /                      what there is
//   GET /openapi.json          the same as OpenAPI 3.1
//
// Errors are {"error": {"type": ..., "message": ...}}. A client that goes cancels its call.
class FunctionsService {
 public:
  static constexpr auto kind = "http.service";
  static constexpr auto says = "Offers the functions of the host's components as JSON over HTTP.";
  static constexpr std::uint32_t properties = bypass | service;
  static constexpr auto options = tables(http_server_options, service_options);

  explicit FunctionsService(Host host);
  void start();
  void on_reply(Message message);
  void drain() { server_.drain(); }
  void stop();

 private:
  struct Pending {
    Reply reply;
    std::uint64_t correlation = 0;
    bool signal = false;
  };

  void handle(Request request, Reply reply);
  void answer_document(const Request& request, Reply reply);
  void call(const PublishedFunction& function, const Request& request, Reply reply);
  void send(const PublishedFunction& function, Message message, Reply reply);
  void give_up(std::uint64_t cookie);
  void refresh();

  Host host_;
  std::vector<std::string> components_;
  std::chrono::nanoseconds timeout_;
  FunctionIndex index_;
  std::unordered_map<std::uint64_t, Pending> pending_;
  std::uint64_t last_cookie_ = 0;
  Counter failed_;
  Server server_;  // last: it calls the rest
};

}  // namespace backplane::http
