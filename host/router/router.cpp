#include "router/router.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "router/batch.hpp"

namespace backplane::host {

namespace {

constexpr int batches_per_turn = 256;  // before the other socket and the stop are looked at

void* bind_router(void* context, const char* address) {
  void* socket = zmq_socket(context, ZMQ_ROUTER);
  if (socket == nullptr)
    throw std::runtime_error(std::string("cannot make the router's socket: ") + zmq_strerror(errno));
  const int unlimited = 0;
  const int mandatory = 1;
  const int linger = 0;
  zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  if (zmq_bind(socket, address) != 0) {
    const std::string reason = zmq_strerror(errno);
    zmq_close(socket);
    throw std::runtime_error(std::string("the router cannot bind ") + address + ": " + reason);
  }
  return socket;
}

void free_batch(void* data, void*) {
  auto* batch = static_cast<Batch*>(data);
  // Pairs with hand_over: libzmq frees what was never received on a thread of its own.
  [[maybe_unused]] const auto mark = batch->mark.load(std::memory_order_acquire);
  delete batch;
}

}  // namespace

std::string loop_identity(std::uint32_t loop) { return "loop" + std::to_string(loop); }

void batch_to_frame(Batch* batch, zmq_msg_t* frame) {
  hand_over(*batch);
  if (zmq_msg_init_data(frame, batch, sizeof *batch, free_batch, nullptr) == 0) return;
  delete batch;
  throw std::bad_alloc();
}

Batch* batch_of(zmq_msg_t* frame) {
  if (zmq_msg_size(frame) != sizeof(Batch)) return nullptr;
  auto* batch = static_cast<Batch*>(zmq_msg_data(frame));
  return batch->mark.load(std::memory_order_acquire) == Batch::mark_of_ours ? batch : nullptr;
}

Router::Router(void* zmq_context, std::function<void(std::string_view)> report) : report_(std::move(report)) {
  inbound_ = bind_router(zmq_context, inbound_address);
  try {
    outbound_ = bind_router(zmq_context, outbound_address);
  } catch (...) {
    zmq_close(inbound_);
    throw;
  }
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Router::~Router() {
  stop();
  zmq_close(inbound_);
  zmq_close(outbound_);
  ::close(wake_);
}

void Router::start(std::uint32_t loops) {
  expected_ = loops;
  if (loops == 0) all_attached_.set_value();
  thread_ = std::thread([this] { run(); });
}

bool Router::wait_attached(std::chrono::milliseconds limit) {
  return all_attached_.get_future().wait_for(limit) == std::future_status::ready;
}

void Router::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  thread_.join();
}

void Router::run() {
  pthread_setname_np(pthread_self(), "bp-router");
  std::array<zmq_pollitem_t, 3> items{
      {{inbound_, 0, ZMQ_POLLIN, 0}, {outbound_, 0, ZMQ_POLLIN, 0}, {nullptr, wake_, ZMQ_POLLIN, 0}}};
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (zmq_poll(items.data(), static_cast<int>(items.size()), -1) < 0) {
      if (errno == EINTR) continue;
      report_(std::string("the router stops: ") + zmq_strerror(errno));
      return;
    }
    if ((items[1].revents & ZMQ_POLLIN) != 0) take_hello();
    if ((items[0].revents & ZMQ_POLLIN) != 0) take_batches();
  }
}

// A loop says hello once on the outbound side, so that its identity is known before anything is sent to it.
void Router::take_hello() {
  zmq_msg_t frame;
  zmq_msg_init(&frame);
  while (zmq_msg_recv(&frame, outbound_, ZMQ_DONTWAIT) >= 0) {
    if (zmq_msg_more(&frame) != 0) continue;
    if (++attached_ == expected_) all_attached_.set_value();
  }
  zmq_msg_close(&frame);
}

void Router::take_batches() {
  zmq_msg_t identity;
  zmq_msg_t frame;
  zmq_msg_init(&identity);
  zmq_msg_init(&frame);
  for (int i = 0; i < batches_per_turn; ++i) {
    if (zmq_msg_recv(&identity, inbound_, ZMQ_DONTWAIT) < 0) break;
    if (zmq_msg_recv(&frame, inbound_, 0) < 0) break;
    Batch* batch = batch_of(&frame);
    if (batch == nullptr) {
      report_("the router refused a batch that no loop made");
      continue;
    }
    const auto to = loop_identity(batch->destination);
    hand_over(*batch);
    if (zmq_send(outbound_, to.data(), to.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&frame, outbound_, ZMQ_DONTWAIT) < 0) {
      report_("the router could not reach " + to + ": " + zmq_strerror(errno));
      continue;
    }
    batches_.fetch_add(1, std::memory_order_relaxed);
  }
  zmq_msg_close(&frame);
  zmq_msg_close(&identity);
}

}  // namespace backplane::host
