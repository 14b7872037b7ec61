#include "support/tcp_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace backplane::test {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

sockaddr_in address_of(const std::string& endpoint) {
  const auto scheme = endpoint.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  const auto colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon < begin || colon == std::string::npos ||
      ::inet_pton(AF_INET, endpoint.substr(begin, colon - begin).c_str(), &address.sin_addr) != 1)
    throw std::runtime_error(endpoint + " is not ADDRESS:PORT");
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(colon + 1))));
  return address;
}

bool ready(int socket, short events, Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
  pollfd entry{socket, events, 0};
  return ::poll(&entry, 1, static_cast<int>(std::max<long>(0, left))) > 0;
}

}  // namespace

TcpPeer::TcpPeer(const std::string& endpoint) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const auto address = address_of(endpoint);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int why = errno;
    close();
    errno = why;
    fail("connect to " + endpoint);
  }
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

TcpPeer::TcpPeer(int socket) : socket_(socket) {}

TcpPeer::~TcpPeer() { close(); }

std::size_t TcpPeer::send_some(std::string_view bytes) {
  const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

bool TcpPeer::send(std::string_view bytes, std::chrono::nanoseconds limit) {
  const auto end = Clock::now() + limit;
  while (!bytes.empty()) {
    bytes.remove_prefix(send_some(bytes));
    if (bytes.empty()) break;
    if (errno != EAGAIN && errno != EINTR) return false;
    if (!ready(socket_, POLLOUT, end)) return false;
  }
  return true;
}

void TcpPeer::finish() { ::shutdown(socket_, SHUT_WR); }

void TcpPeer::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void TcpPeer::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void TcpPeer::read() {
  char buffer[65536];
  while (!closed_ && socket_ >= 0) {
    const auto got = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      received_.append(buffer, static_cast<std::size_t>(got));
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    } else {
      closed_ = true;
    }
  }
}

const std::string& TcpPeer::received() {
  read();
  return received_;
}

bool TcpPeer::closed() {
  read();
  return closed_;
}

std::optional<std::string> TcpPeer::receive_until(std::string_view mark, std::chrono::nanoseconds limit) {
  if (!eventually(limit, [&] { return has(mark) || closed(); }) || !has(mark)) return std::nullopt;
  return receive(received_.find(mark) + mark.size(), limit);
}

std::optional<std::string> TcpPeer::receive(std::size_t count, std::chrono::nanoseconds limit) {
  if (!eventually(limit, [&] { return received().size() >= count || closed(); }) || received_.size() < count)
    return std::nullopt;
  auto taken = received_.substr(0, count);
  received_.erase(0, count);
  return taken;
}

std::optional<std::string> TcpPeer::receive_all(std::chrono::nanoseconds limit) {
  if (!eventually(limit, [&] { return closed(); })) return std::nullopt;
  return take();
}

TcpListener::TcpListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  auto address = address_of("127.0.0.1:0");
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_, generic, size) != 0 || ::listen(socket_, 128) != 0 ||
      ::getsockname(socket_, generic, &size) != 0)
    fail("listen");
  port_ = ntohs(address.sin_port);
}

std::optional<TcpPeer> TcpListener::accept_now() {
  const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
  if (accepted < 0) return std::nullopt;
  return TcpPeer(accepted);
}

std::optional<TcpPeer> TcpListener::accept(std::chrono::nanoseconds limit) {
  if (!ready(socket_, POLLIN, Clock::now() + limit)) return std::nullopt;
  return accept_now();
}

void TcpListener::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

}  // namespace backplane::test
