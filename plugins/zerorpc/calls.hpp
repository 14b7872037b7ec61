// Calls of functions for clients: so many at once, the others in the order in which they came. Belongs to the
// component's loop.
#pragma once

#include <backplane/host.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

namespace backplane::zerorpc {

class Calls {
 public:
  struct Limits {
    std::size_t at_once = 10000;
    std::size_t waiting = 10000;
  };
  // What concerns the one that asked, known by its cookie.
  struct Callbacks {
    // The call is no longer wanted: it need not begin.
    std::function<bool(std::uint64_t cookie)> wanted;
    // The function was called; `correlation` names the request for Host::cancel and Host::grant, 0: it has
    // been refused, and the error is on its way.
    std::function<void(std::uint64_t cookie, std::uint64_t correlation)> begun;
  };

  Calls(Host host, Limits limits, Callbacks callbacks);
  // Makes the metrics. In start().
  void start();

  // Calls "component.function" now, or when others have ended. `request` is complete but for its cookie. Its
  // outcome comes to on_reply with that cookie. False: too many wait, nothing was done.
  bool begin(const std::string& target, Message request, std::uint64_t cookie);
  // A call that had begun has ended, or was given up. Others may begin.
  void ended();
  // Those that wait never begin.
  void drop_waiting();

  std::size_t running() const { return running_; }

 private:
  struct Waiting {
    std::string target;
    Message request;
    std::uint64_t cookie;
  };

  void call(const std::string& target, Message request, std::uint64_t cookie);

  Host host_;
  Limits limits_;
  Callbacks callbacks_;
  std::size_t running_ = 0;
  bool starting_ = false;  // calls that waited
  std::deque<Waiting> waiting_;
  Gauge running_gauge_;
  Gauge waiting_gauge_;
  Counter refused_;
};

}  // namespace backplane::zerorpc
