#include "server.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "socket.hpp"
#include "wire.hpp"

namespace backplane::http {

namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr int kReadsPerTurn = 4;
constexpr int kRequestsPerTurn = 64;
constexpr std::size_t kReadSize = std::size_t{64} << 10;
constexpr std::size_t kMostAhead = std::size_t{64} << 10;  // read while a request is being answered
constexpr std::size_t kMostRefused = 128;           // connections beyond the limit that are told so at once
constexpr std::int64_t kLingering = 2'000'000'000;  // for the client to read the last answer and close

HostAndPort listening_place(std::string_view bind) {
  constexpr std::string_view schemes[] = {"tcp://", "http://"};
  std::string_view text = bind;
  for (const auto scheme : schemes)
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  HostAndPort place;
  if (!split_host_and_port(text, {}, place))
    throw Error("BadOption", "option \"bind\": \"" + std::string(bind) +
                                 "\" is not ADDRESS:PORT, as in 127.0.0.1:8080 or [::1]:8080");
  return place;
}

std::string bind_advice(int why, const Host& host) {
  switch (why) {
    case EADDRINUSE:
      return host.instances() > 1 ? "the address is taken; only one instance of a component can bind it"
                                  : "the address is taken; another program or component listens there";
    case EADDRNOTAVAIL:
      return "no network interface of this machine has this address";
    case EACCES:
      return "permission denied; ports below 1024 need rights";
    default:
      return std::strerror(why);
  }
}

Response plain(unsigned status, std::string says) {
  Response response;
  response.status = status;
  response.body = std::move(says) + '\n';
  return response;
}

}  // namespace

ServerSettings read_server_settings(const Host& host) {
  ServerSettings settings;
  settings.bind = host.option("bind").view();
  settings.insecure = host.option("insecure");
  auto& limits = settings.limits;
  limits.max_body = host.option("max_body");
  limits.max_header = host.option("max_header");
  limits.max_connections = host.option("max_connections");
  limits.header_timeout = host.option("header_timeout");
  limits.idle_timeout = host.option("idle_timeout");
  limits.send_timeout = host.option("send_timeout");
  return settings;
}

// What the connections of a server share.
class Server::Core {
 public:
  Core(Host host, ServerSettings settings, Handler handler);

  void start();
  void drain();
  void stop();
  std::string endpoint() const { return "http://" + address_.text(); }

  const Host& host() const { return host_; }
  const ServerLimits& limits() const { return settings_.limits; }
  const Handler& handler() const { return handler_; }
  bool draining() const { return draining_; }
  Response refusal(unsigned status, const std::string& reason) const {
    return settings_.refusal ? settings_.refusal(status, reason) : plain(status, reason);
  }
  std::size_t in_progress() const { return in_progress_; }
  std::size_t connections() const { return connections_.size(); }
  std::vector<char>& scratch() { return scratch_; }

  void count_request() { requests_.add(); }
  void count_bad_request() { bad_requests_.add(); }
  // A request began to come, or was answered.
  void add_in_progress(int change);
  void forget(Connection& connection);

 private:
  std::vector<Address> listening_addresses();
  void listen(const Address& address);
  void accept();
  bool accept_one();
  void admit(Descriptor socket);
  void sweep();
  std::vector<std::shared_ptr<Connection>> all() const;

  Host host_;
  ServerSettings settings_;
  HostAndPort place_;
  Handler handler_;
  Descriptor listener_;
  Watch watch_;
  Timer sweeper_;
  Address address_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::vector<char> scratch_;  // where all connections read into
  std::size_t in_progress_ = 0;
  bool draining_ = false;
  Counter requests_;
  Counter bad_requests_;
  Gauge open_;
};

// One client. What it waits for is its phase:
//
//   idle -> reading -> handling -> sending -> idle ... -> lingering -> closed
//
// It reads on while a request is handled, to learn that the client has gone, but not beyond kMostAhead.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server::Core& core, Descriptor socket) : core_(core), socket_(std::move(socket)) {}

  void start();
  // Answers 503, whatever is asked.
  void refuse();
  void drain();
  void time_out(std::int64_t now);
  void close(bool tell = true);
  void answer(Response response);

 private:
  enum class Phase { idle, reading, handling, sending, lingering, closed };

  void ready(std::uint32_t events);
  void receive();
  void take(std::string_view bytes);
  void work();
  // Does one thing; false: there is nothing to do now.
  bool step();
  bool read_request();
  void handle(Request request);
  void refuse_request(unsigned status, const std::string& reason);
  void put(Response response);
  void flush();
  void finish_answer();
  void work_later();
  void enter(Phase phase);
  std::int64_t time_of(Phase phase) const;
  void watch();

  Server::Core& core_;
  Descriptor socket_;
  Watch watch_;
  Input input_;
  Outbox outbox_;
  std::unique_ptr<RequestReader> reader_;
  std::shared_ptr<Reply::Exchange> exchange_;
  Framing framing_;  // of the answer to the current request
  Phase phase_ = Phase::idle;
  std::int64_t deadline_ = 0;  // 0: none
  bool input_ended_ = false;
  bool working_ = false;  // in work(): an answer given meanwhile need not start it
  bool later_ = false;    // a call of work() is posted
};

