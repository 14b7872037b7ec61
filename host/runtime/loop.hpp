// A loop: one thread that runs the callbacks of its components: watched sockets and descriptors, timers,
// posted calls, messages from other components. Attached to the router by two DEALER sockets.
//
// A turn takes what the outside, other threads and other loops have brought, delivers it, and sends what
// it made for other loops as one batch each. Members without a note belong to the loop's own thread.
#pragma once

#include <backplane/abi.h>
#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "router/batch.hpp"
#include "router/message_pool.hpp"
#include "router/route_table.hpp"
#include "runtime/leg.hpp"
#include "runtime/requests.hpp"
#include "runtime/timers.hpp"

namespace backplane::host {

class Component;
class Loop;
struct Shared;

// A socket or descriptor that a component watches.
struct Watched {
  Component* component = nullptr;
  void* socket = nullptr;  // nullptr: a plain descriptor
  int descriptor = -1;     // of the socket: its ZMQ_FD
  std::uint32_t events = 0;
  std::uint32_t polled = 0;  // events that epoll waits for now (plain descriptors)
  std::uint32_t ready = 0;
  bool queued = false;  // in the list of ready ones
  bool ended = false;   // unwatched; freed at the end of the turn
  bool used = true;     // its callback ran, or what it waits for has changed
  bp_watch_callback run = nullptr;
  void* data = nullptr;
};

// Says, while it exists, that a component's callback is running: for the stall report, and so that the
// component's sockets are looked at afterwards.
class Running {
 public:
  Running(Loop& loop, Component& component);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Loop& loop_;
};

class Loop {
 public:
  Loop(Shared& shared, std::uint32_t number, std::string name);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::uint32_t number() const { return number_; }
  const std::string& name() const { return name_; }

  // Starts the thread and attaches to the router. Host thread. Throws std::runtime_error.
  void start_thread();
  // Ends the thread once its components are destroyed. Host thread. False: a callback did not return within
  // `limit`; the destructor would wait for it.
  bool stop_thread(std::chrono::nanoseconds limit);

  // Runs `task` on this loop. Any thread but this one.
  void post(std::function<void()> task);
  // Runs `task` on this loop and waits until it is done. False: not within `limit` (it may still run later).
  // The task must not throw. Any thread but this one.
  bool run_and_wait(std::function<void()> task, std::chrono::nanoseconds limit);
  bool on_thread() const { return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed); }

  // From another thread, in order. False: the component has stopped; a message is freed then.
  bool post_callback(Component& component, bp_callback run, void* data);
  bool post_send(Component& component, HostMessage* message);
  bool post_call(Component& component, std::string target, HostMessage* message);
  bool post_reply(Component& component, HostMessage* reply);
  // No more posts for a component: those before are run, those after refused.
  void close_posts(Component& component);

  // Hands a message over to its destination: a component of this loop, or another loop at the end of the
  // turn.
  void deliver(HostMessage* message);
  // A component has messages waiting and can take them.
  void schedule(Component& component);
  // The component may send again: on_resume is called at the next chance.
  void tell_resume(Component& component);
  // The message that had this lane was taken (or discarded) by a component of this loop.
  void give_back(std::uint32_t lane_loop, std::uint32_t lane);
  // Gives a lane its number.
  std::uint32_t add_lane(Leg& leg, Lane& lane);

  Requests& requests() { return requests_; }
  Timers& timers() { return timers_; }
  // The clock at the start of the turn.
  std::int64_t now() const { return now_; }
  std::uint64_t next_message_id() { return (std::uint64_t{number_} << 48) | ++last_message_; }

  Watched* watch(Component& component, void* socket, int descriptor, std::uint32_t events,
                 bp_watch_callback run, void* data);
  void change_watch(Watched& watched, std::uint32_t events);
  void unwatch(Watched& watched);
  // Looks again at what a component watches: it may read again, or no more.
  void review(Component& component);
  void mark_dirty(Component& component);

  void add_component(Component& component) { components_.push_back(&component); }
  void remove_component(Component& component);
  const std::vector<Component*>& components() const { return components_; }

  // Which component runs now, and a number that changes with every callback. Any thread.
  const Component* running() const { return running_.load(std::memory_order_relaxed); }
  std::uint64_t mark() const { return mark_.load(std::memory_order_relaxed); }
  // Nothing for other loops or other components is under way here.
  bool quiet() const;

 private:
  friend class Running;
  struct Operation {
    enum class What { task, callback, send, call, reply } what = What::task;
    Component* component = nullptr;
    HostMessage* message = nullptr;
    bp_callback run = nullptr;
    void* data = nullptr;
    std::function<void()> task;
    std::string target;
  };
  struct LaneReference {
    Leg* leg;
    Lane* lane;
  };

  void thread_main(std::function<void(std::exception_ptr)> attached);
  void attach();
  void detach();
  void turn();
  std::int64_t next_look();
  static int time_to_sleep(std::int64_t next);
  int wait_for(std::span<epoll_event> events);
  void wait();
  bool enqueue(Operation operation);
  void take_operations();
  void perform(Operation& operation);
  void take_batches();
  void take_cell(Cell& cell);
  void run_ready();
  void run_watch(Watched& watched);
  void expire_requests();
  void deliver_scheduled();
  void deliver_replies();
  void tell_resumes();
  void return_credits();
  void send_batches();
  void look_at_dirty();
  void look_at_socket(Watched& watched);
  void queue_ready(Watched& watched, std::uint32_t events);
  void poll_descriptor(Watched& watched);
  void sweep();
  void wake();

  Shared& shared_;
  std::uint32_t number_;
  std::string name_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  std::atomic<bool> ended_{false};
  bool stop_ = false;

  int epoll_ = -1;
  int wake_ = -1;
  void* inbound_ = nullptr;   // DEALER to the router's inbound side: what this loop sends
  void* outbound_ = nullptr;  // DEALER to its outbound side: what this loop gets
  bool batches_waiting_ = false;

  std::mutex operations_mutex_;
  std::vector<Operation> operations_;
  std::atomic<bool> awake_{false};  // a wake-up is already on its way

  std::int64_t now_ = 0;
  std::int64_t next_sweep_ = 0;
  std::uint64_t last_message_ = 0;
  Timers timers_;
  Requests requests_;

  std::vector<Component*> components_;
  std::vector<Component*> scheduled_;
  std::vector<Component*> delivering_;
  std::vector<Component*> dirty_;
  std::vector<Component*> resuming_;
  MessageQueue replies_;  // for components of this loop, delivered in this turn

  std::vector<std::unique_ptr<Watched>> watches_;
  std::vector<Watched*> ready_;
  std::vector<Watched*> running_watches_;
  bool ended_watches_ = false;

  std::vector<LaneReference> lanes_;
  Cell returning_{};  // credit of one lane, not yet on its way
  std::uint32_t returning_loop_ = 0;
  std::vector<std::unique_ptr<Batch>> outgoing_;  // by loop

  std::atomic<const Component*> running_{nullptr};
  std::atomic<std::uint64_t> mark_{0};
};

}  // namespace backplane::host
