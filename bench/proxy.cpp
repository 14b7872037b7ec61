// The peer of the benchmarks: one process around zmq_proxy, or around the tightest loop one can write
// (receive, send, nothing else), with the socket types of the topology it stands beside. Ends on SIGTERM and
// SIGINT; tells NOTIFY_SOCKET when it is ready, as the host does.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "device.hpp"
#include "program.hpp"
#include "sockets.hpp"

namespace backplane::bench {
namespace {

// Moves messages from front to back until the context goes: what FairMQ's proxy device does.
void relay(const Socket& front, const Socket& back) {
  zmq_msg_t frame;
  zmq_msg_init(&frame);
  while (zmq_msg_recv(&frame, front.get(), 0) >= 0) {
    const int more = zmq_msg_more(&frame) != 0 ? ZMQ_SNDMORE : 0;
    if (zmq_msg_send(&frame, back.get(), more) < 0) break;
  }
  zmq_msg_close(&frame);
}

int run(int argc, char** argv) {
  std::string front_text;
  std::string back_text;
  bool tight = false;
  CLI::App app("Forwards messages between two ZeroMQ sockets with zmq_proxy.");
  app.add_option("front", front_text, "TYPE,bind|connect,ENDPOINT where messages come in")->required();
  app.add_option("back", back_text, "TYPE,bind|connect,ENDPOINT where they go out")->required();
  app.add_flag("--relay", tight, "a bare receive-and-send loop, one way, instead of zmq_proxy");
  CLI11_PARSE(app, argc, argv);

  const EndSignals signals;
  const Context context;
  const Socket front(context, parse_end(front_text));
  const Socket back(context, parse_end(back_text));
  const std::jthread ender([&] {
    signals.wait();
    zmq_ctx_shutdown(context.get());
  });
  notify_ready();
  if (tight)
    relay(front, back);
  else
    zmq_proxy(front.get(), back.get(), nullptr);
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_proxy", backplane::bench::run, argc, argv);
}
