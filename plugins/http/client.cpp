#include "client.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "socket.hpp"
#include "wire.hpp"

namespace backplane::http {

namespace {

constexpr std::size_t kReadSize = std::size_t{64} << 10;
constexpr int kReadsPerTurn = 4;
constexpr std::int64_t kLookupPause = 5'000'000'000;  // between two lookups of a name

struct Base {
  HostAndPort place;
  std::string host;  // as the header says it
  std::string path;  // "" or "/a/b"
};

[[noreturn]] void bad_base(const std::string& base, const std::string& why) {
  throw Error("BadOption", "\"" + base + "\" " + why);
}

Base parse_base(const std::string& base) {
  constexpr std::string_view scheme = "http://";
  std::string_view rest = base;
  if (rest.starts_with("https://"))
    bad_base(base,
             "is https, which is not spoken here; put a proxy that speaks TLS in between and give its "
             "http:// address");
  if (!rest.starts_with(scheme)) bad_base(base, "is not a URL; expected http://HOST[:PORT][/PATH]");
  rest.remove_prefix(scheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto authority = rest.substr(0, slash);
  if (authority.find('@') != authority.npos)
    bad_base(base.substr(0, scheme.size()) + "...", "names a user; give credentials as a header instead");
  Base parsed;
  if (!split_host_and_port(authority, "80", parsed.place) || parsed.place.port == "0")
    bad_base(base, "names no host and port; expected http://HOST[:PORT][/PATH]");
  parsed.host = authority;
  parsed.path = rest.substr(slash);
  if (parsed.path.find_first_of("?# \r\n") != parsed.path.npos)
    bad_base(base, "may hold neither a query nor spaces");
  while (parsed.path.ends_with('/')) parsed.path.pop_back();
  return parsed;
}

// A request that is not answered yet.
struct Job {
  std::uint64_t number = 0;
  std::string method;
  std::string target;
  Headers headers;
  std::string body;
  Client::Done done;
  std::int64_t deadline = 0;  // 0: none
  bool tried_again = false;   // a kept connection had been closed
};

// A name that is looked up on a thread of its own, which shares nothing else.
struct Lookup {
  std::mutex mutex;
  bool done = false;
  std::vector<Address> addresses;
  std::string why;
};

}  // namespace

class Client::Core : public std::enable_shared_from_this<Client::Core> {
 public:
  Core(Host host, const std::string& base, ClientLimits limits)
      : host_(host), base_(parse_base(base)), limits_(limits), scratch_(kReadSize) {}

  void start();
  void stop();
  std::uint64_t request(Job job, std::optional<std::chrono::nanoseconds> timeout);
  void cancel(std::uint64_t number);
  std::size_t under_way() const { return busy_; }
  std::size_t waiting() const { return waiting_.size(); }

  // ---- for links ----

  const Host& host() const { return host_; }
  const Base& base() const { return base_; }
  const ClientLimits& limits() const { return limits_; }
  const std::vector<Address>& addresses() const { return addresses_; }
  const std::string& no_address() const { return no_address_; }
  std::vector<char>& scratch() { return scratch_; }
  // Timers of jobs and of connecting.
  void add_deadline(std::int64_t at, std::uint64_t number);
  void remove_deadline(std::int64_t at, std::uint64_t number);
  // A link has no job any more; `kept`: it can take another one.
  void released(Link& link, bool kept);
  void finish(Job job, Result result);
  // Puts a job back to the front: it goes out on a fresh connection.
  void again(Job job);
  void connect_failed();

 private:
  void dispatch_later();
  void dispatch();
  std::shared_ptr<Link> link_for(const Job& job);
  void take_lookup();
  void look_up_again();
  void arm();
  void expire();
  void expire_waiting(std::int64_t now);

  Host host_;
  Base base_;
  ClientLimits limits_;
  std::vector<char> scratch_;  // where all links read into
  std::vector<Address> addresses_;
  std::string no_address_;
  std::shared_ptr<Lookup> lookup_;
  std::int64_t next_lookup_ = 0;
  std::deque<Job> waiting_;
  std::vector<std::shared_ptr<Link>> links_;
  std::vector<Link*> idle_;  // the last one used last
  std::size_t busy_ = 0;
  std::uint64_t last_number_ = 0;
  std::multiset<std::pair<std::int64_t, std::uint64_t>> deadlines_;
  std::int64_t armed_for_ = 0;
  Timer timer_;
  bool dispatch_posted_ = false;
  bool stopped_ = false;
};

// One connection to the server, with the job it works on, if any.
class Client::Link : public std::enable_shared_from_this<Client::Link> {
 public:
  explicit Link(Client::Core& core) : core_(core) {}

