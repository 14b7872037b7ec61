#include "socket.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <zmq.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "socket_options.hpp"

namespace backplane::zmq {

namespace {

constexpr std::int64_t second = 1'000'000'000;

[[noreturn]] void bad_options(const std::string& why) { throw Error("BadOption", why); }

std::string connect_advice(int why) {
  if (why == EINVAL) return "not an endpoint; expected tcp://HOST:PORT, ipc://PATH or inproc://NAME";
  if (why == EPROTONOSUPPORT) return "libzmq does not know this transport; expected tcp, ipc or inproc";
  return zmq_strerror(why);
}

// The host name of tcp://[SOURCE;]HOST:PORT, or nothing for other transports.
std::string tcp_host(std::string_view endpoint) {
  constexpr std::string_view tcp = "tcp://";
  if (!endpoint.starts_with(tcp)) return {};
  endpoint.remove_prefix(tcp.size());
  if (const auto semicolon = endpoint.find(';'); semicolon != std::string_view::npos)
    endpoint.remove_prefix(semicolon + 1);
  endpoint = endpoint.substr(0, endpoint.rfind(':'));
  if (endpoint.starts_with('[') && endpoint.ends_with(']'))
    endpoint = endpoint.substr(1, endpoint.size() - 2);
  return std::string(endpoint);
}

// libzmq resolves names on its own thread and would try a wrong one for ever without a word.
void check_name(const Host& host, const std::string& endpoint) {
  const auto name = tcp_host(endpoint);
  if (name.empty()) return;
  addrinfo* found = nullptr;
  const int why = getaddrinfo(name.c_str(), nullptr, nullptr, &found);
  if (why == 0) {
    freeaddrinfo(found);
  } else if (why == EAI_AGAIN) {
    host.warn("connect " + endpoint + ": the name \"" + name + "\" cannot be resolved now; trying on");
  } else {
    throw Error("ConnectFailed", "cannot connect to " + endpoint + ": the name \"" + name +
                                     "\" does not resolve: " + gai_strerror(why));
  }
}

std::string last_endpoint(void* socket) {
  std::array<char, 512> text{};
  std::size_t size = text.size();
  if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text.data(), &size) != 0) return {};
  return text.data();
}

bool send_frame(void* socket, zmq_msg_t* frame, bool more) {
  while (zmq_msg_send(frame, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0) {
    if (errno == EAGAIN) return false;
    if (errno != EINTR) throw Error("SendFailed", zmq_strerror(errno));
  }
  return true;
}

// The peer vanished between two frames. libzmq swallows the rest of the message up to its last frame, so
// give it that, or it would swallow the beginning of the next one.
void end_broken_message(void* socket, bool more) {
  if (!more) return;
  Frame last;
  send_frame(socket, last.raw(), false);
}

// Several frames go as copies (of small size or shared): the message must still be whole when the peer
// vanishes between two of them.
bool send_frames(void* socket, std::span<Frame> prefix, Message& body) {
  const std::size_t total = prefix.size() + body.size();
  for (std::size_t i = 0; i < total; ++i) {
    const bool more = i + 1 < total;
    zmq_msg_t* original = i < prefix.size() ? prefix[i].raw() : body.raw(i - prefix.size());
    Frame copy;
    if (zmq_msg_copy(copy.raw(), original) != 0) throw Error("SendFailed", zmq_strerror(errno));
    if (send_frame(socket, copy.raw(), more)) continue;
    if (i > 0) end_broken_message(socket, more);
    return false;
  }
  return true;
}

}  // namespace

std::string bind_advice(int why, const Host& host) {
  switch (why) {
    case EADDRINUSE:
      return host.instances() > 1 ? "the address is taken; only one instance of a component can bind it"
                                  : "the address is taken; another program or component listens there";
    case EADDRNOTAVAIL:
    case ENODEV:
      return "no network interface of this machine has this address";
    case EACCES:
    case EPERM:
      return "permission denied; ports below 1024 and the folder of an ipc path need rights";
    case ENOENT:
      return "no such folder for an ipc path";
    case EINVAL:
      return "not an endpoint; expected tcp://ADDRESS:PORT, ipc://PATH or inproc://NAME";
    case EPROTONOSUPPORT:
      return "libzmq does not know this transport; expected tcp, ipc or inproc";
    case ENAMETOOLONG:
      return "the ipc path is too long for the system";
    default:
      return zmq_strerror(why);
  }
}

