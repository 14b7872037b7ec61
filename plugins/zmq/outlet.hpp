// The way out of a component: a socket that says no when it is full, and when it has room again.
#pragma once

#include <backplane/plugin.hpp>

#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "socket.hpp"

namespace backplane::zmq {

// Belongs to the component's loop.
class Outlet {
 public:
  Outlet(Host host, int type) : host_(host), type_(type), plan_(host) {}

  // Opens the socket. `readable` is called while it has something to read. Throws Error.
  void start(std::function<void()> readable = {}, const std::function<void(void*)>& prepare = {}) {
    readable_ = std::move(readable);
    reading_ = readable_ ? BP_READABLE : 0u;
    socket_ = std::make_unique<Socket>(host_, type_, plan_, prepare);
    watch();
  }
  void stop() {
    watch_.end();
    socket_.reset();
  }
  // Forgets what the socket has sent and may yet receive, and begins anew. Throws Error and keeps the socket
  // when there cannot be another. REQUIRES: it connects; not called by `readable`.
  void reopen(const std::function<void(void*)>& prepare = {}) {
    auto fresh = std::make_unique<Socket>(host_, type_, plan_, prepare);
    watch_.end();
    socket_ = std::move(fresh);
    watch();
  }

  // Sends the message whole, or says busy; then the host is told when there is room. Throws Error.
  Taken send(std::span<Frame> prefix, Message& message) {
    if (send_message(socket_->get(), prefix, message)) return Taken::yes;
    if (!std::exchange(waiting_, true)) watch_.events(wanted());
    return Taken::busy;
  }
  Taken send(Message& message) { return send({}, message); }

  void* socket() const { return socket_->get(); }
  const SocketPlan& plan() const { return plan_; }
  // Calls `readable` no more.
  void stop_reading() {
    reading_ = 0;
    watch_.events(wanted());
  }

 private:
  // Watched even when it only sends: libzmq needs a call now and then to let go of peers that have left.
  void watch() {
    watch_ = host_.watch_socket(socket_->get(), wanted(), [this](std::uint32_t events) { ready(events); });
  }

  std::uint32_t wanted() const { return waiting_ ? reading_ | BP_WRITABLE : reading_; }

  void ready(std::uint32_t events) {
    if ((events & BP_WRITABLE) != 0 && waiting_) {
      waiting_ = false;
      watch_.events(wanted());
      host_.resume();
    }
    if ((events & BP_READABLE) != 0 && readable_) readable_();
  }

  Host host_;
  int type_;
  SocketPlan plan_;
  std::function<void()> readable_;
  std::uint32_t reading_ = 0;
  bool waiting_ = false;
  std::unique_ptr<Socket> socket_;
  Watch watch_;
};

}  // namespace backplane::zmq
