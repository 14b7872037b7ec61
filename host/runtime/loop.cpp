#include "runtime/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <future>
#include <stdexcept>
#include <utility>

#include "router/router.hpp"
#include "runtime/clock.hpp"
#include "runtime/component.hpp"
#include "runtime/shared.hpp"

namespace backplane::host {

namespace {

constexpr int delivery_budget = 128;  // messages to one component before the next has its turn
constexpr int rounds_per_turn = 8;    // of deliveries, so that a chain on one loop needs one turn
constexpr int batches_per_turn = 64;
constexpr std::int64_t sweep_period = 50 * milliseconds;

// Tags of what is not a watch, in epoll's data.
constexpr std::uint64_t wake_tag = 1;
constexpr std::uint64_t router_tag = 2;

void* attach_dealer(void* context, const std::string& identity, const char* address) {
  void* socket = zmq_socket(context, ZMQ_DEALER);
  if (socket == nullptr)
    throw std::runtime_error(std::string("cannot make a loop's socket: ") + zmq_strerror(errno));
  const int unlimited = 0;
  const int linger = 0;
  zmq_setsockopt(socket, ZMQ_ROUTING_ID, identity.data(), identity.size());
  zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  if (zmq_connect(socket, address) != 0) {
    const std::string reason = zmq_strerror(errno);
    zmq_close(socket);
    throw std::runtime_error(std::string("a loop cannot attach to ") + address + ": " + reason);
  }
  return socket;
}

int descriptor_of(void* socket) {
  int descriptor = -1;
  std::size_t size = sizeof descriptor;
  return zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size) == 0 ? descriptor : -1;
}

std::uint32_t to_epoll(std::uint32_t events) {
  return ((events & BP_READABLE) != 0 ? std::uint32_t{EPOLLIN} : 0u) |
         ((events & BP_WRITABLE) != 0 ? std::uint32_t{EPOLLOUT} : 0u);
}

std::uint32_t from_epoll(std::uint32_t events) {
  return ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? BP_READABLE : 0u) |
         ((events & (EPOLLOUT | EPOLLERR)) != 0 ? BP_WRITABLE : 0u);
}

}  // namespace

Running::Running(Loop& loop, Component& component) : loop_(loop) {
  loop_.running_.store(&component, std::memory_order_relaxed);
  loop_.mark_.store(loop_.mark_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  loop_.mark_dirty(component);
}

Running::~Running() { loop_.running_.store(nullptr, std::memory_order_relaxed); }

Loop::Loop(Shared& shared, std::uint32_t number, std::string name)
    : shared_(shared), number_(number), name_(std::move(name)), requests_(number) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0)
    throw std::runtime_error("cannot make loop " + name_ + ": too many open files");
}

Loop::~Loop() {
  stop_thread(std::chrono::hours(24));  // for one whose callback did not return in time: wait for it
  ::close(epoll_);
  ::close(wake_);
}

void Loop::start_thread() {
  std::promise<void> attached;
  auto result = attached.get_future();
  thread_ = std::thread([this, &attached] {
    thread_main([&attached](std::exception_ptr failure) {
      if (failure) {
        attached.set_exception(failure);
      } else {
        attached.set_value();
      }
    });
  });
  result.get();
}

void Loop::thread_main(std::function<void(std::exception_ptr)> attached) {
  pthread_setname_np(pthread_self(), ("bp-" + name_).substr(0, 15).c_str());
  thread_id_.store(std::this_thread::get_id());
  try {
    attach();
  } catch (...) {
    ended_.store(true);
    attached(std::current_exception());
    return;
  }
  attached(nullptr);
  while (!stop_) turn();
  detach();
  ended_.store(true);
}

void Loop::attach() {
  inbound_ = attach_dealer(shared_.zmq_context, loop_identity(number_), inbound_address);
  outbound_ = attach_dealer(shared_.zmq_context, loop_identity(number_), outbound_address);
  zmq_send(outbound_, nullptr, 0, 0);  // hello: the router learns the identity before it sends to it
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_tag;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  event.data.u64 = router_tag;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor_of(outbound_), &event);
  outgoing_.resize(shared_.loops.size());
  batches_waiting_ = true;
}

