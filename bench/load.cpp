// The load generator of the benchmarks: raw libzmq on both ends of whatever stands between them, be it the
// host, zmq_proxy or nothing at all. Three kinds of load, each numbered so that a lost, repeated or reordered
// message is seen, and each bounded in time:
//
//   stream    one sender as fast as backpressure lets it, one or more receivers
//   pingpong  one message in flight, from the sending socket to the receiving one
//   requests  N requests in flight on one DEALER, with an echoing worker when asked for
//
// Sender and receiver have a context (and so an I/O thread) each, as two processes would. What happens before
// the first message has come through, and the warm-up, are not measured. Prints one line of JSON; exit code 1
// when messages were lost or the time limit was hit.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "measuring.hpp"
#include "program.hpp"
#include "sockets.hpp"

namespace backplane::bench {
namespace {

struct Settings : Timing {
  std::vector<std::string> senders;    // ends to send from: one
  std::vector<std::string> receivers;  // ends to receive at: each is to get every message
  std::string worker;                  // of requests: the end that echoes; empty: the device answers itself
  unsigned in_flight = 1;
};

enum class Purpose : std::uint64_t { probe = 0x70726f6265, data = 0x64617461, last = 0x6c617374 };

// The first bytes of every message; the rest is filling.
struct Header {
  Purpose purpose = Purpose::data;
  std::uint64_t number = 0;
  std::uint64_t slot = 0;
};

// A frame of ours.
class NumberedFrame : public Frame {
 public:
  NumberedFrame() = default;
  NumberedFrame(std::size_t size, const Header& header) : Frame(size) {
    std::memcpy(data(), &header, sizeof header);
  }
  // Throws Failure when it is not a message of ours, whole.
  Header header(std::size_t expected_size) {
    if (size() != expected_size)
      throw Failure("a message of " + std::to_string(size()) + " bytes came instead of " +
                    std::to_string(expected_size));
    Header header;
    std::memcpy(&header, data(), sizeof header);
    return header;
  }
};

// ---- stream

// What the two threads of a stream tell each other.
struct StreamState {
  std::atomic<bool> connected{false};  // receivers -> sender: a probe came through to each
  std::atomic<bool> enough{false};     // receivers -> sender: the window is over
  std::exception_ptr sender_failure;   // read after the sender's end
  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> sent{0};
};

void send_numbered(const Socket& socket, std::size_t size, const Header& header, const Deadline& deadline,
                   const StreamState& state) {
  NumberedFrame frame(size, header);
  while (!frame.send(socket, 0)) {
    if (state.failed) return;
    deadline.check("sending; nobody takes messages");
  }
}

// Probes until they come through, then numbers from 0, then a last message with the count.
void send_stream(const Settings& settings, const Deadline& deadline, StreamState& state) {
  const Context context;
  const Socket socket = open(context, settings.senders.front());
  while (!state.connected && !state.failed) {
    NumberedFrame(settings.size, {Purpose::probe, 0, 0}).send(socket, ZMQ_DONTWAIT);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    deadline.check("waiting for the first message to come through");
  }
  std::uint64_t number = 0;
  while (!state.enough.load(std::memory_order_relaxed) && !state.failed.load(std::memory_order_relaxed))
    send_numbered(socket, settings.size, {Purpose::data, number++, 0}, deadline, state);
  send_numbered(socket, settings.size, {Purpose::last, number, 0}, deadline, state);
  state.sent = number;
  while (!state.failed && state.enough.load()) {  // without linger: stay until all has arrived
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    deadline.check("waiting for the last message to arrive");
  }
}

// Takes what arrives at one receiving socket and checks its number.
class Receiver {
 public:
  explicit Receiver(Socket socket) : socket_(std::move(socket)) {}
  const Socket& socket() const { return socket_; }
  bool connected() const { return connected_; }
  bool finished() const { return finished_; }
  // True: a numbered message was taken; false: nothing there, or a probe.
  bool take(std::size_t size, int flags) {
    if (!frame_.receive(socket_, flags)) {
      empty_ = true;
      return false;
    }
    empty_ = false;
    connected_ = true;
    const auto header = frame_.header(size);
    if (header.purpose == Purpose::probe) return false;
    if (header.number != expected_)
      throw Failure("message " + std::to_string(header.number) + " came where " + std::to_string(expected_) +
                    " was due");
    if (header.purpose == Purpose::last) {
      finished_ = true;
      return false;
    }
    ++expected_;
    return true;
  }
  bool empty() const { return empty_; }

