// The connection of a ZeroRPC client: a DEALER socket, and the way to another server when there are several
// addresses. One thread at a time.
//
// With one address, libzmq connects and reconnects by itself, and keeps what is sent meanwhile: its first
// events, and then those of calls that are still open. With several, only the first that accepts a connection
// is given anything; when its connection breaks, the next one is tried. A socket is never connected to two
// servers: it would share the events of one channel among them.
#pragma once

#include <backplane/rpc/channels.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/rpc/requests.hpp>
#include <backplane/sockets.hpp>

#include <zmq.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::rpc {

struct LinkSettings {
  // Tells the addresses, at least one. Called by the constructor, and again when all were tried in vain; then
  // the old ones stay when it throws.
  std::function<std::vector<std::string>()> addresses;
  bool bind = false;                                   // all addresses, for a server that connects
  std::int64_t max_payload = std::int64_t{100} << 20;  // a server that sends more is disconnected
};

class Link {
 public:
  using Clock = sockets::Clock;
  // Of an address, when there are others: to accept a connection; and before all are tried again.
  static constexpr std::chrono::milliseconds patience{1000};
  static constexpr std::chrono::milliseconds pause{100};
  // Events that are given to libzmq before the server has taken them: it keeps them whatever becomes of
  // their calls.
  static constexpr int most_in_socket = 1000;

  // `is_open` tells whether a channel still is: what could not be sent before it closed is dropped. Throws
  // Error "ZmqError".
  Link(const sockets::Context& context, LinkSettings settings,
       std::function<bool(const ChannelId& channel)> is_open)
      : context_(context),
        settings_(std::move(settings)),
        is_open_(std::move(is_open)),
        addresses_(settings_.addresses()),
        several_(!settings_.bind && addresses_.size() > 1) {
    open();
  }

  // Where it connects to or has bound to at present; of several bound ones the last.
  const std::string& address() const { return address_; }

  // Sends an event, now or when the server takes it.
  void send(const EventParts& event) {
    auto frame = detail::frame_of(event);
    if (!unsent_.empty() || !ready() || !try_send(frame)) keep({channel_of(event), std::move(frame)});
  }
  // Takes the payload of the next message; false: none now.
  bool receive(sockets::Frame& payload) {
    if (!socket_ || !socket_.try_receive(payload, more_)) return false;
    while (more_ && socket_.try_receive(payload, more_)) {
    }
    return true;
  }

  // What to wait for, until next_look(): fills two items of zmq_poll and returns how many are used.
  int watch(zmq_pollitem_t* items) const {
    int count = 0;
    const bool wants_room = !unsent_.empty() && ready();
    if (socket_)
      items[count++] = {socket_.get(), 0,
                        static_cast<short>(wants_room ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN), 0};
    if (monitor_) items[count++] = {monitor_->events().get(), 0, ZMQ_POLLIN, 0};
    return count;
  }
  Clock::time_point next_look() const {
    if (!several() || (socket_ && up_)) return Clock::time_point::max();
    return retry_at_;
  }

  // Does what is due: sends what waited, tries other addresses. True: the server in use is gone, and nothing
  // that it was sent will be answered any more; when what has still come from it was received, move_on()
  // should be called.
  bool look(Clock::time_point now) {
    const bool gone = several() && watch_connection(now);
    if (!gone) send_waiting();
    return gone;
  }
  // Gives up the server in use for the next one, with all that it was sent. Without others it does nothing.
  void move_on() {
    if (!several()) return;
    if (up_) unsent_.clear();
    leave();
    if (Clock::now() >= retry_at_) try_open();
  }
  bool several() const { return several_; }

  // Ends. What was sent, but is still on its way, may take so long.
  void close(std::chrono::milliseconds linger) {
    send_waiting();
    monitor_.reset();
    if (socket_) socket_.set(ZMQ_LINGER, static_cast<int>(linger.count()));
    socket_ = {};
  }

