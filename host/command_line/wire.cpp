#include "command_line/wire.hpp"

#include <zmq.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "command_line/console.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

using Clock = std::chrono::steady_clock;

struct SocketType {
  const char* name;
  int type;
  bool sends;
  bool listens;
};

constexpr SocketType socket_types[] = {
    {"push", ZMQ_PUSH, true, false},    {"pub", ZMQ_XPUB, true, false},     {"req", ZMQ_REQ, true, false},
    {"pull", ZMQ_PULL, false, true},    {"sub", ZMQ_SUB, false, true},      {"rep", ZMQ_REP, false, true},
    {"dealer", ZMQ_DEALER, true, true}, {"router", ZMQ_ROUTER, true, true}, {"pair", ZMQ_PAIR, true, true},
};

std::vector<std::string> names(bool SocketType::*wanted) {
  std::vector<std::string> all;
  for (const auto& type : socket_types)
    if (type.*wanted) all.emplace_back(type.name);
  return all;
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + zmq_strerror(zmq_errno()));
}

void check(int result, const char* what) {
  if (result != 0) fail(what);
}

// As zmq_poll wants it: -1 without limit, otherwise rounded up.
long poll_time(std::chrono::nanoseconds time) {
  if (time.count() == 0) return -1;
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

}  // namespace

const std::vector<std::string>& send_socket_names() {
  static const auto all = names(&SocketType::sends);
  return all;
}

const std::vector<std::string>& listen_socket_names() {
  static const auto all = names(&SocketType::listens);
  return all;
}

WireSocket::WireSocket(const std::string& name) : context_(zmq_ctx_new()), socket_(nullptr) {
  const auto* type = std::find_if(std::begin(socket_types), std::end(socket_types),
                                  [&](const auto& t) { return t.name == name; });
  if (type == std::end(socket_types)) {
    zmq_ctx_term(context_);
    throw UsageError("\"" + name + "\" is no type of socket");
  }
  socket_ = zmq_socket(context_, type->type);
  if (socket_ == nullptr) {
    zmq_ctx_term(context_);
    fail("cannot make a socket");
  }
  if (type->type == ZMQ_XPUB) set(ZMQ_XPUB_NODROP, 1);
  if (type->type == ZMQ_ROUTER) set(ZMQ_ROUTER_MANDATORY, 1);
}

WireSocket::~WireSocket() {
  if (socket_ == nullptr) return;
  const int none = 0;
  zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
  end();
}

void WireSocket::end() {
  zmq_close(socket_);
  socket_ = nullptr;
  while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
  }
}

void WireSocket::set(int option, int value) {
  check(zmq_setsockopt(socket_, option, &value, sizeof value), "cannot set a socket option");
}
void WireSocket::set(int option, std::int64_t value) {
  check(zmq_setsockopt(socket_, option, &value, sizeof value), "cannot set a socket option");
}
void WireSocket::set(int option, std::string_view value) {
  check(zmq_setsockopt(socket_, option, value.data(), value.size()), "cannot set a socket option");
}

std::string WireSocket::open(const std::string& endpoint, bool bind) {
  if (const auto error = endpoint_error(endpoint, bind)) throw UsageError(*error);
  if (endpoint.starts_with("inproc://"))
    throw UsageError(in_quotes(endpoint) + " exists only inside one process; use tcp:// or ipc://");
  const int result = bind ? zmq_bind(socket_, endpoint.c_str()) : zmq_connect(socket_, endpoint.c_str());
  if (result != 0) fail((bind ? "cannot bind " : "cannot connect to ") + endpoint);
  char last[1024];
  std::size_t size = sizeof last;
  check(zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, last, &size), "cannot read the endpoint");
  return last;
}

bool WireSocket::try_send(const Frames& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    // Only the first frame can find no room: after it the others are taken.
    const int wait = i == 0 ? ZMQ_DONTWAIT : 0;
    if (zmq_send(socket_, frames[i].data(), frames[i].size(), wait | more) >= 0) continue;
    if (zmq_errno() == EAGAIN && i == 0) return false;
    if (zmq_errno() == EINTR) {
      --i;
      continue;
    }
    if (zmq_errno() == EHOSTUNREACH)
      throw std::runtime_error("no peer has the identity " + in_quotes(frames[0]) +
                               ", the first frame of a message that a router socket sends");
    fail("cannot send");
  }
  return true;
}

bool WireSocket::try_receive(Frames& frames) {
  std::size_t count = 0;
  for (int more = 1; more != 0;) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket_, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&frame);
      if (zmq_errno() == EINTR) continue;
      if (zmq_errno() == EAGAIN && count == 0) return false;
      fail("cannot receive");
    }
    if (frames.size() <= count) frames.emplace_back();
    frames[count++].assign(static_cast<const char*>(zmq_msg_data(&frame)), zmq_msg_size(&frame));
    more = zmq_msg_more(&frame);
    zmq_msg_close(&frame);
  }
  frames.resize(count);
  return true;
}

WireSocket::Waited WireSocket::wait(short events, std::chrono::nanoseconds timeout, int interrupt) {
  const auto end = Clock::now() + timeout;
  zmq_pollitem_t items[] = {{socket_, 0, events, 0}, {nullptr, interrupt, ZMQ_POLLIN, 0}};
  while (zmq_poll(items, interrupt >= 0 ? 2 : 1, poll_time(timeout)) < 0) {
    if (zmq_errno() != EINTR) fail("cannot wait");
    if (timeout.count() != 0)
      timeout = std::max<std::chrono::nanoseconds>(end - Clock::now(), std::chrono::nanoseconds(1));
  }
  if (items[1].revents != 0) return Waited::interrupted;
  return items[0].revents != 0 ? Waited::ready : Waited::timeout;
}

bool WireSocket::close(std::chrono::nanoseconds timeout) {
  // libzmq does not tell whether a linger ended because all was sent or because its time was over. It counts
  // whole milliseconds, so its time may be over a little early: it is given more than is compared with.
  constexpr long early = 5;
  constexpr long longest = std::numeric_limits<int>::max() - early;
  const auto limit = std::min(poll_time(timeout), longest);
  set(ZMQ_LINGER, static_cast<int>(limit < 0 ? -1 : limit + early));
  const auto begin = Clock::now();
  end();
  return limit < 0 || Clock::now() - begin < std::chrono::milliseconds(limit);
}

}  // namespace backplane::host
