#include "socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace backplane::http {

namespace {

constexpr int kSendsPerTurn = 16;

}  // namespace

void Descriptor::close() {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

// ---- addresses ----

bool Address::is_loopback() const {
  if (storage.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
    return ntohl(address.sin_addr.s_addr) >> 24 == 127;
  }
  const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
  return storage.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

std::string Address::text() const {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(get(), size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "an unknown address";
  return HostAndPort{host.data(), port.data()}.text();
}

std::string HostAndPort::text() const {
  return (host.find(':') == host.npos ? host : '[' + host + ']') + ':' + port;
}

bool split_host_and_port(std::string_view text, std::string_view default_port, HostAndPort& into) {
  auto host_end = text.rfind(':');
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == text.npos) return false;
    into.host = text.substr(1, bracket - 1);
    host_end = bracket + 1;
  } else {
    host_end = std::min(host_end, text.size());
    into.host = text.substr(0, host_end);
    if (into.host.find(':') != into.host.npos) return false;
  }
  const auto port = text.substr(host_end);
  if (!port.empty() && port.front() != ':') return false;
  into.port = port.empty() ? default_port : port.substr(1);
  if (into.port == "*") into.port = "0";
  unsigned number = 65536;
  const auto* const end = into.port.data() + into.port.size();
  const auto read = std::from_chars(into.port.data(), end, number);
  return !into.host.empty() && read.ec == std::errc() && read.ptr == end && number <= 65535;
}

std::vector<Address> resolve(const HostAndPort& where, bool to_listen, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = to_listen ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const char* name = where.host == "*" ? "0.0.0.0" : where.host.c_str();
  const int failed = ::getaddrinfo(name, where.port.c_str(), &hints, &found);
  if (failed != 0) {
    why = failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed);
    return {};
  }
  std::vector<Address> addresses;
  for (const auto* each = found; each != nullptr; each = each->ai_next) {
    Address address;
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.size = each->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

// ---- bytes ----

void Outbox::add(std::string bytes) {
  if (!bytes.empty()) pieces_.push_back(std::move(bytes));
}

void Outbox::clear() {
  pieces_ = {};  // an idle connection keeps no memory
  next_ = 0;
  offset_ = 0;
}

void Outbox::sent(std::size_t count) {
  while (count > 0) {
    const auto left = pieces_[next_].size() - offset_;
    if (count < left) {
      offset_ += count;
      return;
    }
    count -= left;
    pieces_[next_++] = std::string();
    offset_ = 0;
  }
}

Outbox::Sent Outbox::send(int socket, bool& progress) {
  for (int turns = kSendsPerTurn; !empty(); --turns) {
    if (turns == 0) return Sent::some;
    std::array<iovec, 8> parts{};
    std::size_t count = 0;
    for (auto i = next_; i < pieces_.size() && count < parts.size(); ++i, ++count) {
      const auto skipped = i == next_ ? offset_ : 0;
      parts[count] = {pieces_[i].data() + skipped, pieces_[i].size() - skipped};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const auto taken = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken >= 0) {
      progress = true;
      sent(static_cast<std::size_t>(taken));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Sent::some;
    } else if (errno != EINTR) {
      return Sent::failed;
    }
  }
  clear();
  return Sent::all;
}

Received receive(int socket, char* buffer, std::size_t room, std::size_t& count) {
  for (;;) {
    const auto got = ::recv(socket, buffer, room, MSG_DONTWAIT);
    if (got > 0) {
      count = static_cast<std::size_t>(got);
      return Received::bytes;
    }
    if (got == 0) return Received::end;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::nothing;
    if (errno != EINTR) return Received::failed;
  }
}

}  // namespace backplane::http
