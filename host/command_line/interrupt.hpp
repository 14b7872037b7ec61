// Signals that end a command, as a descriptor.
#pragma once

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>

namespace backplane::host {

// While it lives, SIGINT and SIGTERM make a descriptor readable instead of ending the process. Made before
// other threads are, so that they inherit it.
class Interrupt {
 public:
  Interrupt() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
    descriptor_ = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor_ < 0) throw std::runtime_error(std::string("signalfd: ") + std::strerror(errno));
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt() {
    arrived();
    ::close(descriptor_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  int descriptor() const { return descriptor_; }
  // Takes a signal that has arrived.
  bool arrived() const {
    signalfd_siginfo information;
    return ::read(descriptor_, &information, sizeof information) > 0;
  }

 private:
  sigset_t before_{};
  int descriptor_ = -1;
};

}  // namespace backplane::host
