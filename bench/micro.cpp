// What the parts of a hop cost: a message made and freed, an envelope encoded and decoded, a batch through
// the router, and a message from one component to another on the same loop and across two.
#include <backplane/plugin.hpp>

#include <benchmark/benchmark.h>
#include <zmq.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"
#include "log/log.hpp"
#include "manifest/manifest.hpp"
#include "router/batch.hpp"
#include "router/envelope.hpp"
#include "router/message_pool.hpp"
#include "router/router.hpp"
#include "runtime/runtime.hpp"

namespace backplane::bench {
namespace {

namespace host = backplane::host;

// ---- messages

host::HostMessage* make_message(std::size_t size) {
  host::HostMessage* message = host::new_message(1);
  zmq_msg_init_size(&message->frames[0], size);
  message->frame_count = 1;
  return message;
}

void make_and_free_message(benchmark::State& state) {
  for (auto _ : state) host::free_message(make_message(static_cast<std::size_t>(state.range(0))));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(make_and_free_message)->Arg(32)->Arg(100)->Arg(1024)->Arg(65536);

// What libzmq itself asks for the same frame.
void make_and_free_zmq_frame(benchmark::State& state) {
  for (auto _ : state) {
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, static_cast<std::size_t>(state.range(0)));
    benchmark::DoNotOptimize(zmq_msg_data(&frame));
    zmq_msg_close(&frame);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(make_and_free_zmq_frame)->Arg(32)->Arg(100)->Arg(1024)->Arg(65536);

void copy_message_shares_content(benchmark::State& state) {
  host::HostMessage* message = make_message(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) host::free_message(host::copy_message(message));
  host::free_message(message);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(copy_message_shares_content)->Arg(32)->Arg(1024);

void encode_envelope(benchmark::State& state) {
  host::HostMessage* message = make_message(static_cast<std::size_t>(state.range(0)));
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    host::encode_message(*message, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  host::free_message(message);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(encode_envelope)->Arg(32)->Arg(100)->Arg(1024)->Arg(65536);

void decode_envelope(benchmark::State& state) {
  host::HostMessage* message = make_message(static_cast<std::size_t>(state.range(0)));
  std::string bytes;
  host::encode_message(*message, bytes);
  host::free_message(message);
  for (auto _ : state) {
    host::HostMessage* decoded = host::decode_message(bytes);
    if (decoded == nullptr) {
      state.SkipWithError("a message does not survive its encoding");
      break;
    }
    host::free_message(decoded);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decode_envelope)->Arg(32)->Arg(100)->Arg(1024)->Arg(65536);

// ---- hand-over between loops

// Stands for a loop at the router: a DEALER on one of its sides. Throws std::runtime_error.
void* attach(void* context, const char* address) {
  void* socket = zmq_socket(context, ZMQ_DEALER);
  const auto identity = host::loop_identity(0);
  const int linger = 0;
  zmq_setsockopt(socket, ZMQ_ROUTING_ID, identity.data(), identity.size());
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  if (zmq_connect(socket, address) != 0) throw std::runtime_error(zmq_strerror(zmq_errno()));
  return socket;
}

// One batch of N messages from a loop through the router's thread and back, each waiting for the one before:
// two wake-ups per batch, whatever its size.
void batch_through_the_router(benchmark::State& state) {
  void* context = zmq_ctx_new();
  {
    host::Router router(context, [](std::string_view text) { throw std::runtime_error(std::string(text)); });
    router.start(1);
    void* inbound = attach(context, host::inbound_address);
    void* outbound = attach(context, host::outbound_address);
    zmq_send(outbound, nullptr, 0, 0);
    router.wait_attached(std::chrono::seconds(5));
    zmq_msg_t frame;
    for (auto _ : state) {
      auto batch = std::make_unique<host::Batch>();
      for (std::int64_t i = 0; i < state.range(0); ++i) batch->cells.push_back({make_message(32), 0, 0});
      host::batch_to_frame(batch.release(), &frame);
      zmq_msg_send(&frame, inbound, 0);
      zmq_msg_init(&frame);
      zmq_msg_recv(&frame, outbound, 0);
      zmq_msg_close(&frame);
    }
    zmq_close(inbound);
    zmq_close(outbound);
  }
  zmq_ctx_term(context);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(batch_through_the_router)->Arg(1)->Arg(32)->Arg(256)->UseRealTime();

// ---- from component to component

constexpr int source_burst = 200;
constexpr std::uint64_t messages_per_look = 20000;

std::atomic<std::uint64_t> arrived{0};  // at the sink; moved on every messages_per_look
std::atomic<bool> ended{false};

// Brings 100-byte messages as fast as it may, in bursts as a socket would.
class Source {
 public:
  static constexpr auto kind = "micro.source";
  static constexpr auto says = "Sends without end.";
  static constexpr auto properties = backplane::inbound;
  explicit Source(Host host) : host_(host), content_(100, 'x') {}
  void start() { on_resume(); }
  void on_resume() {
    host_.post([this] { burst(); });
  }

 private:
  void burst() {
    for (int i = 0; i < source_burst && !ended.load(std::memory_order_relaxed); ++i)
      if (host_.send(host_.message({content_})) == Sent::pause) return;
    if (!ended.load(std::memory_order_relaxed)) on_resume();
  }
  Host host_;
  std::string content_;
};

class Sink {
 public:
  static constexpr auto kind = "micro.sink";
  static constexpr auto says = "Counts.";
  static constexpr auto properties = backplane::outbound;
  void on_message(Message) {
    if (++count_ % messages_per_look != 0) return;
    arrived.store(count_);
    arrived.notify_one();
  }

 private:
  std::uint64_t count_ = 0;
};

class Kinds : public host::KindCatalog {
 public:
  Kinds() {
    add<Source>();
    add<Sink>();
  }
  std::optional<std::string> open(const std::string&, const std::filesystem::path&) override { return {}; }
  const host::KindInfo* find(std::string_view kind) const override {
    const auto found = kinds_.find(kind);
    return found == kinds_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> kind_names() const override { return {Sink::kind, Source::kind}; }

 private:
  template <typename T>
  void add() {
    static constexpr bp_kind table = backplane::detail::kind_of<T>();
    host::KindInfo info;
    info.name = table.name;
    info.properties = table.properties;
    info.table = &table;
    kinds_.emplace(info.name, info);
  }
  std::map<std::string, host::KindInfo, std::less<>> kinds_;
};

host::Manifest source_to_sink(const std::string& source_loop, const std::string& sink_loop) {
  host::Manifest manifest;
  manifest.host.log_level = host::LogLevel::off;
  const auto component = [&](const char* name, const char* kind, const std::string& loop) {
    host::ComponentSettings settings;
    settings.name = name;
    settings.kind = kind;
    settings.loop = loop;
    manifest.components.push_back(settings);
  };
  component("source", Source::kind, source_loop);
  component("sink", Sink::kind, sink_loop);
  host::RouteSettings route;
  route.from = "source";
  route.to = {"sink"};
  manifest.routes.push_back(route);
  return manifest;
}

// One iteration is messages_per_look messages; the time per item is that of one message.
void component_to_component(benchmark::State& state, const char* source_loop, const char* sink_loop) {
  host::Log log;
  const Kinds kinds;
  const auto manifest = source_to_sink(source_loop, sink_loop);
  log.configure(manifest.host);
  arrived = 0;
  ended = false;
  host::Runtime runtime(manifest, kinds, log);
  runtime.start();
  arrived.wait(0);
  std::uint64_t seen = arrived;
  for (auto _ : state) {
    arrived.wait(seen);
    seen += messages_per_look;
  }
  ended = true;
  runtime.stop();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(messages_per_look));
}
BENCHMARK_CAPTURE(component_to_component, one_loop, "a", "a")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(component_to_component, two_loops, "a", "b")->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace backplane::bench

BENCHMARK_MAIN();