// ---- the plan -----------------------------------------------------------------------------------------

SocketPlan::SocketPlan(Host host) {
  const auto bind = host.option("bind");
  const auto connect = host.option("connect");
  if (bind.given() && connect.given())
    bad_options("\"bind\" and \"connect\" are both given; a component either listens (bind) or connects");
  if (!bind.given() && !connect.given())
    bad_options("give \"bind: ENDPOINT\" to listen, or \"connect: ENDPOINT\" to connect to a peer");
  binds_ = bind.given();
  endpoints_ = binds_ ? bind.list() : connect.list();
  if (endpoints_.empty())
    bad_options(std::string("option \"") + (binds_ ? "bind" : "connect") + "\": names no endpoint");
  keys_ = read_keys(host);
  allow_list_ = read_allow_list(host, keys_);
  check_exposure(host, "bind");
}

SocketPlan::SocketPlan(Host host, const char* bind)
    : binds_(true), endpoints_(host.option(bind).list()), keys_(read_keys(host)) {
  if (endpoints_.empty()) bad_options(std::string("option \"") + bind + "\": names no endpoint");
  allow_list_ = read_allow_list(host, keys_);
  check_exposure(host, bind);
}

SocketPlan::SocketPlan(Host host, std::vector<std::string> connect)
    : endpoints_(std::move(connect)), keys_(read_keys(host)) {}

void SocketPlan::check_exposure(const Host& host, const char* option) const {
  if (!binds_ || keys_.is_server() || !allow_list_.empty()) return;
  for (const auto& endpoint : endpoints_) {
    if (is_local(endpoint)) continue;
    if (!host.option("insecure"))
      bad_options(std::string("option \"") + option + "\": " + endpoint +
                  " can be reached from other machines and nothing protects it; give \"server_secret_key\" "
                  "(CURVE) or \"allow_addresses\", bind 127.0.0.1, or say \"insecure: true\"");
    host.warn(endpoint + " can be reached from other machines and nothing protects it (insecure: true)");
  }
}

// ---- trouble ------------------------------------------------------------------------------------------

void Trouble::happened(std::string_view what) {
  count_.add();
  const auto now = host_.now();
  if (now < quiet_until_) {
    ++unsaid_;
    return;
  }
  std::string line(what);
  if (unsaid_ > 0) line += " (and " + std::to_string(unsaid_) + " more since the last line like this)";
  host_.warn(line);
  unsaid_ = 0;
  quiet_until_ = now + second;
}

// ---- the socket ---------------------------------------------------------------------------------------

// Peers that the allow-list refused, brought from the ZAP thread to the loop. Outlives the socket until the
// last post has run.
struct Socket::Refusals : std::enable_shared_from_this<Socket::Refusals> {
  explicit Refusals(Host its_host)
      : host(its_host), trouble(its_host, "refused_peers", "peers that the allow-list refused") {}

  // ZAP thread. At most one post is under way, however many peers knock.
  void refused(std::string_view address, std::string_view why) {
    if (waiting.fetch_add(1) > 0) return;
    std::string line =
        "refused a peer at " + (address.empty() ? "a local address" : std::string(address)) + ": ";
    line += why;
    host.post([self = shared_from_this(), line] { self->tell(line); });
  }
  void tell(const std::string& line) {
    for (auto left = waiting.exchange(0); left > 0; --left) trouble.happened(line);
  }

  Host host;
  Trouble trouble;
  std::atomic<std::uint64_t> waiting{0};
};

void Socket::Close::operator()(void* socket) const { zmq_close(socket); }

