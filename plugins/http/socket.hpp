// TCP sockets that never wait, and the addresses they are given. Belongs to one thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::http {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close();
  int get() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// An address of the socket functions, with its size.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool is_loopback() const;
  std::string text() const;  // 127.0.0.1:80, [::1]:80
};

struct HostAndPort {
  std::string host;  // without brackets
  std::string port;
  std::string text() const;  // [::1]:80
};

// Splits ADDRESS:PORT, `[ADDRESS]:PORT` for IPv6; the port is `default_port` when there is none. False: it is
// neither. Host and port are not looked up.
bool split_host_and_port(std::string_view text, std::string_view default_port, HostAndPort& into);

// The addresses of a host and port; none, and the reason in `why`, when the name does not resolve. Waits for
// the name service.
std::vector<Address> resolve(const HostAndPort& where, bool to_listen, std::string& why);

// Bytes on their way into a socket.
class Outbox {
 public:
  enum class Sent { all, some, failed };

  void add(std::string bytes);
  bool empty() const { return next_ == pieces_.size(); }
  // Sends as much as the socket takes now, within bounds: others on the loop want their turn. `progress`
  // becomes true when a byte went.
  Sent send(int socket, bool& progress);
  void clear();

 private:
  void sent(std::size_t count);

  std::vector<std::string> pieces_;
  std::size_t next_ = 0;    // piece
  std::size_t offset_ = 0;  // in it
};

// What a read brought.
enum class Received { bytes, nothing, end, failed };
// Reads once, up to `room` bytes into `buffer`.
Received receive(int socket, char* buffer, std::size_t room, std::size_t& count);

}  // namespace backplane::http
