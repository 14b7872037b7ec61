#include "monitor.hpp"

#include <zmq.h>

namespace backplane::zmq {

namespace {

constexpr unsigned failed_handshakes = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr int counted_events =
    static_cast<int>(ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
                     ZMQ_EVENT_ACCEPT_FAILED | failed_handshakes);

}  // namespace

Monitor::Monitor(Host host, void* socket)
    : host_(host),
      events_(host, socket, counted_events),
      peers_(host.gauge("peers", "connections open now")),
      connected_(host.counter("connected", "connections that were opened")),
      disconnected_(host.counter("disconnected", "connections that ended")),
      handshakes_failed_(host.counter("handshakes_failed", "connections refused or not speaking ZeroMQ")) {
  watch_ = host_.watch_socket(events_.socket(), BP_READABLE | BP_ALWAYS | BP_ALONE, [this](std::uint32_t) {
    while (const auto event = events_.next()) note(*event);
  });
}

void Monitor::note(const SocketEvent& event) {
  if (event.what == ZMQ_EVENT_ACCEPTED || event.what == ZMQ_EVENT_CONNECTED) {
    connected_.add();
    peers_.add();
    host_.log(Severity::debug, "a connection was opened at " + event.address);
  } else if (event.what == ZMQ_EVENT_DISCONNECTED) {
    disconnected_.add();
    if (peers_.value() > 0) peers_.add(-1);
    host_.log(Severity::debug, "a connection has ended at " + event.address);
  } else if ((event.what & failed_handshakes) != 0) {
    handshakes_failed_.add();
    host_.log(Severity::debug,
              "a handshake failed at " + event.address + " (reason " + std::to_string(event.value) + ")");
  } else {
    host_.log(Severity::debug, "a connection could not be accepted at " + event.address + ": " +
                                   zmq_strerror(static_cast<int>(event.value)));
  }
}

}  // namespace backplane::zmq
