#include "monitor.hpp"

#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "socket_options.hpp"
#include "wire.hpp"

namespace backplane::zmq {

namespace {

constexpr int failed_handshakes = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                  ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr int all_events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
                           ZMQ_EVENT_ACCEPT_FAILED | failed_handshakes;

std::string next_endpoint() {
  static std::atomic<std::uint64_t> last{0};
  return "inproc://backplane-zmq-monitor-" + std::to_string(++last);
}

}  // namespace

Monitor::Monitor(Host host, void* socket)
    : host_(host),
      monitored_(socket),
      events_(zmq_socket(host.zmq_context(), ZMQ_PAIR)),
      peers_(host.gauge("peers", "connections open now")),
      connected_(host.counter("connected", "connections that were opened")),
      disconnected_(host.counter("disconnected", "connections that ended")),
      handshakes_failed_(host.counter("handshakes_failed", "connections refused or not speaking ZeroMQ")) {
  const auto endpoint = next_endpoint();
  if (events_ == nullptr) throw Error("MonitorFailed", zmq_strerror(errno));
  // Without a limit: libzmq's own thread would wait for us at the high-water mark.
  set_option(events_, "monitor", ZMQ_RCVHWM, 0);
  set_option(events_, "monitor", ZMQ_LINGER, 0);
  if (zmq_socket_monitor(monitored_, endpoint.c_str(), all_events) != 0 ||
      zmq_connect(events_, endpoint.c_str()) != 0) {
    const std::string why = zmq_strerror(errno);
    zmq_close(events_);
    throw Error("MonitorFailed", why);
  }
  watch_ = host_.watch_socket(events_, BP_READABLE | BP_ALWAYS | BP_ALONE,
                              [this](std::uint32_t) { read_events(); });
}

Monitor::~Monitor() {
  watch_.end();
  zmq_socket_monitor(monitored_, nullptr, 0);
  zmq_close(events_);
}

// An event is two frames: its number (16 bits) and value (32 bits), then the address.
void Monitor::read_events() {
  Frame what;
  Frame address;
  while (zmq_msg_recv(what.raw(), events_, ZMQ_DONTWAIT) >= 0) {
    if (zmq_msg_more(what.raw()) == 0 || zmq_msg_recv(address.raw(), events_, ZMQ_DONTWAIT) < 0) return;
    std::uint16_t event = 0;
    std::uint32_t value = 0;
    if (what.view().size() < sizeof event + sizeof value) continue;
    std::memcpy(&event, what.view().data(), sizeof event);
    std::memcpy(&value, what.view().data() + sizeof event, sizeof value);
    note(event, value, std::string(address.view()));
  }
}

void Monitor::note(unsigned event, unsigned value, const std::string& address) {
  if (event == ZMQ_EVENT_ACCEPTED || event == ZMQ_EVENT_CONNECTED) {
    connected_.add();
    peers_.add();
    host_.log(Severity::debug, "a connection was opened at " + address);
  } else if (event == ZMQ_EVENT_DISCONNECTED) {
    disconnected_.add();
    if (peers_.value() > 0) peers_.add(-1);
    host_.log(Severity::debug, "a connection has ended at " + address);
  } else if ((event & failed_handshakes) != 0) {
    handshakes_failed_.add();
    host_.log(Severity::debug,
              "a handshake failed at " + address + " (reason " + std::to_string(value) + ")");
  } else {
    host_.log(Severity::debug, "a connection could not be accepted at " + address + ": " +
                                   zmq_strerror(static_cast<int>(value)));
  }
}

}  // namespace backplane::zmq
