// A plugin whose tables the tests of the command line know by heart.
#include <backplane/plugin.hpp>

#include <cctype>
#include <chrono>
#include <string>
#include <thread>

namespace {

class Echo {
 public:
  static constexpr auto kind = "sample.echo";
  static constexpr auto says = "Answers every message with itself.";
  static constexpr auto properties = backplane::inbound | backplane::service;
  static constexpr backplane::Option options[] = {
      {"bind", backplane::endpoint, backplane::required, "endpoint to bind"},
      {"linger", backplane::duration.between(0, 60e9), "10ms", "how long unsent replies survive a stop"},
      {"mode", backplane::choice("plain|loud"), "plain", "how it speaks"},
      {"key", backplane::secret, backplane::optional, "what nobody may see"},
  };
  explicit Echo(backplane::Host) {}
};

class Sums {
 public:
  static constexpr auto kind = "sample.sums";
  static constexpr auto says = "Adds.";
  static int add(int a, int b) { return a + b; }
  void publish(backplane::Functions& functions) {
    functions.add("add", &Sums::add, "Adds two integers.", {"a", {"b", 1}});
  }
};

class Sink {
 public:
  static constexpr auto kind = "sample.sink";
  static constexpr auto says = "Takes everything.";
  static constexpr auto properties = backplane::outbound;
  void on_message(backplane::Message) {}
};

// Holds something, until it has drained for a while.
class Holder {
 public:
  static constexpr auto kind = "sample.holder";
  static constexpr auto says = "Takes its time to drain.";
  static constexpr auto properties = backplane::outbound;
  static constexpr backplane::Option options[] = {
      {"drain.takes", backplane::duration.between(0, 60e9), "0", "how long its drain takes"},
      {"drain.limit", backplane::duration, backplane::required, "how long it says that may be"},
  };
  explicit Holder(backplane::Host host) : host_(host) { host.drain_time(host.option("drain.limit")); }
  void start() { host_.holding(1); }
  void on_message(backplane::Message) {}
  void drain() {
    end_ = host_.after(host_.option("drain.takes"), [this] { host_.holding(0); });
  }
  void stop() { end_.end(); }

 private:
  backplane::Host host_;
  backplane::Timer end_;
};

// A protocol without a wire: its server is the client itself.
class Direct {
 public:
  static constexpr auto scheme = "sample";
  static constexpr auto says = "Calls itself.";
  static constexpr backplane::Option options[] = {
      {"greeting", backplane::text, "hello", "what greet says"},
      {"repeats", backplane::integer.between(1, 9), "1", "how often"},
      {"names", backplane::text_list, backplane::optional, "whom greet greets"},
      {"heartbeat", backplane::duration, "5s", "how often it says that it lives"},
      {"pattern", backplane::choice("call|push|publish"), "call", "how it sends"},
  };

  Direct(backplane::Caller caller, std::string_view endpoint) : caller_(caller), endpoint_(endpoint) {
    if (endpoint == "nowhere") throw backplane::Error("Unreachable", "nobody is nowhere");
  }

  void call(const backplane::ClientCall& call, backplane::Results& results) {
    const auto function = call.function();
    if (call.has(BP_SIGNAL)) return caller_.log(backplane::Severity::warning, "signalled");
    if (function == "echo") {
      results.give_value(backplane::Array{call.arguments(), call.named_arguments()});
    } else if (function == "first") {
      results.give_value(call.arguments().at(0));
    } else if (function == "raw") {
      results.give_bytes(call.frames().at(0));
    } else if (function == "endpoint") {
      results.give_bytes(endpoint_);
    } else if (function == "timeout") {
      results.give_value(caller_.timeout().count());
    } else if (function == "heartbeat") {
      results.give_value(std::int64_t{caller_.option("heartbeat")});
    } else if (function == "pattern") {
      results.give_bytes(caller_.option("pattern").view());
    } else if (function == "greet") {
      greet(results);
    } else if (function == "count") {
      for (std::int64_t i = 0; i < *call.arguments().at(0).get_if<std::int64_t>(); ++i)
        results.give_value(i, 0, BP_STREAM);
      results.end_of_stream();
    } else if (function == "broken_stream") {
      for (int i = 0; i < 3; ++i) results.give_value(i, 0, BP_STREAM);
      throw backplane::Error("DemoError", "stream broken");
    } else if (function == "fail") {
      throw backplane::DetailedError("DemoError", "\"quoted\" caf\xc3\xa9 \xff", {{"code", 7}});
    } else if (function == "keys") {
      results.give_value(backplane::Map{{1, "one"}, {"two", backplane::Extension{5, "x"}}});
    } else if (function == "nested") {
      results.give_value(nested());
    } else if (function == "later" && call.has(BP_DEFERRED)) {
      results.give_bytes("token", 0, BP_DEFERRED);
    } else if (function == "nothing") {
      return;
    } else {
      throw backplane::Error("NameError", "no function\n" + std::string(function), "first line\nsecond line");
    }
  }

  // Answers in capitals; "bad" fails, "wait" waits for the end.
  void job(backplane::ClientJob& job, backplane::Results& results) {
    using Next = backplane::ClientJob::Next;
    std::string_view item;
    std::uint64_t index = 0;
    for (auto next = job.next(item); next != Next::end; next = job.next(item)) {
      if (caller_.interrupted()) return;
      if (next == Next::later || item == "wait") {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        while (item == "wait" && !caller_.interrupted())
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      std::string loud(item);
      for (auto& letter : loud) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
      const bool wanted = item == "bad" ? results.fail(index, backplane::Error("BadItem", "it is bad"))
                                        : results.give_bytes(loud, index);
      if (!wanted) return;
      ++index;
    }
  }

  void functions(const backplane::TellFunction& tell) {
    const bp_parameter parameters[] = {{"n", "int", nullptr}, {"step", "int", "1"}};
    tell({sizeof(bp_function), BP_STREAM_MANNER, "count", "Counts.", "int", "", parameters, 2, 0});
    tell({sizeof(bp_function), BP_ORDINARY, "greet", "Greets.", "text", "", nullptr, 0, 2'000'000'000});
  }

 private:
  void greet(backplane::Results& results) const {
    std::string said;
    const std::int64_t repeats = caller_.option("repeats");
    for (std::int64_t i = 0; i < repeats; ++i) said += std::string(caller_.option("greeting")) + ";";
    for (const auto& name : caller_.option("names").list()) said += name + ";";
    results.give_bytes(said);
  }
  static backplane::Value nested() {
    backplane::Value value = 1;
    for (int i = 0; i < 300; ++i) value = backplane::Array{std::move(value)};
    return value;
  }

  backplane::Caller caller_;
  std::string endpoint_;
};

class OneByOne {
 public:
  static constexpr auto scheme = "one_by_one";
  static constexpr auto says = "Runs no jobs.";
  static constexpr backplane::Option options[] = {
      {"key", backplane::text, backplane::required, "what opens the door"}};
  OneByOne(backplane::Caller, std::string_view) {}
  void call(const backplane::ClientCall&, backplane::Results&) {}
};

}  // namespace

BACKPLANE_PLUGIN("sample", "2.5.0", Echo, Sums, Sink, Holder, Direct, OneByOne)
