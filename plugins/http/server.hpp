// An HTTP/1.1 server on a component's loop: no threads of its own, everything is called on that loop.
#pragma once

#include "message.hpp"

#include <backplane/host.hpp>
#include <backplane/options.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace backplane::http {

struct ServerLimits {
  std::size_t max_body = std::size_t{16} << 20;    // bytes of one request's body: 413
  std::size_t max_header = std::size_t{16} << 10;  // bytes of its request line, and of its headers: 431
  std::size_t max_connections = 10'000;            // at once: 503
  std::chrono::nanoseconds header_timeout = std::chrono::seconds(30);  // for a whole request to come: 408
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);    // between two requests
  std::chrono::nanoseconds send_timeout = std::chrono::seconds(30);    // for a byte of the answer to go
};

struct ServerSettings {
  std::string bind;       // 127.0.0.1:8080, tcp://127.0.0.1:8080, [::1]:80; port 0 or *: a free one
  bool insecure = false;  // `bind` may be reachable from other machines
  ServerLimits limits = {};
  // The server tells the host how many requests it holds. Not so: the component does, from in_progress().
  bool tells_holding = true;
  // What is answered to a request that the server itself refuses; none: the reason as plain text.
  std::function<Response(unsigned status, const std::string& reason)> refusal = {};
};

// The options of a server, for a kind's table: tables(http_server_options, ...).
inline constexpr std::array<Option, 8> http_server_options = {{
    {"bind", text, required, "address to listen on, e.g. 127.0.0.1:8080; port 0 or * takes a free one"},
    {"insecure", boolean, "false", "allow an address that other machines can reach"},
    {"max_body", backplane::size.between(0, 1e12), "16MiB",
     "longest body of a request; a longer one gets 413"},
    {"max_header", backplane::size.between(256, 1 << 30), "16KiB",
     "longest headers of a request; longer ones get 431"},
    {"max_connections", integer.between(1, 1'000'000), "10000",
     "connections at once; one more is answered 503 and closed"},
    {"header_timeout", duration.between(1e6, 1e18), "30s",
     "how long a request may take to come, from its first byte to its last; then 408"},
    {"idle_timeout", duration.between(1e6, 1e18), "60s",
     "how long a connection may wait for its next request before it is closed"},
    {"send_timeout", duration.between(1e6, 1e18), "30s",
     "how long a client may take none of its answer before it is disconnected"},
}};

// Reads these options. [loop]
ServerSettings read_server_settings(const Host& host);

class Connection;

// The answer that one request waits for: given once, now or later. Movable. Loop only, until the server is
// stopped; what comes after that is ignored.
class Reply {
 public:
  Reply() = default;
  Reply(Reply&&) = default;
  Reply& operator=(Reply&& other) noexcept;
  // Unanswered: 500.
  ~Reply();

  // Ignored when it is answered already, or the client has gone.
  void send(Response response);
  // Nobody waits any more: the client closed its side, or was disconnected, before it was answered.
  bool gone() const;
  // Calls `run` when the client goes before it is answered; at once when it has. One at a time: the last one
  // counts. Not called by Server::stop.
  void on_gone(std::function<void()> run);
  // There is a request to answer.
  explicit operator bool() const { return exchange_ != nullptr; }

 private:
  friend class Connection;
  struct Exchange;
  explicit Reply(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  void drop();

  std::shared_ptr<Exchange> exchange_;
};

// Requests of one connection are handled one after the other, in order. What is wrong with a request is
// answered by the server and never reaches the handler. A request is complete before it is handled. A client
// that closes its side while its request is handled counts as gone: half-closed clients get what the handler
// answers at once, no more.
class Server {
 public:
  // An exception from a handler is logged, and answered 500 when its Reply is not answered yet.
  using Handler = std::function<void(Request, Reply)>;

  // Checks the settings. Throws Error "BadOption", naming what is wrong or unsafe.
  Server(Host host, ServerSettings settings, Handler handler);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();  // stop()

  // Listens, and logs "listening on http://ADDRESS:PORT". Throws Error "BindFailed".
  void start();
  // Takes no new connections, closes those that wait for a request, finishes requests that have begun to
  // come.
  void drain();
  // Closes everything. Does nothing when it is not running.
  void stop();

  // http://ADDRESS:PORT as it was bound. REQUIRES: started.
  std::string endpoint() const;
  // Requests that have begun to come and are not answered yet.
  std::size_t in_progress() const;
  std::size_t connections() const;

 private:
  class Core;
  friend class Connection;

  std::unique_ptr<Core> core_;
};

}  // namespace backplane::http
