// A raw ZeroMQ socket: what is on the other side of the wire.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/eventually.hpp"

namespace backplane::test {

using Frames = std::vector<std::string>;

// An endpoint on loopback whose port the system says is free now.
std::string free_endpoint();

// All waiting has a limit, kPatience unless told. One thread at a time. Failures of libzmq throw
// std::runtime_error.
class Peer {
 public:
  // `type` is a socket type of libzmq, such as ZMQ_PUSH.
  explicit Peer(int type);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  Peer& connect(const std::string& endpoint);
  // Binds and returns the endpoint; port * is one that the system chose.
  std::string bind(const std::string& endpoint = "tcp://127.0.0.1:*");
  Peer& subscribe(std::string_view topic = {});
  Peer& set(int option, int value);
  Peer& set(int option, std::string_view value);

  // True when the socket took the message within the limit.
  bool send(const Frames& frames, std::chrono::nanoseconds limit = kPatience);
  // The next message; none within the limit: nothing.
  std::optional<Frames> receive(std::chrono::nanoseconds limit = kPatience);
  // A message if there is one now.
  std::optional<Frames> receive_now() { return receive(std::chrono::nanoseconds(0)); }
  // Up to `count` messages, fewer when they do not come within the limit.
  std::vector<Frames> receive_many(std::size_t count, std::chrono::nanoseconds limit = kPatience);
  // The first frame of each.
  std::vector<std::string> receive_texts(std::size_t count, std::chrono::nanoseconds limit = kPatience);

  void* socket() { return socket_; }

 private:
  bool wait_for(short events, std::chrono::steady_clock::time_point end);

  void* context_;
  void* socket_;
};

}  // namespace backplane::test