void Loop::detach() {
  zmq_close(std::exchange(inbound_, nullptr));
  zmq_close(std::exchange(outbound_, nullptr));
}

bool Loop::stop_thread(std::chrono::nanoseconds limit) {
  if (!thread_.joinable()) return true;
  post([this] { stop_ = true; });
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ended_.load() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  if (!ended_.load()) return false;
  thread_.join();
  return true;
}

void Loop::turn() {
  wait();
  take_operations();
  if (batches_waiting_) take_batches();
  run_ready();
  timers_.run_due(now_);
  expire_requests();
  deliver_scheduled();
  return_credits();
  if (now_ >= next_sweep_) sweep();
  send_batches();
  look_at_dirty();
}

// When the loop must look again by itself: now_ or earlier while work is waiting, -1: only when something
// comes.
std::int64_t Loop::next_look() {
  if (batches_waiting_ || !ready_.empty() || !scheduled_.empty() || !replies_.empty() || stop_) return 0;
  auto next = timers_.next();
  for (const auto other : {requests_.next(), components_.empty() ? std::int64_t{-1} : next_sweep_})
    if (other >= 0 && (next < 0 || other < next)) next = other;
  return next;
}

// Milliseconds until then, for epoll_wait.
int Loop::time_to_sleep(std::int64_t next) {
  if (next < 0) return -1;
  const auto left = next - now_nanoseconds();
  return left <= 0
             ? 0
             : static_cast<int>(std::min<std::int64_t>((left + milliseconds - 1) / milliseconds, 60'000));
}

// The number of events; waits for the first one until the loop must look again.
int Loop::wait_for(std::span<epoll_event> events) {
  const auto look = [&](int limit) {
    return ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), limit);
  };
  const auto next = next_look();
  const auto spin = shared_.manifest.host.spin.count();
  if (spin > 0 && next != 0) {
    auto end = now_nanoseconds() + spin;
    if (next > 0) end = std::min(end, next);
    do {
      if (const int count = look(0); count != 0) return count;
    } while (now_nanoseconds() < end);
  }
  return look(time_to_sleep(next));
}

void Loop::wait() {
  std::array<epoll_event, 256> events;
  const int count = wait_for(events);
  now_ = now_nanoseconds();
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == wake_tag) {
      std::uint64_t unused = 0;
      [[maybe_unused]] const auto read = ::read(wake_, &unused, sizeof unused);
      awake_.store(false, std::memory_order_seq_cst);
    } else if (event.data.u64 == router_tag) {
      batches_waiting_ = true;
    } else {
      auto& watched = *static_cast<Watched*>(event.data.ptr);
      if (watched.socket != nullptr) {
        look_at_socket(watched);
      } else {
        queue_ready(watched, from_epoll(event.events));
      }
    }
  }
}

