// The load generator of the PALM benchmarks, and what it is compared with. Modes of load, each bounded in
// time:
//
//   jobs    pushes PALM messages, N in flight, and takes the replies; raw libzmq, messages encoded beforehand
//   client  the same with palm::Client::job of the SDK
//   gets    asks a PALM cache for values, N in flight
//
// Every reply is matched with its message, so that a lost, repeated or changed one is a failure. Two modes
// are devices, as bench_proxy is:
//
//   relay   pulls messages and publishes each for one client: what a server costs that does nothing
//   answer  answers requests as a cache would that does nothing
//
// Prints one line of JSON as bench_load does.
#include <backplane/palm/client.hpp>
#include <backplane/palm/message.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device.hpp"
#include "measuring.hpp"
#include "palm_worker.hpp"
#include "program.hpp"
#include "sockets.hpp"

namespace backplane::bench {
namespace {

constexpr std::string_view client_uuid = "6d0f4c32-8a1b-4a5e-9a51-0b1f6d6f2c01";
constexpr std::string_view pipeline_uuid = "f3a7c9d2-41f0-4a0f-8d8e-5e2b9d0c7a02";

struct Settings : Timing {
  std::string push;                  // end that messages go to
  std::string sub;                   // end that replies come from
  std::string request;               // of gets: the end that asks
  std::vector<std::string> workers;  // pairs of ends: where jobs come from, where results go
  std::string function = "bench.echo";
  std::size_t in_flight = 1;
  std::size_t in_flight_bytes = std::size_t{1} << 30;

  std::size_t window() const {
    return std::clamp<std::size_t>(in_flight_bytes / std::max<std::size_t>(size, 1), 1, in_flight);
  }
};

// ---- jobs

// A message, encoded once. Its cache field, a UUID in form, says which slot it belongs to and how often that
// was used; only the latter changes, and only while the message is not on its way.
class Slot {
 public:
  Slot(std::size_t index, const Settings& settings) {
    std::string cache = "00000000-0000-4000-0000-000000000000";
    write_digits(cache, 0, 8, index);
    const std::string payload(settings.size, 'x');
    palm::Fields fields;
    fields.pipeline = pipeline_uuid;
    fields.client = client_uuid;
    fields.function = settings.function;
    fields.cache = cache;
    fields.payload = payload;
    bytes_ = palm::encode(fields);
    cache_at_ = bytes_.find(cache);
    head_ = bytes_.size() - payload.size();
  }
  // Where the index stands is the same in all messages of a run.
  std::size_t index_in(std::string_view message) const {
    std::size_t index = 0;
    for (const char digit : message.substr(cache_at_, 8))
      index = index << 4U | static_cast<std::size_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    return index;
  }
  std::string_view begin() {
    write_digits(bytes_, cache_at_ + 24, 12, ++uses_);
    asked_ = Clock::now();
    waiting_ = true;
    return bytes_;
  }
  // True: it is the reply to the message that is on its way. Of a large payload only both ends are compared.
  bool ends_with(std::string_view reply) {
    constexpr std::size_t whole = 4096;
    constexpr std::size_t end = 64;
    if (!waiting_ || reply.size() != bytes_.size()) return false;
    const auto first = std::min(bytes_.size(), head_ + whole);
    if (std::memcmp(reply.data(), bytes_.data(), first) != 0) return false;
    if (bytes_.size() > first + end && !reply.ends_with(std::string_view(bytes_).substr(bytes_.size() - end)))
      return false;
    waiting_ = false;
    return true;
  }
  Clock::time_point asked() const { return asked_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t cache_at_ = 0;
  std::size_t head_ = 0;  // bytes before the payload
  std::uint64_t uses_ = 0;
  Clock::time_point asked_;
  bool waiting_ = false;
};

// Keeps a window of messages in flight, on one thread, as a client would: one PUSH, one SUB.
class Jobs {
 public:
  Jobs(const Settings& settings, const Deadline& deadline)
      : settings_(settings),
        deadline_(deadline),
        push_(open(context_, settings.push)),
        sub_(open(context_, settings.sub, client_uuid)),
        progress_(settings, settings.window()) {
    for (std::size_t index = 0; index < settings.window(); ++index) {
      slots_.emplace_back(index, settings);
      free_.push_back(index);
    }
  }

  // A relay drops messages until it knows the subscription, so the first one is sent until it comes through.
  void connect() {
    Slot probe(most_slots, settings_);
    std::uint64_t sent = 0;
    for (std::uint64_t seen = 0; seen == 0;) {
      if (Frame(probe.begin()).send(push_, 0)) ++sent;
      while (frame_.receive(sub_, 0)) {
        ++seen;
        take_second_frame();
      }
      deadline_.check("waiting for the first reply");
    }
  }

  void run() {
    progress_.start();
    while (!progress_.over()) {
      const bool received = take_replies();
      if (!send_messages() && !received) wait();
      deadline_.check("waiting for a reply");
    }
    while (free_.size() < slots_.size()) {
      if (!take_replies()) wait_for_reply();
      deadline_.check("waiting for the last replies; some are lost");
    }
    progress_.report("jobs", settings_);
  }