 private:
  struct Unsent {
    ChannelId channel;
    sockets::Frame frame;
  };

  bool ready() const { return socket_ && (up_ || !several()); }

  void open() {
    sockets::Socket fresh(context_, ZMQ_DEALER);
    fresh.set(ZMQ_MAXMSGSIZE, settings_.max_payload);
    fresh.set(ZMQ_SNDHWM, most_in_socket);
    std::unique_ptr<sockets::Monitor> monitor;
    if (settings_.bind) {
      for (const auto& address : addresses_) address_ = fresh.bind(address);
    } else {
      address_ = addresses_[at_];
      up_ = address_.starts_with("inproc:");  // there at once, and without events
      if (several() && !up_)
        monitor = std::make_unique<sockets::Monitor>(
            context_, fresh,
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED);
      fresh.connect(address_);
    }
    socket_ = std::move(fresh);
    monitor_ = std::move(monitor);
    retry_at_ = Clock::now() + patience;
  }
  void try_open() {
    try {
      open();
    } catch (const Error&) {  // an address that libzmq does not take
      leave();
    }
  }

  void leave() {
    monitor_.reset();
    socket_ = {};
    up_ = false;
    delimited_ = false;
    retry_at_ = Clock::now();
    if (++at_ < addresses_.size()) return;
    at_ = 0;
    retry_at_ += pause;
    try {
      addresses_ = settings_.addresses();
    } catch (...) {
    }
  }

  // True: a connection has broken.
  bool watch_connection(Clock::time_point now) {
    while (const int event = monitor_ ? monitor_->next() : 0) {
      if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        up_ = true;
      } else if (up_) {
        return true;
      } else {
        leave();
      }
    }
    if (socket_ && !up_ && now >= retry_at_) leave();
    if (!socket_ && now >= retry_at_) try_open();
    return false;
  }

  bool try_send(sockets::Frame& payload) {
    if (!delimited_ && !socket_.try_send(std::string_view(), ZMQ_SNDMORE)) return false;
    delimited_ = !socket_.try_send(payload);
    return !delimited_;
  }
  void send_waiting() {
    while (!unsent_.empty() && ready()) {
      if (is_worthless(unsent_.front()) || try_send(unsent_.front().frame)) {
        unsent_.pop_front();
      } else {
        return;
      }
    }
  }

  static ChannelId channel_of(const EventParts& event) {
    constexpr std::size_t front_of_binary = 2;
    const auto id = event.response_to.empty() ? event.id : event.response_to.substr(front_of_binary);
    ChannelId channel;
    std::memcpy(channel.digits.data(), id.data(), std::min(id.size(), channel.digits.size()));
    return channel;
  }
  void keep(Unsent unsent) {
    if (unsent_.size() >= sweep_at_) {
      std::erase_if(unsent_, [this](const Unsent& each) { return is_worthless(each); });
      sweep_at_ = std::max(least_to_sweep, 2 * unsent_.size());
    }
    unsent_.push_back(std::move(unsent));
  }
  // One whose empty frame was sent must follow it.
  bool is_worthless(const Unsent& unsent) const {
    return !is_open_(unsent.channel) && !(delimited_ && &unsent == &unsent_.front());
  }

  const sockets::Context& context_;
  LinkSettings settings_;
  std::function<bool(const ChannelId&)> is_open_;
  std::vector<std::string> addresses_;
  bool several_;  // in the beginning
  std::size_t at_ = 0;
  std::string address_;
  sockets::Socket socket_;
  std::unique_ptr<sockets::Monitor> monitor_;  // with several addresses; ends before its socket
  static constexpr std::size_t least_to_sweep = 1000;
  std::deque<Unsent> unsent_;
  std::size_t sweep_at_ = least_to_sweep;
  bool up_ = false;         // the server at `address_` has accepted the connection
  bool delimited_ = false;  // the empty frame of the first unsent one was sent
  bool more_ = false;
  Clock::time_point retry_at_ = {};
};

}  // namespace backplane::rpc