  // REQUIRES: idle, or new.
  void run(Job job);
  void time_out(std::int64_t now);
  void close();
  bool works_on(std::uint64_t number) const { return job_ && job_->number == number; }

 private:
  void connect_next();
  bool try_to_connect(const Address& address);
  void connected();
  void send_request();
  void ready(std::uint32_t events);
  void flush();
  void receive();
  void read();
  void read_end(const std::string& why);
  void answered();
  void fail(Failure failure, std::string error);
  void failed_to_connect(int why);
  void watch();
  void set_connect_deadline(std::int64_t at);

  Client::Core& core_;
  Descriptor socket_;
  Watch watch_;
  std::optional<Job> job_;
  std::optional<ResponseReader> reader_;
  Input input_;
  Outbox outbox_;
  std::size_t next_address_ = 0;
  std::int64_t connect_deadline_ = 0;
  std::string why_;  // the last attempt to connect failed
  bool connecting_ = false;
  bool used_ = false;  // it has brought an answer before
  bool closed_ = false;
  bool sending_ = false;  // the server still takes the request
};

// ---- link ----

void Client::Link::run(Job job) {
  job_ = std::move(job);
  if (socket_.open()) {
    send_request();
    watch();
    return;
  }
  next_address_ = 0;
  why_ = core_.no_address();
  set_connect_deadline(core_.host().now() + core_.limits().connect_timeout.count());
  connect_next();
}

void Client::Link::set_connect_deadline(std::int64_t at) {
  if (connect_deadline_ != 0) core_.remove_deadline(connect_deadline_, job_->number);
  connect_deadline_ = at;
  if (at != 0) core_.add_deadline(at, job_->number);
}

void Client::Link::connect_next() {
  const auto& addresses = core_.addresses();
  while (next_address_ < addresses.size())
    if (try_to_connect(addresses[next_address_++])) return;
  core_.connect_failed();
  fail(Failure::connect, "cannot connect to " + core_.base().place.text() + ": " + why_);
}

bool Client::Link::try_to_connect(const Address& address) {
  socket_ = Descriptor(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (!socket_.open() ||
      (::connect(socket_.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)) {
    why_ = std::strerror(errno);
    socket_.close();
    return false;
  }
  connecting_ = true;
  watch_ = core_.host().watch_descriptor(socket_.get(), BP_READABLE | BP_WRITABLE | BP_ALWAYS,
                                         [this](std::uint32_t events) { ready(events); });
  return true;
}

void Client::Link::connected() {
  int why = 0;
  socklen_t size = sizeof why;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &why, &size);
  connecting_ = false;
  if (why != 0) {
    why_ = std::strerror(why);
    watch_.end();
    socket_.close();
    connect_next();
    return;
  }
  set_connect_deadline(0);
  send_request();
}

void Client::Link::send_request() {
  reader_.emplace(core_.limits().max_body, job_->method == "HEAD");
  outbox_.add(head_of(job_->method, job_->target, core_.base().host, job_->headers, job_->body.size()));
  outbox_.add(job_->body);  // a copy: the job may have to be sent again
  sending_ = true;
  flush();
}

void Client::Link::ready(std::uint32_t events) {
  const auto keep = shared_from_this();
  if (connecting_) {
    connected();
  } else {
    if ((events & BP_WRITABLE) != 0) flush();
    if ((events & BP_READABLE) != 0) receive();
  }
  watch();
}

void Client::Link::flush() {
  bool progress = false;
  if (!sending_) return;
  const auto sent = outbox_.send(socket_.get(), progress);
  if (sent == Outbox::Sent::some) return;
  outbox_.clear();  // a server that takes no more may have answered all the same: reading tells
  sending_ = false;
}

void Client::Link::receive() {
  auto& buffer = core_.scratch();
  for (int turns = kReadsPerTurn; turns > 0 && socket_.open(); --turns) {
    std::size_t count = 0;
    switch (http::receive(socket_.get(), buffer.data(), buffer.size(), count)) {
      case Received::bytes:
        input_.append({buffer.data(), count});
        read();
        break;
      case Received::nothing:
        return;
      case Received::end:
        read_end("the server closed the connection");
        return;
      case Received::failed:
        read_end(std::strerror(errno));
        return;
    }
  }
}

void Client::Link::read() {
  if (!job_) {
    close();  // bytes that nobody asked for
    return;
  }
  switch (reader_->read(input_)) {
    case Read::more:
      return;
    case Read::complete:
      answered();
      return;
    case Read::refused:
      fail(Failure::malformed, reader_->reason());
      return;
  }
}

void Client::Link::read_end(const std::string& why) {
  if (!job_) {
    close();
  } else if (reader_->started()) {
    if (reader_->end() == Read::complete) {
      answered();
    } else {
      fail(Failure::closed, reader_->reason());
    }
  } else if (used_ && !job_->tried_again) {
    auto job = std::move(*job_);
    job_.reset();
    job.tried_again = true;
    close();
    core_.again(std::move(job));
  } else {
    fail(Failure::closed, "no answer came: " + why);
  }
}

void Client::Link::answered() {
  Result result;
  result.status = reader_->status();
  result.headers = reader_->take_headers();
  result.body = reader_->take_body();
  const bool kept = reader_->keep_alive() && !sending_ && input_.empty() && result.status != 101;
  auto job = std::move(*job_);
  job_.reset();
  reader_.reset();
  used_ = true;
  if (kept) {
    core_.released(*this, true);
  } else {
    close();
  }
  core_.finish(std::move(job), std::move(result));
}

void Client::Link::fail(Failure failure, std::string error) {
  set_connect_deadline(0);
  auto job = std::move(*job_);
  job_.reset();
  close();
  core_.finish(std::move(job), {.failure = failure, .error = std::move(error)});
}

void Client::Link::time_out(std::int64_t now) {
  if (!job_) return;
  const auto keep = shared_from_this();
  if (connect_deadline_ != 0 && now >= connect_deadline_) {
    core_.connect_failed();
    fail(Failure::connect, "cannot connect to " + core_.base().place.text() + ": it takes too long");
  } else if (job_->deadline != 0 && now >= job_->deadline) {
    fail(Failure::timeout, "no whole answer came in time");
  }
}

// Forgets the job without a word. Done with: a link that was closed is not used again.
void Client::Link::close() {
  if (std::exchange(closed_, true)) return;
  const auto keep = shared_from_this();
  if (connect_deadline_ != 0) set_connect_deadline(0);
  if (job_ && job_->deadline != 0) core_.remove_deadline(job_->deadline, job_->number);
  job_.reset();
  watch_.end();
  socket_.close();
  core_.released(*this, false);
}

void Client::Link::watch() {
  if (!socket_.open() || connecting_) return;
  watch_.events(BP_READABLE | BP_ALWAYS | (sending_ ? BP_WRITABLE : 0u));
}

// ---- core ----

void Client::Core::start() {
  stopped_ = false;
  addresses_ = resolve(base_.place, false, no_address_);
  if (addresses_.empty())
    host_.warn("the name \"" + base_.place.host + "\" cannot be resolved now (" + no_address_ +
               "); trying on");
  next_lookup_ = host_.now() + kLookupPause;
}

void Client::Core::stop() {
  const auto keep = shared_from_this();
  stopped_ = true;
  waiting_.clear();
  for (const auto& link : std::vector(links_)) link->close();
  deadlines_.clear();
  timer_.end();
}

std::uint64_t Client::Core::request(Job job, std::optional<std::chrono::nanoseconds> timeout) {
  job.number = ++last_number_;
  const auto limit = timeout.value_or(limits_.timeout).count();
  if (limit > 0) {
    job.deadline = host_.now() + limit;
    add_deadline(job.deadline, job.number);
  }
  job.target = base_.path + job.target;
  if (job.target.empty()) job.target = "/";
  waiting_.push_back(std::move(job));
  dispatch_later();
  return last_number_;
}

void Client::Core::cancel(std::uint64_t number) {
  const auto waits =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Job& job) { return job.number == number; });
  if (waits != waiting_.end()) {
    if (waits->deadline != 0) remove_deadline(waits->deadline, number);
    waiting_.erase(waits);
    return;
  }
  const auto works =
      std::find_if(links_.begin(), links_.end(), [&](const auto& link) { return link->works_on(number); });
  if (works == links_.end()) return;
  const auto link = *works;
  link->close();
  dispatch_later();
}

// Never within request(): its caller does not have the number yet.
void Client::Core::dispatch_later() {
  if (stopped_ || std::exchange(dispatch_posted_, true)) return;
  host_.post([weak = weak_from_this()] {
    if (const auto core = weak.lock()) {
      core->dispatch_posted_ = false;
      core->dispatch();
    }
  });
}

void Client::Core::dispatch() {
  while (!stopped_ && !waiting_.empty()) {
    const auto link = link_for(waiting_.front());
    if (!link) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    ++busy_;
    link->run(std::move(job));
  }
}

// A kept connection, or a new one when there may be one more; a job that failed on a kept one gets a new one.
std::shared_ptr<Client::Link> Client::Core::link_for(const Job& job) {
  take_lookup();
  if (!idle_.empty() && !job.tried_again) {
    auto* const link = idle_.back();
    idle_.pop_back();
    return link->shared_from_this();
  }
  if (busy_ >= limits_.max_connections) return nullptr;
  if (links_.size() >= limits_.max_connections) idle_.front()->close();
  links_.push_back(std::make_shared<Link>(*this));
  return links_.back();
}

void Client::Core::released(Link& link, bool kept) {
  const auto idle = std::find(idle_.begin(), idle_.end(), &link);
  if (idle == idle_.end()) {
    --busy_;
  } else {
    idle_.erase(idle);
  }
  if (kept) {
    idle_.push_back(&link);
  } else {
    std::erase_if(links_, [&](const auto& each) { return each.get() == &link; });
  }
}

void Client::Core::finish(Job job, Result result) {
  const auto keep = shared_from_this();
  if (job.deadline != 0) remove_deadline(job.deadline, job.number);
  if (!waiting_.empty()) dispatch_later();
  if (job.done) Host::guarded(host_.abi(), "the callback of a request", [&] { job.done(std::move(result)); });
}

void Client::Core::again(Job job) {
  waiting_.push_front(std::move(job));
  dispatch_later();
}

// ---- names ----

void Client::Core::connect_failed() {
  if (host_.now() >= next_lookup_ && !lookup_) look_up_again();
}

void Client::Core::look_up_again() {
  next_lookup_ = host_.now() + kLookupPause;
  lookup_ = std::make_shared<Lookup>();
  std::thread([lookup = lookup_, place = base_.place] {
    std::string why;
    auto addresses = resolve(place, false, why);
    const std::scoped_lock lock(lookup->mutex);
    lookup->addresses = std::move(addresses);
    lookup->why = std::move(why);
    lookup->done = true;
  }).detach();
}

void Client::Core::take_lookup() {
  if (!lookup_) return;
  {
    const std::scoped_lock lock(lookup_->mutex);
    if (!lookup_->done) return;
    if (!lookup_->addresses.empty()) addresses_ = std::move(lookup_->addresses);
    no_address_ = lookup_->why;
  }
  lookup_.reset();
}

// ---- time ----

void Client::Core::add_deadline(std::int64_t at, std::uint64_t number) {
  deadlines_.emplace(at, number);
  arm();
}

void Client::Core::remove_deadline(std::int64_t at, std::uint64_t number) {
  if (const auto found = deadlines_.find({at, number}); found != deadlines_.end()) deadlines_.erase(found);
  if (deadlines_.empty()) arm();  // a busy client's timer stays: the next request needs it
}

// The timer runs for the first deadline; it may run too early when that one was removed since.
void Client::Core::arm() {
  if (deadlines_.empty()) {
    armed_for_ = 0;
    timer_.end();
    return;
  }
  const auto first = deadlines_.begin()->first;
  if (armed_for_ != 0 && armed_for_ <= first) return;
  armed_for_ = first;
  timer_ = host_.after(std::chrono::nanoseconds(std::max<std::int64_t>(first - host_.now(), 0)), [this] {
    armed_for_ = 0;
    expire();
  });
}

void Client::Core::expire() {
  const auto keep = shared_from_this();
  const auto now = host_.now();
  expire_waiting(now);
  for (const auto& link : std::vector(links_)) link->time_out(now);
  arm();
}

void Client::Core::expire_waiting(std::int64_t now) {
  std::vector<Job> late;
  std::deque<Job> rest;
  for (auto& job : waiting_) {
    const bool over = job.deadline != 0 && now >= job.deadline;
    over ? late.push_back(std::move(job)) : rest.push_back(std::move(job));
  }
  waiting_ = std::move(rest);
  for (auto& job : late)
    finish(std::move(job),
           {.failure = Failure::timeout, .error = "the server was busy with earlier requests"});
}

// ---- client ----

Client::Client(Host host, const std::string& base, ClientLimits limits)
    : core_(std::make_shared<Core>(host, base, limits)) {}

Client::~Client() { stop(); }

void Client::start() { core_->start(); }
void Client::stop() { core_->stop(); }

std::uint64_t Client::request(std::string method, std::string_view target, Headers headers, std::string body,
                              Done done, std::optional<std::chrono::nanoseconds> timeout) {
  Job job;
  job.method = std::move(method);
  job.target = target;
  job.headers = std::move(headers);
  job.body = std::move(body);
  job.done = std::move(done);
  return core_->request(std::move(job), timeout);
}

void Client::cancel(std::uint64_t number) { core_->cancel(number); }
std::size_t Client::under_way() const { return core_->under_way(); }
std::size_t Client::waiting() const { return core_->waiting(); }

}  // namespace backplane::http