 private:
  Socket socket_;
  NumberedFrame frame_;
  std::uint64_t expected_ = 0;
  bool connected_ = false;
  bool finished_ = false;
  bool empty_ = false;
};

// Reads all receivers until each has had the last message.
class StreamSink {
 public:
  StreamSink(const Settings& settings, const Context& context, const Deadline& deadline, StreamState& state)
      : settings_(settings), deadline_(deadline), state_(state), window_(settings) {
    for (const auto& end : settings.receivers) receivers_.emplace_back(open(context, end));
    for (const auto& receiver : receivers_) items_.push_back({receiver.socket().get(), 0, ZMQ_POLLIN, 0});
  }
  void run() {
    while (!finished()) {
      if (state_.failed) return;
      if (receivers_.size() == 1)
        drain(receivers_.front(), 0);
      else
        drain_ready();
      note_connected();
      deadline_.check("receiving");
    }
  }
  const Window& window() const { return window_; }

 private:
  static constexpr int burst = 256;
  static constexpr std::uint64_t messages_per_look_at_clock = 32;

  bool finished() const {
    return std::all_of(receivers_.begin(), receivers_.end(), [](const auto& one) { return one.finished(); });
  }
  void note_connected() {
    if (state_.connected) return;
    state_.connected =
        std::all_of(receivers_.begin(), receivers_.end(), [](const auto& one) { return one.connected(); });
  }
  void drain_ready() {
    zmq_poll(items_.data(), static_cast<int>(items_.size()), patience_milliseconds);
    for (std::size_t index = 0; index < items_.size(); ++index)
      if ((items_[index].revents & ZMQ_POLLIN) != 0) drain(receivers_[index], ZMQ_DONTWAIT);
  }
  void drain(Receiver& receiver, int flags) {
    for (int turn = 0; turn < burst && !receiver.finished(); ++turn) {
      if (receiver.take(settings_.size, flags))
        count();
      else if (receiver.empty() || !state_.connected)
        return;
    }
  }
  void count() {
    if (++count_ % messages_per_look_at_clock == 0 && !over_) state_.enough = over_ = window_.over(count_);
  }

  const Settings& settings_;
  const Deadline& deadline_;
  StreamState& state_;
  Window window_;
  std::deque<Receiver> receivers_;
  std::vector<zmq_pollitem_t> items_;
  std::uint64_t count_ = 0;
  bool over_ = false;
};

void stream(const Settings& settings) {
  const Deadline deadline(settings.limit);
  StreamState state;
  const Context context;
  StreamSink sink(settings, context, deadline, state);
  std::jthread sender([&] {
    try {
      send_stream(settings, deadline, state);
    } catch (...) {
      state.sender_failure = std::current_exception();
      state.failed = true;
    }
  });
  std::exception_ptr failure;
  try {
    sink.run();
  } catch (...) {
    failure = std::current_exception();
    state.failed = true;
  }
  state.enough = false;
  sender.join();
  if (failure) std::rethrow_exception(failure);
  if (state.sender_failure) std::rethrow_exception(state.sender_failure);
  print("stream", settings, rate_json(sink.window(), static_cast<double>(settings.receivers.size())),
        state.sent);
}

// ---- one message in flight

void ping_pong(const Settings& settings) {
  const Deadline deadline(settings.limit);
  const Context sender_context;
  const Context receiver_context;
  Receiver receiver(open(receiver_context, settings.receivers.front()));
  const Socket sender = open(sender_context, settings.senders.front());

  // Probes are numbered: when the newest has come back, none is on the way.
  NumberedFrame frame;
  for (std::uint64_t probe = 0, seen = 0; seen < probe || probe == 0;) {
    NumberedFrame(settings.size, {Purpose::probe, ++probe, 0}).send(sender, ZMQ_DONTWAIT);
    while (seen < probe && frame.receive(receiver.socket(), 0)) seen = frame.header(settings.size).number;
    deadline.check("waiting for the first message to come through");
  }

  Samples samples;
  samples.reserve(1 << 20);
  Window window(settings);
  std::uint64_t number = 0;
  while (!window.over(number)) {
    NumberedFrame outgoing(settings.size, {Purpose::data, number, 0});
    const auto begin = Clock::now();
    outgoing.send(sender, 0);
    while (!receiver.take(settings.size, 0)) deadline.check("waiting for a message to come through");
    if (window.open()) samples.add(Clock::now() - begin);
    ++number;
  }
  print("pingpong", settings, samples.json(), number);
}

// ---- requests

// Echoes whole messages until told to end. Runs on a thread of its own with a context of its own.
class Worker {
 public:
  explicit Worker(const std::string& end) : socket_(open(context_, end)), thread_([this] { run(); }) {}
  ~Worker() { end_ = true; }

 private:
  void run() {
    NumberedFrame frame;
    while (!end_) {
      if (!frame.receive(socket_, 0)) continue;
      while (!frame.send(socket_, frame.more() ? ZMQ_SNDMORE : 0) && !end_) continue;
    }
  }
  const Context context_;
  const Socket socket_;
  std::atomic<bool> end_{false};
  std::jthread thread_;  // last: joined before the socket goes
};

// Keeps N requests in flight; each slot has one, and takes only the answer to it.
class Client {
 public:
  Client(const Settings& settings, const Context& context, const Deadline& deadline)
      : settings_(settings),
        deadline_(deadline),
        socket_(open(context, settings.senders.front())),
        slots_(settings.in_flight) {}

