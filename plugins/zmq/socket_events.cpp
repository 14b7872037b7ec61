#include "socket_events.hpp"

#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "socket_options.hpp"
#include "wire.hpp"

namespace backplane::zmq {

namespace {

std::string next_endpoint() {
  static std::atomic<std::uint64_t> last{0};
  return "inproc://backplane-zmq-monitor-" + std::to_string(++last);
}

}  // namespace

void SocketEvents::Close::operator()(void* socket) const { zmq_close(socket); }

SocketEvents::SocketEvents(const Host& host, void* socket, int wanted)
    : observed_(socket), events_(zmq_socket(host.zmq_context(), ZMQ_PAIR)) {
  const auto endpoint = next_endpoint();
  if (!events_) throw Error("MonitorFailed", zmq_strerror(errno));
  // Without a limit: libzmq's own thread would wait for us at the high-water mark.
  set_option(events_.get(), "monitor", ZMQ_RCVHWM, 0);
  set_option(events_.get(), "monitor", ZMQ_LINGER, 0);
  if (zmq_socket_monitor(observed_, endpoint.c_str(), wanted) != 0 ||
      zmq_connect(events_.get(), endpoint.c_str()) != 0)
    throw Error("MonitorFailed", zmq_strerror(errno));
}

SocketEvents::~SocketEvents() { zmq_socket_monitor(observed_, nullptr, 0); }

// An event is two frames: its number (16 bits) and value (32 bits), then the address.
std::optional<SocketEvent> SocketEvents::next() {
  Frame what;
  Frame address;
  std::uint16_t number = 0;
  std::uint32_t value = 0;
  do {
    if (zmq_msg_recv(what.raw(), events_.get(), ZMQ_DONTWAIT) < 0) return std::nullopt;
    if (zmq_msg_more(what.raw()) == 0) return std::nullopt;
    if (zmq_msg_recv(address.raw(), events_.get(), ZMQ_DONTWAIT) < 0) return std::nullopt;
  } while (what.view().size() < sizeof number + sizeof value);
  std::memcpy(&number, what.view().data(), sizeof number);
  std::memcpy(&value, what.view().data() + sizeof number, sizeof value);
  return SocketEvent{number, value, std::string(address.view())};
}

}  // namespace backplane::zmq
