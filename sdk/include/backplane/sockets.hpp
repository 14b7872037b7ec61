// libzmq's sockets for clients in programs of their own: no host, no loop. Failures of libzmq throw Error
// "ZmqError". A socket is used by one thread at a time.
#pragma once

#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/uuid.hpp>

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::sockets {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void throw_zmq(const std::string& what) {
  throw Error("ZmqError", what + ": " + zmq_strerror(zmq_errno()));
}

// The argument of zmq_poll for a wait; in no case for ever.
inline long poll_time(Clock::duration left) {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<long>(std::clamp<std::int64_t>(milliseconds, 0, std::numeric_limits<int>::max()));
}

// So long from now; at the end of time when it is longer than that.
inline Clock::time_point from_now(std::chrono::nanoseconds span) {
  const auto now = Clock::now();
  return span < Clock::time_point::max() - now ? now + span : Clock::time_point::max();
}
// When `wait` from now is over; 0: never.
inline Clock::time_point after(std::chrono::nanoseconds wait) {
  return wait.count() <= 0 ? Clock::time_point::max() : from_now(wait);
}

// A context that is ours, or somebody else's.
class Context {
 public:
  explicit Context(void* borrowed) : owned_(borrowed == nullptr), context_(borrowed) {
    if (owned_) context_ = zmq_ctx_new();
    if (context_ == nullptr) throw_zmq("no context");
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    while (owned_ && zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
    }
  }
  void* get() const { return context_; }

 private:
  bool owned_;
  void* context_;
};

// One frame, owned.
class Frame {
 public:
  Frame() { zmq_msg_init(&message_); }
  // Of so many bytes, to be written to data(). Throws std::bad_alloc.
  explicit Frame(std::size_t size) {
    if (zmq_msg_init_size(&message_, size) != 0) throw std::bad_alloc();
  }
  Frame(Frame&& other) noexcept : Frame() { zmq_msg_move(&message_, &other.message_); }
  Frame& operator=(Frame&& other) noexcept {
    if (this != &other) zmq_msg_move(&message_, &other.message_);
    return *this;
  }
  ~Frame() { zmq_msg_close(&message_); }

  // Valid until the frame is moved or changed.
  std::string_view view() const { return frame_view(message_); }
  char* data() { return static_cast<char*>(zmq_msg_data(&message_)); }
  zmq_msg_t* raw() { return &message_; }

 private:
  zmq_msg_t message_;
};

// A socket, or none.
class Socket {
 public:
  Socket() = default;
  Socket(const Context& context, int type) : socket_(zmq_socket(context.get(), type)) {
    if (socket_ == nullptr) throw_zmq("no socket");
    set(ZMQ_LINGER, 0);
  }
  Socket(Socket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~Socket() {
    if (socket_ != nullptr) zmq_close(socket_);
  }

  explicit operator bool() const { return socket_ != nullptr; }
  void* get() const { return socket_; }

  void set(int option, int value) {
    if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) throw_zmq("socket option");
  }
  void set(int option, std::int64_t value) {
    if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) throw_zmq("socket option");
  }
  void set(int option, std::string_view value) {
    if (zmq_setsockopt(socket_, option, value.data(), value.size()) != 0) throw_zmq("socket option");
  }
  void connect(const std::string& address) {
    if (zmq_connect(socket_, address.c_str()) != 0) throw_zmq("cannot connect to \"" + address + '"');
  }
  // Returns the address as bound: port * is one that the system chose.
  std::string bind(const std::string& address) {
    if (zmq_bind(socket_, address.c_str()) != 0) throw_zmq("cannot bind \"" + address + '"');
    std::string bound(512, '\0');
    std::size_t size = bound.size();
    if (zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, bound.data(), &size) != 0) throw_zmq("socket option");
    bound.resize(size == 0 ? 0 : size - 1);
    return bound;
  }

  // False: no room now.
  bool try_send(std::string_view bytes, int flags = 0) {
    while (zmq_send(socket_, bytes.data(), bytes.size(), ZMQ_DONTWAIT | flags) < 0) {
      if (zmq_errno() == EAGAIN) return false;
      if (zmq_errno() != EINTR) throw_zmq("cannot send");
    }
    return true;
  }
  // Likewise; what was sent has left the frame.
  bool try_send(Frame& frame, int flags = 0) {
    while (zmq_msg_send(frame.raw(), socket_, ZMQ_DONTWAIT | flags) < 0) {
      if (zmq_errno() == EAGAIN) return false;
      if (zmq_errno() != EINTR) throw_zmq("cannot send");
    }
    return true;
  }

  // The next frame; false: none now. `more`: it is not the last of its message.
  bool try_receive(Frame& frame, bool& more) {
    while (zmq_msg_recv(frame.raw(), socket_, ZMQ_DONTWAIT) < 0) {
      if (zmq_errno() == EAGAIN) return false;
      if (zmq_errno() != EINTR) throw_zmq("cannot receive");
    }
    more = zmq_msg_more(frame.raw()) != 0;
    return true;
  }
  // The frames of one message; false: none now.
  bool try_receive(std::vector<std::string>& frames) {
    frames.clear();
    Frame frame;
    for (bool more = true; more;) {
      if (!try_receive(frame, more)) return false;
      frames.emplace_back(frame.view());
    }
    return true;
  }

  // True when one of `events` is there, false after `until`.
  bool wait(short events, Clock::time_point until) const {
    for (;;) {
      zmq_pollitem_t item{socket_, 0, events, 0};
      const int ready = zmq_poll(&item, 1, poll_time(until - Clock::now()));
      if (ready > 0) return true;
      if (ready < 0 && zmq_errno() != EINTR) throw_zmq("cannot wait");
      if (Clock::now() >= until) return false;
    }
  }

 private:
  void* socket_ = nullptr;
};

// Tells what becomes of a socket's connections. Made before it connects or binds.
class Monitor {
 public:
  // `events` are ZMQ_EVENT_...; of inproc there are none.
  Monitor(const Context& context, Socket& watched, int events) : watched_(watched.get()) {
    const auto name = "inproc://backplane.monitor." + new_uuid();
    if (zmq_socket_monitor(watched_, name.c_str(), events) != 0) throw_zmq("no monitor");
    events_ = Socket(context, ZMQ_PAIR);
    events_.connect(name);
  }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  // REQUIRES: the socket is open.
  ~Monitor() { zmq_socket_monitor(watched_, nullptr, 0); }

  // Readable when there is an event.
  const Socket& events() const { return events_; }
  // The next event; 0: none now.
  int next() {
    Frame frame;
    bool more = false;
    if (!events_.try_receive(frame, more)) return 0;
    std::uint16_t event = 0;  // in this machine's byte order, in front of a value
    if (frame.view().size() >= sizeof event) std::memcpy(&event, frame.view().data(), sizeof event);
    while (more && events_.try_receive(frame, more)) {
    }
    return event;
  }

 private:
  void* watched_;
  Socket events_;
};

// Tells when a socket has its first connection, subscriptions and all. Made before it connects.
class FirstConnection {
 public:
  FirstConnection(const Context& context, Socket& watched, std::string address)
      : address_(std::move(address)) {
    if (address_.starts_with("inproc:")) return;  // there at once, and without events
    monitor_ = std::make_unique<Monitor>(context, watched, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
  }

  // nullptr: the transport connects at once.
  const Socket* events() const { return monitor_ ? &monitor_->events() : nullptr; }
  const std::string& address() const { return address_; }

 private:
  std::string address_;
  std::unique_ptr<Monitor> monitor_;
};

}  // namespace backplane::sockets