// What a Reply and its connection share; the connection lets go of it when it is answered.
struct Reply::Exchange {
  std::weak_ptr<Connection> connection;
  std::function<void()> on_gone;
  bool answered = false;
  bool gone = false;
};

// ---- reply ----

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    drop();
    exchange_ = std::move(other.exchange_);
  }
  return *this;
}

Reply::~Reply() { drop(); }

void Reply::drop() {
  if (exchange_ && !exchange_->answered) send(plain(500, "the request was not answered"));
  exchange_.reset();
}

void Reply::send(Response response) {
  if (!exchange_ || std::exchange(exchange_->answered, true)) return;
  const auto exchange = exchange_;
  const auto dropped = std::exchange(exchange->on_gone, {});  // may own this Reply: it goes last
  if (const auto connection = exchange->connection.lock()) connection->answer(std::move(response));
}

bool Reply::gone() const { return exchange_ && exchange_->gone; }

void Reply::on_gone(std::function<void()> run) {
  if (!exchange_ || exchange_->answered) return;
  if (exchange_->gone) {
    run();
  } else {
    exchange_->on_gone = std::move(run);
  }
}

// ---- connection ----

void Connection::start() {
  watch_ = core_.host().watch_descriptor(socket_.get(), BP_READABLE | BP_ALWAYS,
                                         [this](std::uint32_t events) { ready(events); });
  deadline_ = time_of(Phase::reading);  // also for the first byte
}

void Connection::refuse() {
  start();
  auto response = core_.refusal(503, "too many connections");
  if (!find_header(response.headers, "Retry-After")) response.headers.push_back({"Retry-After", "1"});
  framing_.close = true;
  put(std::move(response));
  work();
}

std::int64_t Connection::time_of(Phase phase) const {
  const auto& limits = core_.limits();
  const auto now = core_.host().now();
  switch (phase) {
    case Phase::idle:
      return now + limits.idle_timeout.count();
    case Phase::reading:
      return now + limits.header_timeout.count();
    case Phase::sending:
      return now + limits.send_timeout.count();
    case Phase::lingering:
      return now + kLingering;
    default:
      return 0;
  }
}

void Connection::enter(Phase phase) {
  const auto busy = [](Phase of) {
    return of == Phase::reading || of == Phase::handling || of == Phase::sending;
  };
  if (busy(phase) != busy(phase_)) core_.add_in_progress(busy(phase) ? 1 : -1);
  phase_ = phase;
  deadline_ = time_of(phase);
}

void Connection::ready(std::uint32_t events) {
  const auto keep = shared_from_this();
  if ((events & BP_READABLE) != 0) receive();
  if ((events & BP_WRITABLE) != 0) flush();
  work();
}

void Connection::receive() {
  auto& buffer = core_.scratch();
  for (int turns = kReadsPerTurn; turns > 0 && phase_ != Phase::closed && !input_ended_; --turns) {
    std::size_t count = 0;
    switch (http::receive(socket_.get(), buffer.data(), buffer.size(), count)) {
      case Received::bytes:
        take({buffer.data(), count});
        if (phase_ == Phase::handling && input_.size() > kMostAhead) return;
        if (count < buffer.size()) continue;  // the end may be next
        break;
      case Received::nothing:
        return;
      case Received::end:
        input_ended_ = true;
        return;
      case Received::failed:
        close();
        return;
    }
  }
}

void Connection::take(std::string_view bytes) {
  if (phase_ != Phase::lingering) input_.append(bytes);
}

// Keeps going while there is something to do; a client that sends many requests at once has to wait for
// others in between.
void Connection::work() {
  if (std::exchange(working_, true)) return;
  int turns = kRequestsPerTurn;
  while (turns > 0 && step()) --turns;
  working_ = false;
  if (turns == 0) {
    work_later();
  } else if (input_ended_ && phase_ != Phase::sending) {
    close();
  }
  watch();
}