 private:
  static constexpr std::size_t most_slots = 0xFFFF'FFFF;
  static constexpr int burst = 256;

  bool take_replies() {
    int taken = 0;
    while (taken < burst && frame_.receive(sub_, ZMQ_DONTWAIT)) {
      take_reply();
      ++taken;
    }
    return taken > 0;
  }
  void take_second_frame() {
    if (frame_.view() != client_uuid || !frame_.more()) throw Failure("a reply with another topic");
    if (!frame_.receive(sub_, 0) || frame_.more()) throw Failure("a reply that has not two frames");
  }
  // frame_ is its topic.
  void take_reply() {
    take_second_frame();
    const auto reply = frame_.view();
    if (reply.size() != slots_.front().size())
      throw Failure("a reply of " + std::to_string(reply.size()) + " bytes came instead of " +
                    std::to_string(slots_.front().size()));
    const auto index = slots_.front().index_in(reply);
    if (index == most_slots) return;  // to one more probe
    if (index >= slots_.size() || !slots_[index].ends_with(reply))
      throw Failure("a reply that nobody waits for, or to another message");
    free_.push_back(index);
    progress_.reply(Clock::now() - slots_[index].asked());
  }
  bool send_messages() {
    bool sent = false;
    while (!free_.empty()) {
      if (!unsent_) message_.show(slots_[free_.front()].begin());
      unsent_ = !message_.send(push_, ZMQ_DONTWAIT);
      if (unsent_) return sent;
      free_.pop_front();
      sent = true;
    }
    return sent;
  }
  void wait() {
    if (free_.empty()) return wait_for_reply();
    zmq_pollitem_t items[] = {{sub_.get(), 0, ZMQ_POLLIN, 0}, {push_.get(), 0, ZMQ_POLLOUT, 0}};
    zmq_poll(items, 2, patience_milliseconds);
  }
  void wait_for_reply() {
    if (frame_.receive(sub_, 0)) take_reply();
  }

  const Settings& settings_;
  const Deadline& deadline_;
  const Context context_;
  std::vector<Slot> slots_;  // their bytes are shown to the socket, which goes first
  Socket push_;
  Socket sub_;
  std::deque<std::size_t> free_;
  Frame frame_;
  Frame message_;
  bool unsent_ = false;  // message_, of the first free slot, waits for room
  Progress progress_;
};

void jobs(const Settings& settings) {
  const Deadline deadline(settings.limit);
  PalmWorkers workers(settings.workers);
  Jobs load(settings, deadline);
  load.connect();
  load.run();
}

// ---- the client of the SDK

void client(const Settings& settings) {
  const Deadline deadline(settings.limit);
  PalmWorkers workers(settings.workers);
  palm::ClientOptions options;
  options.push_address = parse_end(settings.push).endpoint;
  options.sub_address = parse_end(settings.sub).endpoint;
  options.fetch_configuration = false;
  palm::Client client("inproc://no-cache", options);
  const std::string payload(settings.size, 'x');
  if (client.eval(settings.function, payload) != payload) throw Failure("the reply is another one");

  Progress progress(settings, settings.window());
  progress.start();
  std::deque<Clock::time_point> asked;  // replies come in order
  const auto source = [&]() -> std::optional<std::string> {
    if (progress.over()) return std::nullopt;
    asked.push_back(Clock::now());
    return payload;
  };
  const auto sink = [&](std::uint64_t, palm::JobReply reply) {
    if (!reply.ok() || reply.payload.size() != payload.size()) throw Failure("an error, or another reply");
    progress.reply(Clock::now() - asked.front());
    asked.pop_front();
    deadline.check("waiting for replies");
  };
  palm::JobOptions job;
  job.window = settings.window();
  job.ordered = true;
  const auto counts = client.job(settings.function, source, sink, job);
  if (counts.failed + counts.abandoned > 0 || counts.replies != counts.sent)
    throw Failure("replies are lost");
  progress.report("client", settings);
}

// ---- cache gets

constexpr std::size_t key_size = 10;

// One key per request in flight; each value begins with its key.
class Gets {
 public:
  Gets(const Settings& settings, const Deadline& deadline)
      : settings_(settings),
        deadline_(deadline),
        socket_(open(context_, settings.request)),
        progress_(settings, settings.window()) {
    for (std::size_t index = 0; index < settings.window(); ++index) {
      std::string key = "k000000000";
      write_digits(key, 1, key_size - 1, index);
      keys_.push_back(key);
      requests_.push_back(encoded("get", {}, key));
    }
  }
  void run() {
    for (const auto& key : keys_) {
      const auto value = key + std::string(settings_.size - key_size, 'v');
      ask(encoded("set", key, value));
      take();
    }
    progress_.start();
    for (std::size_t i = 0; i < requests_.size(); ++i) ask_next();
    while (!progress_.over()) {
      answered();
      ask_next();
    }
    while (!asked_.empty()) answered();
    progress_.report("gets", settings_);
  }

