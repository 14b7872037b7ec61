// The load generator of the ZeroRPC and infi.rpc benchmarks, and what it is compared with. One DEALER, events
// encoded beforehand, N conversations at a time. Modes of load, each bounded in time:
//
//   calls     calls of ZeroRPC: a value, and the same value back
//   infi      calls of infi.rpc: the same
//   deferred  calls of infi.rpc that are answered with a token, and polls until the value is there
//   stream    items of streams; credit is given as Python's client does, 100 and then 51 again and again
//
// Every answer is compared with the one that is due, so that a lost, repeated or changed one is a failure.
// One mode is a device, as bench_proxy is:
//
//   answer    answers calls or streams on a bare ROUTER, with events of the same form: the raw ceiling
//
// Prints one line of JSON as bench_load does.
#include <unistd.h>
#include <backplane/rpc/event.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "device.hpp"
#include "measuring.hpp"
#include "program.hpp"
#include "sockets.hpp"

namespace backplane::bench {
namespace {

namespace event_name = rpc::event_name;

constexpr std::uint32_t items_per_stream = 10'000;  // 0x2710

struct Settings : Timing {
  std::string send;  // end that events go to
  std::string method = "echo";
  bool binary = false;  // values are bytes, not text
  std::size_t in_flight = 1;

  std::string value() const {
    std::string encoded;
    rpc::append_content(encoded, std::string(size, 'x'), !binary);
    return encoded;
  }
};

// ---- what events look like ----------------------------------------------------------------------------

// Every peer writes the header in this order: message_id, v, response_to.
namespace place {
constexpr std::size_t id = 15;
constexpr std::size_t after_id = id + rpc::EventIds::size;
constexpr std::size_t name_of_request = after_id + 3;
constexpr std::size_t response_to = name_of_request + 14;
constexpr std::size_t name_of_answer = response_to + rpc::EventIds::size;
}  // namespace place

// The first digits of an id say which slot it belongs to, the last ones how often that was used. `family`
// tells two ids of one slot apart.
constexpr std::size_t slot_digits = 8;
constexpr std::size_t use_digits = 12;

std::string id_of(std::size_t slot, char family = '0') {
  std::string id(rpc::EventIds::size, '0');
  write_digits(id, 0, slot_digits, slot);
  id[slot_digits] = family;
  return id;
}

std::string uuid_of(std::size_t slot, char family = '0') {
  std::string uuid = "00000000-0000-4000-8000-000000000000";
  write_digits(uuid, 0, slot_digits, slot);
  write_digits(uuid, 9, 4, static_cast<std::uint64_t>(::getpid()));  // another load's calls are others
  uuid[17] = family;
  return uuid;
}

std::string channel(const std::string& id) { return "\xc4\x20" + id; }

std::string text(std::string_view content) {
  std::string encoded;
  rpc::append_content(encoded, content, true);
  return encoded;
}

std::string request(const std::string& id, std::string_view name, const std::string& args) {
  return rpc::event({.id = id, .name = name, .args = args});
}

std::string answer(const std::string& id, std::string_view name, const std::string& args) {
  return rpc::event({.id = id_of(0), .response_to = channel(id), .name = name, .args = args});
}

const std::string infi_behind = "\x80";  // no named arguments

std::string infi_request(const std::string& id, std::string_view method, std::string_view uuid,
                         const std::string& argument) {
  return request(id, "on_call",
                 "\x91\x93\x83" + text("method") + text(method) + text("uuid") + text(uuid) +
                     text("request_id_tag") + "\xc0\x91" + argument + infi_behind);
}

std::string infi_answer(const std::string& id, const std::string& result) {
  return answer(id, event_name::ok, "\x91" + result);
}

std::string infi_result(std::string_view code, const std::string& result) {
  return "\x82" + text("code") + text(code) + text("result") + result;
}

// Around the value in the args of a request for a stream: so many times that value.
const std::string stream_front = "\x92";
const std::string stream_behind = "\xcd\x27\x10";

// An event that was encoded once, with a text in it that changes by its last digits.
class Template {
 public:
  Template() = default;
  explicit Template(std::string bytes) : bytes_(std::move(bytes)) {}
  // Finds where `numbered` stands.
  Template& vary(std::string_view numbered) {
    for (auto at = bytes_.find(numbered); at != std::string::npos; at = bytes_.find(numbered, at + 1))
      digits_.push_back(at + numbered.size() - use_digits);
    return *this;
  }
  void fill(std::uint64_t number) {
    for (const auto at : digits_) write_digits(bytes_, at, use_digits, number);
  }
  std::string_view bytes() const { return bytes_; }