void Connection::work_later() {
  if (std::exchange(later_, true)) return;
  core_.host().post([weak = weak_from_this()] {
    if (const auto connection = weak.lock()) {
      connection->later_ = false;
      connection->work();
    }
  });
}

bool Connection::step() {
  switch (phase_) {
    case Phase::idle:
      while (input_.view().starts_with("\r\n")) input_.consume(2);  // some clients send one too many
      if (input_.empty()) return false;
      enter(Phase::reading);
      reader_ = std::make_unique<RequestReader>(core_.limits().max_header, core_.limits().max_body);
      return true;
    case Phase::reading:
      return read_request();
    case Phase::sending:
      flush();
      if (phase_ != Phase::sending || !outbox_.empty()) return false;
      finish_answer();
      return true;
    default:
      return false;
  }
}

// An answer has gone out whole.
void Connection::finish_answer() {
  if (!framing_.close) {
    enter(Phase::idle);
    return;
  }
  // Closing now could reset the connection while the client still sends, and take the answer from it.
  enter(Phase::lingering);
  input_.consume(input_.size());
  ::shutdown(socket_.get(), SHUT_WR);
}

bool Connection::read_request() {
  switch (reader_->read(input_)) {
    case Read::more:
      if (reader_->wants_continue()) {
        outbox_.add("HTTP/1.1 100 Continue\r\n\r\n");
        flush();
      }
      return false;
    case Read::refused:
      refuse_request(reader_->status(), reader_->reason());
      return true;
    case Read::complete:
      core_.count_request();
      handle(std::exchange(reader_, nullptr)->take());
      return true;
  }
  return false;
}

void Connection::refuse_request(unsigned status, const std::string& reason) {
  core_.count_bad_request();
  framing_ = {.close = true};
  put(core_.refusal(status, reason));
  reader_.reset();
}

void Connection::handle(Request request) {
  enter(Phase::handling);
  framing_ = {.head = request.head, .http_1_0 = request.http_1_0, .close = !request.keep_alive};
  exchange_ = std::make_shared<Reply::Exchange>();
  exchange_->connection = weak_from_this();
  Host::guarded(core_.host().abi(), "the handler of a request",
                [&] { core_.handler()(std::move(request), Reply(exchange_)); });
}

// From the handler, in or out of work().
void Connection::answer(Response response) {
  if (phase_ != Phase::handling) return;
  const auto keep = shared_from_this();
  exchange_.reset();
  framing_.close = framing_.close || response.close || core_.draining();
  put(std::move(response));
  if (!working_) work();
}

void Connection::put(Response response) {
  outbox_.add(head_of(response, framing_));
  const bool bodiless =
      framing_.head || response.status < 200 || response.status == 204 || response.status == 304;
  if (!bodiless) outbox_.add(std::move(response.body));
  enter(Phase::sending);
}

void Connection::flush() {
  if (outbox_.empty() || phase_ == Phase::closed) return;
  bool progress = false;
  if (outbox_.send(socket_.get(), progress) == Outbox::Sent::failed) {
    close();
  } else if (progress && phase_ == Phase::sending) {
    deadline_ = time_of(Phase::sending);
  }
}

void Connection::watch() {
  if (phase_ == Phase::closed) return;
  std::uint32_t events = BP_ALWAYS;
  const bool answering = phase_ == Phase::handling || phase_ == Phase::sending;
  if (!input_ended_ && (!answering || input_.size() <= kMostAhead)) events |= BP_READABLE;
  if (!outbox_.empty()) events |= BP_WRITABLE;
  watch_.events(events);
}

void Connection::drain() {
  const auto keep = shared_from_this();
  if (phase_ != Phase::idle) return;
  receive();  // a request that came before the drain is still answered
  work();
  if (phase_ == Phase::idle) close();
}

void Connection::time_out(std::int64_t now) {
  if (deadline_ == 0 || now < deadline_) return;
  const auto keep = shared_from_this();
  if (phase_ != Phase::reading) {
    close();
    return;
  }
  refuse_request(408, "the request took too long to come");
  work();
}

void Connection::close(bool tell) {
  if (phase_ == Phase::closed) return;
  const auto keep = shared_from_this();
  enter(Phase::closed);
  watch_.end();
  socket_.close();
  core_.forget(*this);
  const auto exchange = std::exchange(exchange_, nullptr);
  if (!exchange || exchange->answered) return;
  exchange->gone = true;
  const auto run = std::exchange(exchange->on_gone, {});
  if (tell && run) Host::guarded(core_.host().abi(), "on_gone", run);
}

// ---- core ----

