// What libzmq tells of a socket's connections. Belongs to the loop of the component that has the socket; a
// socket can have one of these.
#pragma once

#include <backplane/host.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace backplane::zmq {

struct SocketEvent {
  unsigned what = 0;   // ZMQ_EVENT_...
  unsigned value = 0;  // a descriptor, an errno or a reason, as libzmq has it for this event
  std::string address;
};

class SocketEvents {
 public:
  // Begins to note the events in `wanted` of `socket`, a mask of ZMQ_EVENT_... Throws Error.
  SocketEvents(const Host& host, void* socket, int wanted);
  // REQUIRES: the socket is still open.
  ~SocketEvents();
  SocketEvents(const SocketEvents&) = delete;
  SocketEvents& operator=(const SocketEvents&) = delete;

  // The next event, or nothing for now.
  std::optional<SocketEvent> next();
  // To be watched: readable when there may be an event.
  void* socket() const { return events_.get(); }

 private:
  struct Close {
    void operator()(void* socket) const;
  };

  void* observed_;
  std::unique_ptr<void, Close> events_;
};

}  // namespace backplane::zmq
