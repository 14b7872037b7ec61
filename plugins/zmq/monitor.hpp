// Counts what happens to the connections of a socket: gauge `peers`, counters `connected`, `disconnected`,
// `handshakes_failed`. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>

#include <string>

namespace backplane::zmq {

class Monitor {
 public:
  // Begins to watch `socket`. Throws Error.
  Monitor(Host host, void* socket);
  // REQUIRES: the socket is still open.
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

 private:
  void read_events();
  void note(unsigned event, unsigned value, const std::string& address);

  Host host_;
  void* monitored_;
  void* events_;
  Gauge peers_;
  Counter connected_;
  Counter disconnected_;
  Counter handshakes_failed_;
  Watch watch_;
};

}  // namespace backplane::zmq
