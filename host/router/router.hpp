// The router: the crossbar between loops. Loops attach with DEALER sockets, one to each of its two ROUTER
// sockets; what comes in on the inbound side names a loop and leaves on the outbound side. It moves batches
// as they are, looks into no message, runs no component's code and never waits for a loop: credits bound
// what can be under way, so the queues need no limit.
//
// Which component a message goes to was decided by the loop it comes from (see Leg), as a line card does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <thread>

namespace backplane::host {

// Where loops attach. Unique per ZeroMQ context, of which each runtime has its own.
inline constexpr const char* inbound_address = "inproc://backplane.inbound";
inline constexpr const char* outbound_address = "inproc://backplane.outbound";

// The routing id of a loop on both sides.
std::string loop_identity(std::uint32_t loop);

class Router {
 public:
  // Binds both sockets; throws std::runtime_error when it cannot. `report` is told, from the router's
  // thread, of what should not happen: a malformed batch, a loop that is not there.
  Router(void* zmq_context, std::function<void(std::string_view)> report);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Starts the thread; `loops` is how many will attach.
  void start(std::uint32_t loops);
  // Waits until all loops have attached on the outbound side. False: not within `limit`.
  bool wait_attached(std::chrono::milliseconds limit);
  // Ends the thread. Batches still under way are freed. Safe to call twice.
  void stop();

  std::uint64_t batches() const { return batches_.load(std::memory_order_relaxed); }

 private:
  void run();
  void take_batches();
  void take_hello();

  void* inbound_ = nullptr;  // used by run() alone once started
  void* outbound_ = nullptr;
  int wake_ = -1;  // eventfd: stop
  std::function<void(std::string_view)> report_;
  std::uint32_t expected_ = 0;
  std::uint32_t attached_ = 0;
  std::promise<void> all_attached_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> batches_{0};
  std::thread thread_;
};

}  // namespace backplane::host
