// The kind palm.http_connection: workers behind HTTP.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/client.hpp"
#include "socket.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 4> http_connection_options = {{
    {"url", text, required, "where to post messages, e.g. http://127.0.0.1:8888"},
    {"max_workers", integer.between(1, 10'000), "4",
     "requests under way at once. With 1, results keep the order of their messages"},
    {"timeout", duration.between(0, 1e18), "60s",
     "how long a worker may take; then the message has failed. 0: no limit"},
    {"max_body", backplane::size.between(1, 1e12), "256MiB", "longest answer of a worker"},
}};

// Belongs to the component's loop. A kept connection that closes before a byte of the answer has come is
// taken to have been idle for too long: its request is sent once more.
class HttpConnection {
 public:
  static constexpr auto kind = "palm.http_connection";
  static constexpr auto says =
      "Posts PALM messages to a web worker; its answers go along the routes, and to whoever asked. What "
      "fails goes on as an error reply.";
  static constexpr std::uint32_t properties = outbound | connection;
  static constexpr auto options = tables(http_connection_options, error_options);

  explicit HttpConnection(Host host);
  void start() { client_.start(); }
  Taken on_message(Message& message);
  void on_resume();
  void drain() {}  // what is under way ends
  void stop();

 private:
  void post(Message message);
  void take_result(std::uint64_t number, http::Result result);
  void fail(Message message, std::string_view why);
  void send(Message message);
  void tell();

  Host host_;
  std::size_t max_workers_;
  std::string error_payload_;
  std::unordered_map<std::uint64_t, Message> under_way_;  // as they came
  std::uint64_t last_number_ = 0;
  bool busy_ = false;    // it has said so
  bool paused_ = false;  // results are not welcome
  Counter posted_;
  zmq::Trouble failures_;
  http::Client client_;  // last: it calls the rest
};

}  // namespace backplane::palm