  // Whether `event` is this one, whatever its own id is. Of a large one only both ends are compared.
  bool is(std::string_view event) const {
    constexpr std::size_t whole = 4096;
    constexpr std::size_t end = 64;
    if (event.size() != bytes_.size()) return false;
    const auto compared = std::min(bytes_.size(), whole);
    if (std::memcmp(event.data(), bytes_.data(), place::id) != 0) return false;
    if (std::memcmp(event.data() + place::after_id, bytes_.data() + place::after_id,
                    compared - place::after_id) != 0)
      return false;
    return bytes_.size() <= whole || event.ends_with(bytes().substr(bytes_.size() - end));
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> digits_;  // where the changing ones begin
};

// The event's name when it has one of ours and the form above; else empty.
std::string_view name_of_answer(std::string_view event) {
  if (event.size() <= place::name_of_answer) return {};
  return rpc::text_of(event.substr(place::name_of_answer)).value_or("");
}

std::size_t slot_of(std::string_view event) {
  std::size_t slot = 0;
  for (const char digit : event.substr(place::response_to, slot_digits))
    slot = slot << 4U | static_cast<std::size_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  return slot;
}

// ---- the socket ---------------------------------------------------------------------------------------

class Wire {
 public:
  Wire(const Settings& settings, const Deadline& deadline)
      : deadline_(deadline), socket_(open(context_, settings.send)) {}
  // `event` stays as it is until it was answered.
  void show(std::string_view event) {
    Frame payload;
    payload.show(event);
    send(payload);
  }
  void send(std::string_view event) {
    Frame payload(event);
    send(payload);
  }
  // The next event; valid until the one after it.
  std::string_view receive() {
    while (!frame_.receive(socket_, 0)) deadline_.check("waiting for an answer");
    if (frame_.size() != 0 || !frame_.more()) throw Failure("an answer without the empty first frame");
    if (!frame_.receive(socket_, 0) || frame_.more()) throw Failure("an answer of another form");
    return frame_.view();
  }

 private:
  void send(Frame& payload) {
    Frame delimiter;
    while (!delimiter.send(socket_, ZMQ_SNDMORE)) deadline_.check("asking; nobody takes requests");
    payload.send(socket_, 0);
  }

  const Deadline& deadline_;
  const Context context_;
  Socket socket_;
  Frame frame_;
};

// ---- calls --------------------------------------------------------------------------------------------

// What is asked, and what ends it: its answer, or a later one to a poll, when there is a token first.
struct Question {
  Template request = {};
  Template token = {};
  Template poll = {};
  Template not_yet = {};
  Template result = {};

  void fill(std::uint64_t number) {
    for (auto* each : {&request, &token, &poll, &not_yet, &result}) each->fill(number);
  }
};

// Keeps N conversations going, each in a slot of its own.
class Calls {
 public:
  using Make = Question (*)(const Settings& settings, std::size_t slot);

  Calls(const Settings& settings, const Deadline& deadline, Make make)
      : settings_(settings), wire_(settings, deadline), progress_(settings, settings.in_flight) {
    for (std::size_t slot = 0; slot < settings.in_flight; ++slot) slots_.push_back({make(settings, slot)});
  }
  void run(const char* mode) {
    for (auto& slot : slots_) begin(slot);
    progress_.start();
    while (open_ > 0) take(wire_.receive());
    progress_.report(mode, settings_);
  }

 private:
  struct Slot {
    Question question;
    std::uint64_t uses = 0;
    Clock::time_point begun = {};
    bool open = false;
  };