Socket::Socket(Host host, int type, const SocketPlan& plan, const std::function<void(void*)>& prepare)
    : host_(host), handle_(zmq_socket(host.zmq_context(), type)) {
  if (!handle_)
    throw Error("SocketFailed", errno == EMFILE
                                    ? "no more sockets: the limit of open files or sockets is reached"
                                    : std::string("no socket: ") + zmq_strerror(errno));
  apply_options(host_, get());
  apply_keys(plan.keys(), get());
  // Such a socket has nothing to deliver but subscriptions, which nobody misses after a stop.
  if (type == ZMQ_PULL || type == ZMQ_SUB) set_option(get(), "linger", ZMQ_LINGER, 0);
  if (prepare) prepare(get());
  if (!plan.allow_list().empty()) admit(plan);
  if (host_.option("monitor")) monitor_.emplace(host_, get());
  for (const auto& endpoint : plan.endpoints())
    plan.binds() ? bind(endpoint, plan.quiet()) : connect(endpoint, plan.quiet());
}

// The monitor needs the open socket, and no peer may ask for admission after the Admission has gone.
Socket::~Socket() {
  monitor_.reset();
  handle_.reset();
  admission_.reset();
}

void Socket::admit(const SocketPlan& plan) {
  refusals_ = std::make_shared<Refusals>(host_);
  admission_.emplace(host_.zmq_context(), plan.allow_list(),
                     [refusals = refusals_](std::string_view address, std::string_view why) {
                       refusals->refused(address, why);
                     });
  const auto& domain = admission_->domain();
  if (zmq_setsockopt(get(), ZMQ_ZAP_DOMAIN, domain.data(), domain.size()) != 0)
    throw Error("SocketFailed", std::string("cannot set up the allow-list: ") + zmq_strerror(errno));
}

void Socket::bind(const std::string& endpoint, bool quiet) {
  if (zmq_bind(get(), endpoint.c_str()) != 0)
    throw Error("BindFailed", "cannot bind " + endpoint + ": " + bind_advice(errno, host_));
  if (!quiet) host_.info("listening on " + last_endpoint(get()));
}

void Socket::connect(const std::string& endpoint, bool quiet) {
  check_name(host_, endpoint);
  if (zmq_connect(get(), endpoint.c_str()) != 0)
    throw Error("ConnectFailed", "cannot connect to " + endpoint + ": " + connect_advice(errno));
  if (!quiet) host_.info("connecting to " + endpoint);
}

// ---- messages -----------------------------------------------------------------------------------------

bool send_message(void* socket, std::span<Frame> prefix, Message& body) {
  if (body.empty()) body.add_empty();
  if (prefix.empty() && body.size() == 1) return send_frame(socket, body.raw(0), false);
  return send_frames(socket, prefix, body);
}

Receiver::Receiver(Host host)
    : host_(host),
      batch_(host.option("batch")),
      max_frames_(static_cast<std::size_t>(int{host.option("max_frames")})),
      malformed_(host, "malformed", "messages from outside that were dropped because of their form") {}

Receiver::Received Receiver::receive(void* socket) {
  if (!spare_) spare_ = Message(host_.abi(), host_.abi()->message_new(host_.abi(), 2));
  zmq_msg_t* frame = spare_.add_empty();
  while (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    spare_.truncate(0);
    return Received::nothing;
  }
  return zmq_msg_more(frame) == 0 ? Received::message : receive_rest(socket);
}

// libzmq hands over messages whole, so the frames that follow are there.
Receiver::Received Receiver::receive_rest(void* socket) {
  while (true) {
    if (spare_.size() == max_frames_) return refuse(socket, "a message has more frames than max_frames");
    zmq_msg_t* frame = nullptr;
    try {
      frame = spare_.add_empty();
    } catch (const std::bad_alloc&) {
      return refuse(socket, "no memory for the frames of a message");
    }
    while (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
      if (errno != EINTR) return refuse(socket, "a message ends before its last frame");
    if (zmq_msg_more(frame) == 0) return Received::message;
  }
}

Receiver::Received Receiver::refuse(void* socket, const char* why) {
  spare_.truncate(0);
  int more = 1;
  std::size_t size = sizeof more;
  Frame rest;
  while (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more != 0)
    if (zmq_msg_recv(rest.raw(), socket, ZMQ_DONTWAIT) < 0 && errno != EINTR) break;
  malformed_.happened(why);
  return Received::refused;
}

}  // namespace backplane::zmq