  // Asks again and again until the newest question is answered.
  void connect() {
    for (std::uint64_t probe = 0, seen = 0; seen < probe || probe == 0;) {
      ask({Purpose::probe, ++probe, 0});
      Header answer;
      while (seen < probe && take(answer)) seen = answer.number;
      deadline_.check("waiting for the first answer");
    }
  }
  void run() {
    samples_.reserve(1 << 21);
    for (std::uint64_t slot = 0; slot < slots_.size(); ++slot) ask_next(slot);
    while (!over_) {
      answered();
      over_ = window_.over(answers_);
      if (!over_) ask_next(free_slot_);
    }
    while (answers_ < number_) answered();
  }
  void report() { print("requests", settings_, rate_json(window_, 1) + ", " + samples_.json(), answers_); }

 private:
  struct Slot {
    std::uint64_t number = 0;
    Clock::time_point asked;
    bool waiting = false;
  };

  void ask(const Header& header) {
    zmq_msg_t delimiter;
    zmq_msg_init(&delimiter);
    while (zmq_msg_send(&delimiter, socket_.get(), ZMQ_SNDMORE) < 0) {
      if (zmq_errno() != EAGAIN) throw ZmqError("send");
      deadline_.check("asking; nobody takes requests");
    }
    NumberedFrame(settings_.size, header).send(socket_, 0);
  }
  void ask_next(std::uint64_t slot) {
    slots_[slot] = {number_, Clock::now(), true};
    ask({Purpose::data, number_++, slot});
  }
  // False: nothing came within the patience.
  bool take(Header& answer) {
    if (!frame_.receive(socket_, 0)) return false;
    if (frame_.size() != 0 || !frame_.more()) throw Failure("an answer without the empty first frame");
    if (!frame_.receive(socket_, 0)) throw Failure("half an answer");
    answer = frame_.header(settings_.size);
    if (frame_.more()) throw Failure("an answer with too many frames");
    return true;
  }
  void answered() {
    Header answer;
    while (!take(answer)) deadline_.check("waiting for an answer");
    auto& slot = slots_.at(answer.slot);
    if (!slot.waiting || slot.number != answer.number)
      throw Failure("an answer to request " + std::to_string(answer.number) +
                    ", which does not wait for one");
    slot.waiting = false;
    free_slot_ = answer.slot;
    if (window_.open() && !over_) samples_.add(Clock::now() - slot.asked);
    ++answers_;
  }

  const Settings& settings_;
  const Deadline& deadline_;
  Socket socket_;
  NumberedFrame frame_;
  Samples samples_;
  std::vector<Slot> slots_;
  Window window_{settings_};
  std::uint64_t number_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t free_slot_ = 0;
  bool over_ = false;
};

void requests(const Settings& settings) {
  const Deadline deadline(settings.limit);
  std::unique_ptr<Worker> worker;
  if (!settings.worker.empty()) worker = std::make_unique<Worker>(settings.worker);
  const Context context;
  Client client(settings, context, deadline);
  client.connect();
  client.run();
  client.report();
}

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("Loads a device (or nothing) between two ZeroMQ sockets and measures it.");
  app.require_subcommand(1);
  const auto common = [&](CLI::App* mode, bool receives) {
    mode->add_option("--send", settings.senders, "TYPE,bind|connect,ENDPOINT to send from")
        ->required()
        ->expected(1);
    if (receives)
      mode->add_option("--receive", settings.receivers,
                       "TYPE,bind|connect,ENDPOINT to receive at; repeatable")
          ->required();
    add_timing_options(*mode, settings, sizeof(Header));
  };
  auto* stream_mode = app.add_subcommand("stream", "throughput under backpressure");
  common(stream_mode, true);
  auto* ping_pong_mode = app.add_subcommand("pingpong", "latency with one message in flight");
  common(ping_pong_mode, true);
  auto* requests_mode = app.add_subcommand("requests", "requests and answers");
  common(requests_mode, false);
  requests_mode->add_option("--worker", settings.worker, "TYPE,bind|connect,ENDPOINT that echoes requests");
  requests_mode->add_option("--in-flight", settings.in_flight, "requests that wait at a time")
      ->check(CLI::Range(1U, 1000000U));
  CLI11_PARSE(app, argc, argv);

  if (stream_mode->parsed()) stream(settings);
  if (ping_pong_mode->parsed()) ping_pong(settings);
  if (requests_mode->parsed()) requests(settings);
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_load", backplane::bench::run, argc, argv);
}
