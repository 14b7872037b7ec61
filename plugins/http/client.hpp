// An HTTP/1.1 client on a component's loop: no threads but a short one when a name must be looked up again.
#pragma once

#include "message.hpp"

#include <backplane/host.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace backplane::http {

struct ClientLimits {
  std::size_t max_connections = 4;  // requests under way at once; more wait in order
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  // from request() to the whole answer; 0: none
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(10);
  std::size_t max_body = std::size_t{256} << 20;  // bytes of an answer
};

// Why there is no answer.
enum class Failure {
  none,       // there is one
  connect,    // nobody could be reached; nothing was sent
  timeout,    // not in time; it may have been done all the same
  malformed,  // what came is not HTTP, or too long
  closed,     // the connection ended before the whole answer had come; likewise
};

struct Result {
  Failure failure = Failure::none;
  std::string error = {};  // a sentence, when there is no answer
  unsigned status = 0;
  Headers headers = {};
  std::string body = {};

  bool answered() const { return failure == Failure::none; }
  std::optional<std::string_view> header(std::string_view name) const { return find_header(headers, name); }
};

// Sends requests to one server, over connections that are kept. Loop only.
class Client {
 public:
  using Done = std::function<void(Result)>;

  // `base` is http://HOST[:PORT][/PATH]. Throws Error "BadOption" when it is not; https is not spoken.
  Client(Host host, const std::string& base, ClientLimits limits = {});
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();  // stop()

  // Looks the host's name up, which may wait for the name service. A name that is not found now is not an
  // error: it is looked up again when a request needs it.
  void start();
  // Forgets all requests, without calling back, and closes everything. Not from a callback.
  void stop();

  // Sends METHOD BASE-PATH+TARGET, and calls `done` once, never before this returns. `target` begins with
  // '/', or is empty. Host and Content-Length are the client's to write. `timeout`: instead of the limits';
  // 0: none. Returns a number for cancel. REQUIRES: started.
  std::uint64_t request(std::string method, std::string_view target, Headers headers, std::string body,
                        Done done, std::optional<std::chrono::nanoseconds> timeout = std::nullopt);
  // Forgets a request: `done` is not called. Its connection is closed when it is under way.
  void cancel(std::uint64_t number);

  std::size_t under_way() const;
  std::size_t waiting() const;

 private:
  class Core;
  class Link;

  std::shared_ptr<Core> core_;
};

}  // namespace backplane::http
