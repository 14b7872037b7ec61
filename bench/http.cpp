// The load generator of the HTTP benchmarks: POST requests on keep-alive connections, one at a time on each,
// on one thread with epoll. Every answer is checked. With PALM workers when asked for, for a gateway that
// brings the requests to them. Prints one line of JSON as bench_load does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "measuring.hpp"
#include "palm_worker.hpp"
#include "program.hpp"

namespace backplane::bench {
namespace {

struct Settings : Timing {
  std::string connect;  // ADDRESS:PORT, IPv4
  std::string path = "/bench.echo";
  bool json = false;
  unsigned connections = 50;
  std::vector<std::string> workers;
};

[[noreturn]] void fail(const std::string& tried) { throw Failure(tried + ": " + std::strerror(errno)); }

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

Descriptor connect_to(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1))));
  if (::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    throw Failure("\"" + text + "\" is not ADDRESS:PORT");
  Descriptor made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("cannot connect to " + text);
  const int on = 1;
  ::setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return made;
}

// What is sent again and again, and the body that is to come back.
struct Exchange {
  explicit Exchange(const Settings& settings) {
    const std::string text(settings.size, 'x');
    const auto body = settings.json ? "[\"" + text + "\"]" : text;
    answer = settings.json ? '"' + text + "\"\n" : text;
    request = "POST " + settings.path + " HTTP/1.1\r\nHost: " + settings.connect +
              "\r\nContent-Type: application/" + (settings.json ? "json" : "octet-stream") +
              "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::string request;
  std::string answer;
};

// The bytes of an answer's body, when it is whole; throws Failure for one that is not 200, or has no length.
class Answer {
 public:
  void take(std::string_view bytes) { bytes_ += bytes; }
  bool whole() {
    if (head_ == 0) read_head();
    return head_ > 0 && bytes_.size() >= head_ + length_;
  }
  std::string_view body() const { return std::string_view(bytes_).substr(head_); }
  void clear() {
    bytes_.clear();
    head_ = 0;
  }

 private:
  void read_head() {
    const auto end = bytes_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    head_ = end + 4;
    auto head = bytes_.substr(0, head_);
    if (head.compare(8, 5, " 200 ") != 0) throw Failure("not 200 but " + bytes_.substr(0, 200));
    std::transform(head.begin(), head.end(), head.begin(), [](char each) {
      return each >= 'A' && each <= 'Z' ? static_cast<char>(each + 32) : each;
    });
    constexpr std::string_view name = "\r\ncontent-length: ";
    const auto at = head.find(name);
    if (at == std::string::npos) throw Failure("an answer without Content-Length");
    std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length_);
  }

  std::string bytes_;
  std::size_t head_ = 0;  // bytes of the head; 0: not all there
  std::size_t length_ = 0;
};

class Connection {
 public:
  Connection(const Settings& settings, const Exchange& exchange)
      : exchange_(exchange), socket_(connect_to(settings.connect)) {}
  int descriptor() const { return socket_.get(); }
  Clock::time_point asked() const { return asked_; }
  bool waiting() const { return waiting_; }

  void ask() {
    asked_ = Clock::now();
    waiting_ = true;
    for (std::string_view left = exchange_.request; !left.empty();) {  // waits for room
      const auto sent = ::send(descriptor(), left.data(), left.size(), MSG_NOSIGNAL);
      if (sent < 0) fail("cannot send");
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // True: the answer is there, whole.
  bool read() {
    std::array<char, 65536> room;
    const auto got = ::recv(descriptor(), room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return false;
    if (got < 0) fail("cannot receive");
    if (got == 0) throw Failure("the server has closed a connection");
    answer_.take({room.data(), static_cast<std::size_t>(got)});
    if (!answer_.whole()) return false;
    if (!waiting_ || answer_.body() != exchange_.answer) throw Failure("another body than the one sent");
    answer_.clear();
    waiting_ = false;
    return true;
  }

 private:
  const Exchange& exchange_;
  Descriptor socket_;
  Answer answer_;
  Clock::time_point asked_;
  bool waiting_ = false;
};

class Load {
 public:
  explicit Load(const Settings& settings)
      : settings_(settings),
        deadline_(settings.limit),
        exchange_(settings),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        window_(settings) {
    for (unsigned i = 0; i < settings.connections; ++i) {
      auto& connection = connections_.emplace_back(settings, exchange_);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.descriptor(), &event) != 0) fail("epoll_ctl");
    }
  }

  void run() {
    for (auto& connection : connections_) connection.ask();
    over_ = window_.over(0);
    auto waiting = connections_.size();
    while (waiting > 0) {
      std::array<epoll_event, 64> events;
      const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), patience_milliseconds);
      for (int i = 0; i < ready; ++i) {
        auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (!connection.read()) continue;
        answered(connection);
        if (over_) {
          --waiting;
        } else {
          connection.ask();
        }
      }
      deadline_.check("waiting for answers");
    }
    print("http", settings_, rate_json(window_, 1) + ", " + samples_.json(), answers_);
  }

 private:
  void answered(const Connection& connection) {
    ++answers_;
    if (over_) return;
    if (window_.open()) samples_.add(Clock::now() - connection.asked());
    over_ = window_.over(answers_);
  }

  const Settings& settings_;
  const Deadline deadline_;
  const Exchange exchange_;
  Descriptor epoll_;
  std::deque<Connection> connections_;
  Window window_;
  Samples samples_;
  std::uint64_t answers_ = 0;
  bool over_ = false;
};

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("Loads an HTTP server that echoes and measures it.");
  app.add_option("--connect", settings.connect, "ADDRESS:PORT")->required();
  app.add_option("--path", settings.path, "where requests go");
  app.add_flag("--json", settings.json, "the body is a JSON list of one text; the answer that text");
  app.add_option("--connections", settings.connections, "at a time, one request each")
      ->check(CLI::Range(1U, 10000U));
  app.add_option("--worker", settings.workers,
                 "two ends of each PALM worker: where jobs come from, where results go")
      ->expected(2, 200);
  add_timing_options(app, settings, 1);
  CLI11_PARSE(app, argc, argv);
  PalmWorkers workers(settings.workers);
  Load(settings).run();
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_http", backplane::bench::run, argc, argv);
}