 private:
  std::string encoded(const char* instruction, std::string_view cache, std::string_view payload) const {
    const auto function = std::string("bench.") + instruction;
    palm::Fields fields;
    fields.pipeline = pipeline_uuid;
    fields.client = client_uuid;
    fields.function = function;
    fields.cache = cache;
    fields.payload = payload;
    return palm::encode(fields);
  }
  void ask(std::string_view request) {
    Frame delimiter;
    while (!delimiter.send(socket_, ZMQ_SNDMORE)) deadline_.check("asking; nobody takes requests");
    Frame(request).send(socket_, 0);
  }
  void ask_next() {
    asked_.push_back(Clock::now());
    ask(requests_[next_++ % requests_.size()]);
  }
  void take() {
    while (!frame_.receive(socket_, 0)) deadline_.check("waiting for an answer");
    if (frame_.size() != 0 || !frame_.more()) throw Failure("an answer without the empty first frame");
    if (!frame_.receive(socket_, 0) || frame_.more()) throw Failure("an answer of another form");
  }
  void answered() {
    take();
    if (frame_.size() != settings_.size || !frame_.view().starts_with(keys_[answered_++ % keys_.size()]))
      throw Failure("an answer to another request");
    progress_.reply(Clock::now() - asked_.front());
    asked_.pop_front();
  }

  const Settings& settings_;
  const Deadline& deadline_;
  const Context context_;
  Socket socket_;
  std::vector<std::string> keys_;
  std::vector<std::string> requests_;
  std::deque<Clock::time_point> asked_;  // answers come in order
  std::uint64_t next_ = 0;
  std::uint64_t answered_ = 0;
  Frame frame_;
  Progress progress_;
};

void gets(const Settings& settings) {
  const Deadline deadline(settings.limit);
  Gets(settings, deadline).run();
}

// ---- devices

void relay(const std::string& in, const std::string& out) {
  Frame message;
  device(in, out, [&](const Socket& pull, const Socket& pub) {
    message.receive(pull, 0);
    Frame(client_uuid).send(pub, ZMQ_SNDMORE);
    message.send(pub, 0);
  });
}

// A value is as long as the one that was set last, and begins with its key, which is what a request ends
// with.
void answer(const std::string& at) {
  Frame id;
  Frame delimiter;
  Frame request;
  std::size_t size = key_size;
  device(at, {}, [&](const Socket& router, const Socket&) {
    id.receive(router, 0);
    delimiter.receive(router, 0);
    request.receive(router, 0);
    const auto bytes = request.view();
    const auto fields = palm::read(bytes);
    if (!fields.cache.empty()) size = fields.payload.size();
    Frame value(size);
    std::memcpy(value.data(), bytes.data() + bytes.size() - key_size, key_size);
    id.send(router, ZMQ_SNDMORE);
    delimiter.send(router, ZMQ_SNDMORE);
    value.send(router, 0);
  });
}

int run(int argc, char** argv) {
  Settings settings;
  std::string in;
  std::string out;
  CLI::App app("Loads a PALM server, or stands in for one.");
  app.require_subcommand(1);
  const auto load = [&](const char* name, const char* says) {
    auto* mode = app.add_subcommand(name, says);
    add_timing_options(*mode, settings, key_size);
    mode->add_option("--in-flight", settings.in_flight, "messages that wait for a reply at a time")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    mode->add_option("--in-flight-bytes", settings.in_flight_bytes, "bytes that they may have together");
    return mode;
  };
  const auto of_jobs = [&](CLI::App* mode) {
    mode->add_option("--push", settings.push, "TYPE,bind|connect,ENDPOINT to send to")->required();
    mode->add_option("--sub", settings.sub, "TYPE,bind|connect,ENDPOINT to take replies from")->required();
    mode->add_option("--function", settings.function, "what is called");
    mode->add_option("--worker", settings.workers,
                     "two ends of each worker: where jobs come from, where results go")
        ->expected(2, 200);
    return mode;
  };
  auto* jobs_mode = of_jobs(load("jobs", "jobs, by raw libzmq"));
  auto* client_mode = of_jobs(load("client", "jobs, by the client of the SDK"));
  auto* gets_mode = load("gets", "gets of a cache");
  gets_mode->add_option("--send", settings.request, "TYPE,bind|connect,ENDPOINT to ask at")->required();
  auto* relay_mode = app.add_subcommand("relay", "publishes what it pulls");
  relay_mode->add_option("in", in, "TYPE,bind|connect,ENDPOINT where messages come in")->required();
  relay_mode->add_option("out", out, "TYPE,bind|connect,ENDPOINT where they are published")->required();
  auto* answer_mode = app.add_subcommand("answer", "answers gets of a cache");
  answer_mode->add_option("at", in, "TYPE,bind|connect,ENDPOINT where requests come in")->required();
  CLI11_PARSE(app, argc, argv);

  if (jobs_mode->parsed()) jobs(settings);
  if (client_mode->parsed()) client(settings);
  if (gets_mode->parsed()) gets(settings);
  if (relay_mode->parsed()) relay(in, out);
  if (answer_mode->parsed()) answer(in);
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_palm", backplane::bench::run, argc, argv);
}