  void begin(Slot& slot) {
    slot.question.fill(++slot.uses);
    slot.begun = Clock::now();
    slot.open = true;
    ++open_;
    wire_.show(slot.question.request.bytes());
  }
  void take(std::string_view event) {
    const auto name = name_of_answer(event);
    if (name == event_name::heartbeat) return;  // to a call that took long: the machine has stood still
    const auto number = name.empty() ? slots_.size() : slot_of(event);
    if (number >= slots_.size() || !slots_[number].open)
      throw Failure("an answer that nobody waits for, or of another form");
    auto& slot = slots_[number];
    const auto& question = slot.question;
    if (question.result.is(event)) return end(slot);
    if (!question.token.is(event) && !question.not_yet.is(event))
      throw Failure("another answer than the one that is due: " + std::string(event));
    wire_.show(question.poll.bytes());
  }
  void end(Slot& slot) {
    slot.open = false;
    --open_;
    progress_.reply(Clock::now() - slot.begun);
    if (!progress_.over()) begin(slot);
  }

  const Settings& settings_;
  std::deque<Slot> slots_;  // their bytes are shown to the socket, which goes first
  Wire wire_;
  Progress progress_;
  std::size_t open_ = 0;
};

Question plain_call(const Settings& settings, std::size_t slot) {
  const auto id = id_of(slot);
  const auto args = "\x91" + settings.value();
  return {.request = Template(request(id, settings.method, args)).vary(id),
          .result = Template(answer(id, event_name::ok, args)).vary(id)};
}

Question infi_call(const Settings& settings, std::size_t slot) {
  const auto id = id_of(slot);
  const auto uuid = uuid_of(slot);
  const auto result = infi_result("success", settings.value());
  return {.request = Template(infi_request(id, settings.method, uuid, settings.value())).vary(id).vary(uuid),
          .result = Template(infi_answer(id, result)).vary(id)};
}

Question deferred_call(const Settings& settings, std::size_t slot) {
  const auto id = id_of(slot);
  const auto poll = id_of(slot, '1');
  const auto uuid = uuid_of(slot);
  const auto polls_uuid = uuid_of(slot, '1');
  const auto token = infi_result("deferred", text(uuid));
  const auto done = infi_result("success", infi_result("success", settings.value()));
  return {.request = Template(infi_request(id, settings.method, uuid, settings.value())).vary(id).vary(uuid),
          .token = Template(infi_answer(id, token)).vary(id).vary(uuid),
          .poll = Template(infi_request(poll, "query_async_request", polls_uuid, text(uuid)))
                      .vary(poll)
                      .vary(uuid)
                      .vary(polls_uuid),
          .not_yet = Template(infi_answer(poll, infi_result("success", token))).vary(poll).vary(uuid),
          .result = Template(infi_answer(poll, done)).vary(poll)};
}

void calls(const char* mode, const Settings& settings, Calls::Make make) {
  const Deadline deadline(settings.limit);
  Calls(settings, deadline, make).run(mode);
}

// ---- streams ------------------------------------------------------------------------------------------

// Keeps N streams going.
class Streams {
 public:
  Streams(const Settings& settings, const Deadline& deadline)
      : settings_(settings), wire_(settings, deadline), progress_(settings, most_waiting) {
    for (std::size_t slot = 0; slot < settings.in_flight; ++slot) slots_.emplace_back(settings, slot);
  }
  void run() {
    for (auto& slot : slots_) begin(slot);
    progress_.start();
    while (open_ > 0) take(wire_.receive());
    progress_.report("stream", settings_);
  }

 private:
  // What Python's client lets wait in it; it gives credit when less than half of that is under way.
  static constexpr std::uint32_t most_waiting = 100;