void Loop::wake() {
  if (awake_.exchange(true, std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

bool Loop::enqueue(Operation operation) {
  {
    const std::lock_guard lock(operations_mutex_);
    if (operation.component != nullptr && operation.component->posts_closed) return false;
    operations_.push_back(std::move(operation));
  }
  wake();
  return true;
}

void Loop::post(std::function<void()> task) {
  Operation operation;
  operation.task = std::move(task);
  enqueue(std::move(operation));
}

bool Loop::run_and_wait(std::function<void()> task, std::chrono::nanoseconds limit) {
  auto done = std::make_shared<std::promise<void>>();
  auto result = done->get_future();
  post([done, task = std::move(task)] {
    task();
    done->set_value();
  });
  return result.wait_for(limit) == std::future_status::ready;
}

bool Loop::post_callback(Component& component, bp_callback callback, void* data) {
  Operation operation;
  operation.what = Operation::What::callback;
  operation.component = &component;
  operation.run = callback;
  operation.data = data;
  return enqueue(std::move(operation));
}

bool Loop::post_send(Component& component, HostMessage* message) {
  Operation operation;
  operation.what = Operation::What::send;
  operation.component = &component;
  operation.message = message;
  component.foreign.fetch_add(1, std::memory_order_relaxed);
  if (enqueue(std::move(operation))) return true;
  component.foreign.fetch_sub(1, std::memory_order_relaxed);
  free_message(message);
  return false;
}

bool Loop::post_call(Component& component, std::string target, HostMessage* message) {
  Operation operation;
  operation.what = Operation::What::call;
  operation.component = &component;
  operation.message = message;
  operation.target = std::move(target);
  component.foreign.fetch_add(1, std::memory_order_relaxed);
  if (enqueue(std::move(operation))) return true;
  component.foreign.fetch_sub(1, std::memory_order_relaxed);
  free_message(message);
  return false;
}

bool Loop::post_reply(Component& component, HostMessage* reply) {
  Operation operation;
  operation.what = Operation::What::reply;
  operation.component = &component;
  operation.message = reply;
  if (enqueue(std::move(operation))) return true;
  free_message(reply);
  return false;
}

void Loop::close_posts(Component& component) {
  {
    const std::lock_guard lock(operations_mutex_);
    component.posts_closed = true;
  }
  take_operations();
}

void Loop::take_operations() {
  std::vector<Operation> taken;
  {
    const std::lock_guard lock(operations_mutex_);
    if (operations_.empty()) return;
    taken.swap(operations_);
  }
  for (auto& operation : taken) perform(operation);
}

void Loop::perform(Operation& operation) {
  switch (operation.what) {
    case Operation::What::task:
      operation.task();
      return;
    case Operation::What::callback: {
      const Running running(*this, *operation.component);
      operation.run(operation.data);
      return;
    }
    case Operation::What::send:
    case Operation::What::call: {
      Component& component = *operation.component;
      const auto left = component.foreign.fetch_sub(1, std::memory_order_relaxed) - 1;
      if (operation.what == Operation::What::send) {
        component.send(operation.message);
      } else {
        component.call(operation.target, operation.message);
      }
      if (left < Component::most_foreign / 2 && component.foreign_paused.exchange(false))
        tell_resume(component);
      return;
    }
    case Operation::What::reply: {
      const bp_envelope request = operation.message->envelope;
      operation.component->reply(request, operation.message);
      return;
    }
  }
}

void Loop::deliver(HostMessage* message) {
  const auto destination = message->envelope.destination;
  const auto loop = shared_.routes->place(destination).loop;
  if (loop == number_) {
    if ((message->envelope.flags & (BP_REPLY | BP_CANCEL | BP_CREDIT)) != 0) {
      replies_.push(message);
    } else {
      shared_.components[destination]->arrive(message);
    }
    return;
  }
  auto& batch = outgoing_[loop];
  if (!batch) {
    batch = std::make_unique<Batch>();
    batch->destination = loop;
  }
  batch->cells.push_back({message, 0, 0});
}

void Loop::schedule(Component& component) {
  if (component.scheduled) return;
  component.scheduled = true;
  scheduled_.push_back(&component);
}

void Loop::tell_resume(Component& component) {
  if (component.resume_waiting) return;
  component.resume_waiting = true;
  resuming_.push_back(&component);
}

void Loop::give_back(std::uint32_t lane_loop, std::uint32_t lane) {
  if (lane == 0) return;
  if (returning_.credit > 0 && returning_.lane == lane && returning_loop_ == lane_loop) {
    ++returning_.credit;
    return;
  }
  return_credits();
  returning_ = {nullptr, lane, 1};
  returning_loop_ = lane_loop;
}

void Loop::return_credits() {
  if (returning_.credit == 0) return;
  const Cell cell = std::exchange(returning_, Cell{});
  if (returning_loop_ == number_) {
    const auto& [leg, lane] = lanes_[cell.lane - 1];
    leg->return_credit(*lane, cell.credit);
    return;
  }
  auto& batch = outgoing_[returning_loop_];
  if (!batch) {
    batch = std::make_unique<Batch>();
    batch->destination = returning_loop_;
  }
  batch->cells.push_back(cell);
}

std::uint32_t Loop::add_lane(Leg& leg, Lane& lane) {
  lanes_.push_back({&leg, &lane});
  return static_cast<std::uint32_t>(lanes_.size());
}

void Loop::send_batches() {
  for (auto& batch : outgoing_) {
    if (!batch) continue;
    zmq_msg_t frame;
    batch_to_frame(batch.release(), &frame);
    if (zmq_msg_send(&frame, inbound_, ZMQ_DONTWAIT) >= 0) continue;
    zmq_msg_close(&frame);
    shared_.log.error("loop " + name_ + " could not reach the router: " + zmq_strerror(errno));
  }
}

void Loop::take_batches() {
  zmq_msg_t frame;
  zmq_msg_init(&frame);
  batches_waiting_ = true;
  for (int i = 0; i < batches_per_turn; ++i) {
    if (zmq_msg_recv(&frame, outbound_, ZMQ_DONTWAIT) < 0) {
      batches_waiting_ = false;
      break;
    }
    Batch* batch = batch_of(&frame);
    if (batch == nullptr) continue;
    for (auto& cell : batch->cells) take_cell(cell);
  }
  zmq_msg_close(&frame);
}

void Loop::take_cell(Cell& cell) {
  if (cell.message != nullptr) {
    deliver(std::exchange(cell.message, nullptr));
    return;
  }
  const auto& [leg, lane] = lanes_[cell.lane - 1];
  leg->return_credit(*lane, cell.credit);
}

void Loop::deliver_scheduled() {
  for (int round = 0; round < rounds_per_turn; ++round) {
    deliver_replies();
    if (scheduled_.empty()) break;
    delivering_.swap(scheduled_);
    for (auto* component : delivering_) {
      component->scheduled = false;
      if (component->deliver(delivery_budget)) schedule(*component);
    }
    delivering_.clear();
    return_credits();
    tell_resumes();
  }
  tell_resumes();
}

void Loop::deliver_replies() {
  for (auto left = replies_.size(); left > 0; --left) {
    HostMessage* reply = replies_.pop();
    shared_.components[reply->envelope.destination]->receive_reply(reply);
  }
}

void Loop::tell_resumes() {
  if (resuming_.empty()) return;
  std::vector<Component*> resuming;
  resuming.swap(resuming_);
  for (auto* component : resuming) {
    component->resume_waiting = false;
    component->on_resume();
  }
}

void Loop::expire_requests() {
  for (const auto& request : requests_.expire(now_)) {
    Component& asker = *shared_.components[request.asker];
    asker.request_expired(request);
  }
}

void Loop::sweep() {
  next_sweep_ = now_ + sweep_period;
  for (auto* component : components_) component->sweep();
}

Watched* Loop::watch(Component& component, void* socket, int descriptor, std::uint32_t events,
                     bp_watch_callback callback, void* data) {
  assert(on_thread());
  auto watched = std::make_unique<Watched>();
  watched->component = &component;
  watched->socket = socket;
  watched->descriptor = socket != nullptr ? descriptor_of(socket) : descriptor;
  watched->events = events;
  watched->run = callback;
  watched->data = data;
  epoll_event event{};
  event.data.ptr = watched.get();
  // A ZMQ_FD is readable when ZMQ_EVENTS should be looked at.
  event.events = socket != nullptr ? std::uint32_t{EPOLLIN} : to_epoll(events);
  if (watched->descriptor < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, watched->descriptor, &event) != 0)
    return nullptr;
  if (socket == nullptr) {
    watched->polled = event.events;
    if (watched->polled == 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, watched->descriptor, nullptr);
    poll_descriptor(*watched);
  }
  component.watches.push_back(watched.get());
  mark_dirty(component);
  return watches_.emplace_back(std::move(watched)).get();
}

void Loop::change_watch(Watched& watched, std::uint32_t events) {
  watched.events = events;
  watched.used = true;
  if (watched.socket != nullptr) {
    mark_dirty(*watched.component);
  } else {
    poll_descriptor(watched);
  }
}

void Loop::poll_descriptor(Watched& watched) {
  auto events = watched.events;
  if (watched.component->reading_paused() && (events & BP_ALWAYS) == 0) events &= ~BP_READABLE;
  const auto wanted = to_epoll(events);
  if (wanted == watched.polled) return;
  epoll_event event{};
  event.events = wanted;
  event.data.ptr = &watched;
  // A descriptor that nothing is wanted of leaves epoll, which would go on telling of a peer that hung up.
  const int step = wanted == 0 ? EPOLL_CTL_DEL : watched.polled == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  ::epoll_ctl(epoll_, step, watched.descriptor, &event);
  watched.polled = wanted;
}

void Loop::unwatch(Watched& watched) {
  if (watched.ended) return;
  watched.ended = true;
  ended_watches_ = true;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, watched.descriptor, nullptr);
  std::erase(watched.component->watches, &watched);
}

void Loop::review(Component& component) {
  for (auto* watched : component.watches) {
    watched->used = true;
    if (watched->socket == nullptr) poll_descriptor(*watched);
  }
  mark_dirty(component);
}

void Loop::mark_dirty(Component& component) {
  if (component.dirty || component.watches.empty()) return;
  component.dirty = true;
  dirty_.push_back(&component);
}

// After a component ran, its sockets may have become ready without their descriptor saying so.
void Loop::look_at_dirty() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    Component& component = *dirty_[i];
    component.dirty = false;
    for (auto* watched : component.watches) {
      const bool waits = (watched->events & (BP_READABLE | BP_WRITABLE)) != 0;
      const bool used = std::exchange(watched->used, false) || (watched->events & BP_ALONE) == 0;
      if (watched->socket != nullptr && waits && used) look_at_socket(*watched);
    }
  }
  dirty_.clear();
  if (!ended_watches_) return;
  std::erase_if(ready_, [](const Watched* watched) { return watched->ended; });
  std::erase_if(watches_, [](const auto& watched) { return watched->ended; });
  ended_watches_ = false;
}

