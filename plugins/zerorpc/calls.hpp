// Calls of functions for clients: so many at once, the others in the order in which they came. Belongs to the
// component's loop.
#pragma once

#include <backplane/host.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

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
    // The call's deadline has passed while it waited: it never begins.
    std::function<void(std::uint64_t cookie)> expired;
    // The function was called; `correlation` names the request for Host::cancel and Host::grant, 0: it has
    // been refused, and the error is on its way.
    std::function<void(std::uint64_t cookie, std::uint64_t correlation)> begun;
  };

  Calls(Host host, Limits limits, Callbacks callbacks);
  // Makes the metrics. In start().
  void start();

  // Calls "component.function" now, or when others have ended. `request` is complete but for its cookie. Its
  // outcome comes to on_reply with that cookie. One that waits does so until its deadline at the latest.
  // False: too many wait, nothing was done.
  bool begin(const std::string& target, Message request, std::uint64_t cookie);
  // A call that had begun has ended, or was given up. Others may begin.
  void ended();
  // The call is no longer wanted. If it waits, it leaves its place to others.
  void forget(std::uint64_t cookie);
  // Those that wait never begin.
  void drop_waiting();

  std::size_t running() const { return running_; }

 private:
  static constexpr auto never = std::numeric_limits<std::int64_t>::max();  // an instant
  using Deadlines = std::multimap<std::int64_t, std::uint64_t>;            // and the cookies of their calls
  struct Waiting {
    std::string target;
    Message request;
    std::uint64_t cookie;
    std::optional<Deadlines::iterator> deadline = {};
  };
  using Queue = std::list<Waiting>;  // in the order in which they came

  void wait(const std::string& target, Message request, std::uint64_t cookie);
  Waiting take(Queue::iterator place);
  void show_waiting();
  void arm();
  void expire();
  void call(const std::string& target, Message request, std::uint64_t cookie);

  Host host_;
  Limits limits_;
  Callbacks callbacks_;
  std::size_t running_ = 0;
  bool starting_ = false;  // calls that waited
  Queue waiting_;
  std::unordered_map<std::uint64_t, Queue::iterator> by_cookie_;
  Deadlines deadlines_;
  std::int64_t armed_;
  Timer clock_;
  Gauge running_gauge_;
  Gauge waiting_gauge_;
  Counter refused_;
};

}  // namespace backplane::zerorpc
