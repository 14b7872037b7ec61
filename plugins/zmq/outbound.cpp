#include "outbound.hpp"

#include <zmq.h>

#include <algorithm>

namespace backplane::zmq {

namespace {

// A publisher cannot be watched for room: libzmq calls it writable at all times. It is asked again instead.
constexpr auto first_retry = std::chrono::microseconds(500);
constexpr auto longest_retry = std::chrono::milliseconds(10);

void set_lossless(void* socket, bool lossless) {
  set_option(socket, "slow", ZMQ_XPUB_NODROP, lossless ? 1 : 0);
}

// Lets libzmq notice what peers have read and who has come or gone.
void look_at(void* socket) {
  int events = 0;
  std::size_t size = sizeof events;
  zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
}

}  // namespace

Publisher::Publisher(Host host, int type)
    : host_(host),
      outlet_(host, type),
      slow_limit_(host.option("slow_limit")),
      drop_(host.option("slow") == "drop"),
      left_behind_(host, "left_behind", "times that slow subscribers were left behind and missed messages"),
      retry_after_(first_retry) {
  if (const auto topic = host.option("topic"); topic.present()) topic_.emplace(topic.view());
}

void Publisher::start(std::function<void()> readable) {
  outlet_.start(std::move(readable), [](void* socket) { set_lossless(socket, true); });
}

void Publisher::stop() {
  retry_.end();
  outlet_.stop();
}

Taken Publisher::send(Message& message) {
  if (!try_send(message)) {
    if (may_wait()) return wait();
    leave_slow_behind(message);
  }
  waiting_since_ = 0;
  retry_after_ = first_retry;
  return Taken::yes;
}

bool Publisher::try_send(Message& message) {
  return send_message(outlet_.socket(), topic_ ? std::span<Frame>(&*topic_, 1) : std::span<Frame>{}, message);
}

bool Publisher::may_wait() {
  if (drop_) return false;
  const auto now = host_.now();
  if (waiting_since_ == 0) waiting_since_ = now;
  return slow_limit_ == 0 || now - waiting_since_ < slow_limit_;
}

// Those with room get the message. libzmq leaves the others out, of this and of what follows, until they have
// made room: it tells nobody what they missed.
void Publisher::leave_slow_behind(Message& message) {
  set_lossless(outlet_.socket(), false);
  const bool sent = try_send(message);
  set_lossless(outlet_.socket(), true);
  if (!sent) throw Error("SendFailed", "the publisher takes no message");
  left_behind_.happened(
      "a slow subscriber was left behind: it misses messages until it has read what waits for it");
}

Taken Publisher::wait() {
  retry_ = host_.after(retry_after_, [this] {
    look_at(outlet_.socket());
    host_.resume();
  });
  retry_after_ = std::min<std::chrono::nanoseconds>(retry_after_ * 2, longest_retry);
  return Taken::busy;
}

void Xpub::start() {
  publisher_.start([this] {
    receiver_.run(publisher_.socket(), [this](Message message) {
      return !host_.routed() || host_.send(std::move(message)) != Sent::pause;
    });
  });
}

}  // namespace backplane::zmq
