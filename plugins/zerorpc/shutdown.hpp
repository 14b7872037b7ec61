// How a service ends: what becomes of calls that run and of results that nobody has fetched. An operator
// chooses a strategy for each component. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace backplane::zerorpc {

// The strategies, in the words of the manifest.
inline constexpr const char* shutdown_strategies = "wait_until_polled|drain|abort|close|custom";

struct ShutdownSettings {
  enum class Strategy {
    wait_until_polled,  // until all calls have ended and all results were fetched or have expired
    drain,              // until all calls have ended and were answered
    abort,              // calls are cancelled at once, the errors are kept for `abort_linger`
    close,              // the socket closes at once, what runs goes on without anybody to answer
    custom,             // a function of a plugin says when it is over
  };
  Strategy strategy = Strategy::wait_until_polled;
  std::chrono::nanoseconds grace = std::chrono::seconds(30);  // then what still runs is aborted
  std::chrono::nanoseconds abort_linger = std::chrono::seconds(1);
  std::string function;  // of Strategy::custom: "component.function"
};

class Shutdown {
 public:
  // What the service does and knows.
  struct Service {
    std::function<std::size_t()> unanswered;       // calls that run, and answers on their way
    std::function<std::size_t()> unclaimed;        // results that nobody has fetched
    std::function<std::size_t()> abort;            // ends all calls with an error; how many there were
    std::function<void()> unbind;                  // closes the socket
    std::function<void()> ask;                     // calls the function of Strategy::custom
    std::function<void(const std::string&)> told;  // it took longer than `grace`
    std::function<void()> over;
  };

  Shutdown(Host host, ShutdownSettings settings, Service service);
  // The host must wait so long for a drain.
  void start();

  // The host stops, or the service was asked to. New calls are refused from now on.
  void request();
  bool requested() const { return state_ != State::serving; }
  bool over() const { return state_ == State::over; }
  // Something has ended. To be called after each change once requested().
  void look();
  // The function of Strategy::custom has returned.
  void function_returned();
  // No callback follows.
  void stop();

 private:
  enum class State { serving, ending, aborted, over };

  bool done() const;
  void give_up();
  void finish();

  Host host_;
  ShutdownSettings settings_;
  Service service_;
  State state_ = State::serving;
  bool returned_ = false;
  Timer grace_timer_;
  Timer linger_timer_;
  Timer look_timer_;  // results expire without a word
};

}  // namespace backplane::zerorpc
