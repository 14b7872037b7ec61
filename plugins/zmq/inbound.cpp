#include "inbound.hpp"

#include <zmq.h>

#include <utility>

namespace backplane::zmq {

namespace {

constexpr char subscribe_mark = '\x01';

// No topics given: everything, which is the empty prefix.
std::vector<std::string> read_topics(const Host& host) {
  const auto topics = host.option("topics");
  return topics.given() ? topics.list() : std::vector<std::string>{""};
}

}  // namespace

Inlet::Inlet(Host host, int type, Take take)
    : host_(host), type_(type), plan_(host), take_(std::move(take)), receiver_(host) {
  if (!take_) take_ = [this](Message message) { return host_.send(std::move(message)) != Sent::pause; };
}

void Inlet::start(const std::function<void(void*)>& prepare) {
  socket_.emplace(host_, type_, plan_, prepare);
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE | BP_ALONE,
                              [this](std::uint32_t) { receiver_.run(socket_->get(), take_); });
}

void Inlet::stop() {
  watch_.end();
  socket_.reset();
}

Sub::Sub(Host host) : topics_(read_topics(host)), inlet_(host, ZMQ_SUB) {
  if (topics_.empty())
    throw Error("BadOption",
                "option \"topics\": an empty list takes nothing; leave it out to take everything");
}

void Sub::start() {
  inlet_.start([this](void* socket) {
    for (const auto& topic : topics_)
      if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic.data(), topic.size()) != 0)
        throw Error("BadOption",
                    "option \"topics\": cannot subscribe to \"" + topic + "\": " + zmq_strerror(errno));
  });
}

// Without topics it takes nothing until subscriptions are sent to it.
Xsub::Xsub(Host host)
    : host_(host), topics_(host.option("topics").list()), receiver_(host), outlet_(host, ZMQ_XSUB) {}

void Xsub::start() {
  outlet_.start([this] {
    receiver_.run(outlet_.socket(),
                  [this](Message message) { return host_.send(std::move(message)) != Sent::pause; });
  });
  for (const auto& topic : topics_) {
    Message subscription = host_.message({subscribe_mark + topic});
    send_message(outlet_.socket(),
                 subscription);  // an XSUB takes subscriptions at any time, also without peers
  }
}

}  // namespace backplane::zmq
