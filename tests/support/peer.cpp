#include "support/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <stdexcept>

namespace backplane::test {

namespace {

using Clock = std::chrono::steady_clock;

void check(int result, const std::string& what) {
  if (result < 0) throw std::runtime_error(what + ": " + zmq_strerror(zmq_errno()));
}

}  // namespace

std::string free_endpoint() {
  const int asked = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found = ::bind(asked, generic, size) == 0 && ::getsockname(asked, generic, &size) == 0;
  ::close(asked);
  if (!found) throw std::runtime_error("the system gave no free port");
  return "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

Peer::Peer(int type) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
  if (socket_ == nullptr) throw std::runtime_error(std::string("zmq_socket: ") + zmq_strerror(zmq_errno()));
  set(ZMQ_LINGER, 0);
  set(ZMQ_RECONNECT_IVL, 10);
}

Peer::~Peer() {
  zmq_close(socket_);
  zmq_ctx_term(context_);
}

Peer& Peer::connect(const std::string& endpoint) {
  check(zmq_connect(socket_, endpoint.c_str()), "connect to " + endpoint);
  return *this;
}

std::string Peer::bind(const std::string& endpoint) {
  check(zmq_bind(socket_, endpoint.c_str()), "bind " + endpoint);
  char bound[256];
  std::size_t size = sizeof bound;
  check(zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, bound, &size), "ZMQ_LAST_ENDPOINT");
  return bound;
}

Peer& Peer::subscribe(std::string_view topic) { return set(ZMQ_SUBSCRIBE, topic); }

Peer& Peer::set(int option, int value) {
  check(zmq_setsockopt(socket_, option, &value, sizeof value), "set option " + std::to_string(option));
  return *this;
}

Peer& Peer::set(int option, std::string_view value) {
  check(zmq_setsockopt(socket_, option, value.data(), value.size()), "set option " + std::to_string(option));
  return *this;
}

bool Peer::wait_for(short events, Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
  zmq_pollitem_t item{socket_, 0, events, 0};
  return zmq_poll(&item, 1, std::max<long>(0, left)) > 0;
}

bool Peer::send(const Frames& frames, std::chrono::nanoseconds limit) {
  const auto end = Clock::now() + limit;
  for (std::size_t i = 0; i < frames.size();) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_, frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | more) >= 0) {
      ++i;
    } else if (zmq_errno() != EAGAIN || !wait_for(ZMQ_POLLOUT, end)) {
      return false;
    }
  }
  return true;
}

std::optional<Frames> Peer::receive(std::chrono::nanoseconds limit) {
  if (!wait_for(ZMQ_POLLIN, Clock::now() + limit)) return std::nullopt;
  Frames frames;
  int more = 1;
  while (more != 0) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    check(zmq_msg_recv(&frame, socket_, 0), "receive");
    frames.emplace_back(static_cast<const char*>(zmq_msg_data(&frame)), zmq_msg_size(&frame));
    more = zmq_msg_more(&frame);
    zmq_msg_close(&frame);
  }
  return frames;
}

std::vector<Frames> Peer::receive_many(std::size_t count, std::chrono::nanoseconds limit) {
  const auto end = Clock::now() + limit;
  std::vector<Frames> all;
  while (all.size() < count) {
    auto frames = receive(std::max(std::chrono::nanoseconds(0), end - Clock::now()));
    if (!frames) break;
    all.push_back(std::move(*frames));
  }
  return all;
}

std::vector<std::string> Peer::receive_texts(std::size_t count, std::chrono::nanoseconds limit) {
  std::vector<std::string> texts;
  for (auto& frames : receive_many(count, limit)) texts.push_back(std::move(frames.front()));
  return texts;
}

}  // namespace backplane::test