  struct Slot {
    Slot(const Settings& settings, std::size_t number) {
      const auto id = id_of(number);
      const auto event = [&](const std::string& encoded) { return Template(encoded).vary(id); };
      const auto grant = [&](std::uint32_t count) {
        return event(rpc::event({.id = id_of(number, '1'),
                                 .response_to = channel(id),
                                 .name = event_name::more,
                                 .args = rpc::credit_args(count)}));
      };
      request = event(bench::request(id, settings.method, stream_front + settings.value() + stream_behind));
      item = event(answer(id, event_name::stream, settings.value()));
      last = event(answer(id, event_name::stream_done, "\xc0"));
      first_credit = grant(most_waiting);
      further_credit = grant(further);
    }
    void fill(std::uint64_t count) {
      for (auto* each : {&request, &item, &last, &first_credit, &further_credit}) each->fill(count);
    }

    static constexpr std::uint32_t further = most_waiting / 2 + 1;
    Template request;
    Template item;
    Template last;
    Template first_credit;
    Template further_credit;
    std::uint64_t uses = 0;
    std::uint32_t items = 0;   // that came
    std::uint32_t credit = 0;  // that may still come
  };

  void begin(Slot& slot) {
    slot.fill(++slot.uses);
    slot.items = 0;
    slot.credit = 1;
    ++open_;
    wire_.send(slot.request.bytes());
  }
  void take(std::string_view event) {
    const auto name = name_of_answer(event);
    if (name == event_name::heartbeat) return;
    const auto number = name.empty() ? slots_.size() : slot_of(event);
    if (number >= slots_.size()) throw Failure("an event that nobody waits for, or of another form");
    auto& slot = slots_[number];
    if (slot.credit == 0) throw Failure("an event without credit");
    --slot.credit;
    if (slot.item.is(event)) return take_item(slot);
    if (!slot.last.is(event) || slot.items != items_per_stream)
      throw Failure("the event " + std::string(name) + " instead of an item");
    --open_;
    if (!progress_.over()) begin(slot);
  }
  void take_item(Slot& slot) {
    ++slot.items;
    progress_.count();
    if (slot.credit >= most_waiting / 2) return;
    const bool first = slot.items == 1;
    wire_.send((first ? slot.first_credit : slot.further_credit).bytes());
    slot.credit += first ? most_waiting : Slot::further;
  }

  const Settings& settings_;
  std::deque<Slot> slots_;
  Wire wire_;
  Progress progress_;
  std::size_t open_ = 0;
};

void stream(const Settings& settings) {
  const Deadline deadline(settings.limit);
  Streams(settings, deadline).run();
}

// ---- the device ---------------------------------------------------------------------------------------

// A bare ROUTER that reads nothing of an event but what stands at bytes it knows beforehand.
class Answers {
 public:
  explicit Answers(const Settings& settings, bool infi)
      : front_("\x91" + (infi ? infi_result("success", "") : std::string())),
        value_at_((infi ? infi_request(id_of(0), settings.method, uuid_of(0), "")
                        : request(id_of(0), settings.method, "\x91"))
                      .size()),
        behind_value_(infi ? infi_behind.size() : 0) {
    value_at_ -= behind_value_;
  }
  void take(const Socket& router) {
    way_.receive(router, 0);
    delimiter_.receive(router, 0);
    request_.receive(router, 0);
    const auto request = request_.view();
    const auto value = request.substr(value_at_, request.size() - value_at_ - behind_value_);
    send(router, way_, encoded_id(request, place::id), event_name::ok, front_, value);
  }

  // Sends an event of our own, in a frame of its size that it is written into at once.
  static void send(const Socket& router, Frame& way, std::string_view response_to, std::string_view name,
                   std::string_view front, std::string_view args) {
    static const auto own_id = id_of(0);
    const rpc::EventParts parts{
        .id = own_id, .response_to = response_to, .name = name, .args_front = front, .args = args};
    Frame delimiter;
    Frame event(rpc::size_of(parts));
    rpc::Memory memory{event.data()};
    rpc::write_event(memory, parts);
    way.send(router, ZMQ_SNDMORE);
    delimiter.send(router, ZMQ_SNDMORE);
    event.send(router, 0);
  }
  static std::string_view encoded_id(std::string_view event, std::size_t at) {
    return event.substr(at - 2, rpc::EventIds::size + 2);
  }

