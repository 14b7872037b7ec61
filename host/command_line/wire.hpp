// A ZeroMQ socket with a context of its own, for commands that talk to the outside themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/arguments.hpp"
#include "command_line/frames.hpp"

namespace backplane::host {

// The values of --socket.
const std::vector<std::string>& send_socket_names();
const std::vector<std::string>& listen_socket_names();

// One thread. Times of 0 mean "without limit". Failures of libzmq throw std::runtime_error with its text.
class WireSocket {
 public:
  enum class Waited { ready, timeout, interrupted };

  // `name` as in --socket, except that "pub" is made of an XPUB socket, which tells of subscribers and does
  // not drop.
  explicit WireSocket(const std::string& name);
  ~WireSocket();  // drops what is unsent
  WireSocket(const WireSocket&) = delete;
  WireSocket& operator=(const WireSocket&) = delete;

  // `option` and `value` as for zmq_setsockopt.
  void set(int option, int value);
  void set(int option, std::int64_t value);
  void set(int option, std::string_view value);

  // Binds or connects; returns the endpoint with its port when it was a wildcard. An endpoint that cannot be
  // one throws UsageError.
  std::string open(const std::string& endpoint, bool bind);

  // Sends all frames, or nothing and returns false when there is no room now.
  bool try_send(const Frames& frames);
  // Receives all frames into `frames`, whose strings are reused; false when there is nothing now.
  bool try_receive(Frames& frames);
  // Waits for ZMQ_POLLIN, ZMQ_POLLOUT or both; `interrupt`: a descriptor that is readable when it should
  // stop waiting, -1: none.
  Waited wait(short events, std::chrono::nanoseconds timeout, int interrupt = -1);

  // Closes the socket when everything sent has gone to the peer; false when that took longer than `timeout`
  // and something may be lost.
  bool close(std::chrono::nanoseconds timeout);

 private:
  void end();

  void* context_;
  void* socket_;
};

}  // namespace backplane::host