Server::Core::Core(Host host, ServerSettings settings, Handler handler)
    : host_(host),
      settings_(std::move(settings)),
      place_(listening_place(settings_.bind)),
      handler_(std::move(handler)) {
  std::string why;
  for (const auto& address : resolve(place_, true, why)) {
    if (address.is_loopback() || settings_.insecure) continue;
    throw Error("BadOption",
                "option \"bind\": " + settings_.bind +
                    " can be reached from other machines and nothing protects it; bind 127.0.0.1, or say "
                    "\"insecure: true\"");
  }
}

void Server::Core::start() {
  requests_ = host_.counter("requests", "requests that came whole and well-formed");
  bad_requests_ = host_.counter("bad_requests", "requests that the server itself refused");
  open_ = host_.gauge("connections", "clients connected now");
  std::string why;
  const auto addresses = resolve(place_, true, why);
  if (addresses.empty())
    throw Error("BindFailed", "cannot bind " + settings_.bind + ": the address does not resolve: " + why);
  listen(addresses.front());
  if (!address_.is_loopback())
    host_.warn(endpoint() + " can be reached from other machines and nothing protects it (insecure: true)");
  scratch_.resize(kReadSize);
  watch_ =
      host_.watch_descriptor(listener_.get(), BP_READABLE | BP_ALWAYS, [this](std::uint32_t) { accept(); });
  const auto shortest = std::min({limits().header_timeout, limits().idle_timeout, limits().send_timeout});
  using std::chrono::milliseconds;
  sweeper_ =
      host_.every(std::clamp<std::chrono::nanoseconds>(shortest / 4, milliseconds(10), milliseconds(1000)),
                  [this] { sweep(); });
  host_.info("listening on " + endpoint());
}

void Server::Core::listen(const Address& address) {
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  address_.size = sizeof address_.storage;
  auto* bound = reinterpret_cast<sockaddr*>(&address_.storage);
  if (!socket.open() || ::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0 || ::getsockname(socket.get(), bound, &address_.size) != 0)
    throw Error("BindFailed", "cannot bind " + settings_.bind + ": " + bind_advice(errno, host_));
  listener_ = std::move(socket);
}

void Server::Core::accept() {
  for (int turns = kAcceptsPerTurn; turns > 0 && accept_one(); --turns) {
  }
}

bool Server::Core::accept_one() {
  Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.open()) {
    admit(std::move(socket));
    return true;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    host_.warn(std::string("cannot accept a connection: ") + std::strerror(errno));
    watch_.events(0);  // until the next sweep: the listener would be ready all the time
    return false;
  }
  return true;  // this client has gone already
}

void Server::Core::admit(Descriptor socket) {
  const auto most = limits().max_connections;
  if (connections_.size() >= most + kMostRefused) return;
  const int yes = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const bool full = connections_.size() >= most;
  const auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections_.emplace(connection.get(), connection);
  open_.set(static_cast<std::int64_t>(connections_.size()));
  if (full) {
    count_bad_request();
    connection->refuse();
  } else {
    connection->start();
  }
}

void Server::Core::add_in_progress(int change) {
  in_progress_ += static_cast<std::size_t>(change);
  if (settings_.tells_holding) host_.holding(in_progress_);
}

void Server::Core::forget(Connection& connection) {
  connections_.erase(&connection);
  open_.set(static_cast<std::int64_t>(connections_.size()));
}

std::vector<std::shared_ptr<Connection>> Server::Core::all() const {
  std::vector<std::shared_ptr<Connection>> list;
  list.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) list.push_back(connection);
  return list;
}

void Server::Core::sweep() {
  if (listener_.open()) watch_.events(BP_READABLE | BP_ALWAYS);
  const auto now = host_.now();
  for (const auto& connection : all()) connection->time_out(now);
}

void Server::Core::drain() {
  draining_ = true;
  watch_.end();
  listener_.close();
  for (const auto& connection : all()) connection->drain();
}

void Server::Core::stop() {
  sweeper_.end();
  watch_.end();
  listener_.close();
  for (const auto& connection : all()) connection->close(false);
}

// ---- server ----

Server::Server(Host host, ServerSettings settings, Handler handler)
    : core_(std::make_unique<Core>(host, std::move(settings), std::move(handler))) {}

Server::~Server() { stop(); }

void Server::start() { core_->start(); }
void Server::drain() { core_->drain(); }
void Server::stop() { core_->stop(); }
std::string Server::endpoint() const { return core_->endpoint(); }
std::size_t Server::in_progress() const { return core_->in_progress(); }
std::size_t Server::connections() const { return core_->connections(); }

}  // namespace backplane::http