 private:
  std::string front_;
  std::size_t value_at_;
  std::size_t behind_value_;
  Frame way_;
  Frame delimiter_;
  Frame request_;
};

// The same for streams: sends items as far as there is credit.
class AnswersStreams {
 public:
  explicit AnswersStreams(const Settings& settings)
      : value_at_(request(id_of(0), settings.method, stream_front).size()) {}
  void take(const Socket& router) {
    way_.receive(router, 0);
    event_.receive(router, 0);
    event_.receive(router, 0);
    const auto event = event_.view();
    const bool opens = event[1] == '\x82';  // a header without response_to
    const auto id = Answers::encoded_id(event, opens ? place::id : place::response_to);
    if (opens) {
      const auto value = event.substr(value_at_);
      open_[std::string(id)] = {std::string(value.substr(0, value.size() - stream_behind.size())),
                                items_per_stream, 1};
    }
    const auto found = open_.find(std::string(id));
    if (found == open_.end()) return;  // credit for a stream that is over
    if (!opens)
      found->second.credit +=
          rpc::credit_of(event.substr(place::name_of_answer + text(event_name::more).size()));
    go_on(router, id, found->second);
  }

 private:
  struct Stream {
    std::string item;
    std::uint32_t left = 0;
    std::uint64_t credit = 0;
  };

  void go_on(const Socket& router, std::string_view id, Stream& stream) {
    for (; stream.credit > 0; --stream.credit) {
      Frame way(way_.view());
      if (stream.left-- == 0) {
        Answers::send(router, way, id, event_name::stream_done, {}, rpc::encoded::nil);
        open_.erase(std::string(id));
        return;
      }
      Answers::send(router, way, id, event_name::stream, {}, stream.item);
    }
  }

  std::size_t value_at_;
  std::unordered_map<std::string, Stream> open_;  // by encoded id
  Frame way_;
  Frame event_;
};

template <typename Answering>
void answer_at(const std::string& end, Answering answering) {
  device(end, {}, [&](const Socket& router, const Socket&) { answering.take(router); });
}

// ---- the command line ---------------------------------------------------------------------------------

int run(int argc, char** argv) {
  Settings settings;
  std::string at;
  std::string answered;
  CLI::App app("Loads a server of ZeroRPC or infi.rpc, or stands in for one.");
  app.require_subcommand(1);
  const auto load = [&](const char* name, const char* says) {
    auto* mode = app.add_subcommand(name, says);
    add_timing_options(*mode, settings, 0);
    mode->add_option("--send", settings.send, "TYPE,bind|connect,ENDPOINT to ask at")->required();
    mode->add_option("--method", settings.method, "what is called");
    mode->add_flag("--binary", settings.binary, "values are bytes instead of text");
    mode->add_option("--in-flight", settings.in_flight, "conversations at a time")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    return mode;
  };
  auto* calls_mode = load("calls", "calls of ZeroRPC");
  auto* infi_mode = load("infi", "calls of infi.rpc");
  auto* deferred_mode = load("deferred", "calls of infi.rpc, and polls for their results");
  auto* stream_mode = load("stream", "items of streams");
  auto* answer_mode = app.add_subcommand("answer", "answers one of these modes");
  answer_mode->add_option("mode", answered, "calls, infi or stream")
      ->check(CLI::IsMember({"calls", "infi", "stream"}))
      ->required();
  answer_mode->add_option("at", at, "TYPE,bind|connect,ENDPOINT where requests come in")->required();
  answer_mode->add_option("--method", settings.method, "what is called");
  CLI11_PARSE(app, argc, argv);

  if (calls_mode->parsed()) calls("calls", settings, plain_call);
  if (infi_mode->parsed()) calls("infi", settings, infi_call);
  if (deferred_mode->parsed()) calls("deferred", settings, deferred_call);
  if (stream_mode->parsed()) stream(settings);
  if (answer_mode->parsed() && answered == "stream") answer_at(at, AnswersStreams(settings));
  if (answer_mode->parsed() && answered != "stream") answer_at(at, Answers(settings, answered == "infi"));
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_zerorpc", backplane::bench::run, argc, argv);
}