void Loop::look_at_socket(Watched& watched) {
  if (watched.ended) return;
  int events = 0;
  std::size_t size = sizeof events;
  if (zmq_getsockopt(watched.socket, ZMQ_EVENTS, &events, &size) != 0) return;
  queue_ready(watched, ((events & ZMQ_POLLIN) != 0 ? BP_READABLE : 0u) |
                           ((events & ZMQ_POLLOUT) != 0 ? BP_WRITABLE : 0u));
}

void Loop::queue_ready(Watched& watched, std::uint32_t events) {
  auto wanted = watched.events & (BP_READABLE | BP_WRITABLE);
  if (watched.component->reading_paused() && (watched.events & BP_ALWAYS) == 0) wanted &= ~BP_READABLE;
  watched.ready = events & wanted;
  if (watched.ready == 0 || watched.queued || watched.ended) return;
  watched.queued = true;
  ready_.push_back(&watched);
}

void Loop::run_ready() {
  if (ready_.empty()) return;
  running_watches_.swap(ready_);
  for (auto* watched : running_watches_) {
    watched->queued = false;
    run_watch(*watched);
  }
  running_watches_.clear();
}

void Loop::run_watch(Watched& watched) {
  auto ready = watched.ready & watched.events;
  if (watched.component->reading_paused() && (watched.events & BP_ALWAYS) == 0) ready &= ~BP_READABLE;
  if (watched.ended || ready == 0) return;
  watched.used = true;
  const Running running(*this, *watched.component);
  watched.run(watched.data, ready);
}

void Loop::remove_component(Component& component) {
  std::erase(components_, &component);
  std::erase(dirty_, &component);
  component.dirty = false;
}

bool Loop::quiet() const {
  return scheduled_.empty() && replies_.empty() && !batches_waiting_ && returning_.credit == 0;
}

}  // namespace backplane::host
