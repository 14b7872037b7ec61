// What a process that stands between the ends of a load needs: to say that it is ready, as the host does, and
// to end when it is told to.
#pragma once

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "sockets.hpp"

namespace backplane::bench {

// Tells whoever started this program that its sockets are bound; without NOTIFY_SOCKET, nobody.
inline void notify_ready() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::string_view text = "READY=1";
  if (::sendto(descriptor, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address),
               sizeof address) < 0)
    std::perror("cannot notify");
  ::close(descriptor);
}

// SIGTERM and SIGINT, which end nothing but wait(). Made before any thread, which inherits that.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void wait() const {
    int number = 0;
    sigwait(&signals_, &number);
  }

 private:
  sigset_t signals_;
};

// Opens one socket, or two, and runs `turn(socket, other socket)` until it fails, which it does when the
// process is to end.
template <typename Turn>
void device(const std::string& first, const std::string& second, Turn&& turn) {
  const EndSignals signals;
  const Context context;
  const Socket one(context, parse_end(first));
  const std::optional<Socket> other =
      second.empty() ? std::nullopt : std::make_optional<Socket>(context, parse_end(second));
  const std::jthread ender([&] {
    signals.wait();
    zmq_ctx_shutdown(context.get());
  });
  notify_ready();
  try {
    while (true) turn(one, other ? *other : one);
  } catch (const ZmqError& error) {
    if (error.number() != ETERM) throw;
  }
}

}  // namespace backplane::bench
