// Counts what happens to the connections of a socket: gauge `peers`, counters `connected`, `disconnected`,
// `handshakes_failed`. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>

#include "socket_events.hpp"

namespace backplane::zmq {

class Monitor {
 public:
  // Begins to watch `socket`. Throws Error.
  Monitor(Host host, void* socket);
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

 private:
  void note(const SocketEvent& event);

  Host host_;
  SocketEvents events_;
  Gauge peers_;
  Counter connected_;
  Counter disconnected_;
  Counter handshakes_failed_;
  Watch watch_;
};

}  // namespace backplane::zmq
