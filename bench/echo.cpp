// The plugin of the request benchmarks: a component that answers every message with itself, and one with a
// functions that do.
#include <backplane/plugin.hpp>

#include <utility>

namespace {

struct Echo {
  static constexpr auto kind = "bench.echo";
  static constexpr auto says = "Answers every message with itself.";
  static constexpr auto properties = backplane::outbound;
  explicit Echo(backplane::Host given) : host(given) {}
  void on_message(backplane::Message message) {
    const auto request = message.envelope();
    host.reply(request, std::move(message));
  }
  backplane::Host host;
};

struct EchoFunction {
  static constexpr auto kind = "bench.functions";
  static constexpr auto says = "echo returns its argument.";

  backplane::Value echo(backplane::Value value) { return value; }
  backplane::Stream<backplane::Value> repeat(backplane::Value value, std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) co_yield value;
  }
  void publish(backplane::Functions& functions) {
    using backplane::Manner;
    functions.add("echo", &EchoFunction::echo, "Returns its argument.", {"value"});
    functions.add("now", &EchoFunction::echo, "The same, never as a deferred.", {"value"},
                  {.manner = Manner::immediate});
    functions.add("later", &EchoFunction::echo, "The same, always as a deferred.", {"value"},
                  {.manner = Manner::deferred});
    functions.add("repeat", &EchoFunction::repeat, "Streams its argument so many times.", {"value", "times"});
  }
};

}  // namespace

BACKPLANE_PLUGIN("bench", "1.0.0", Echo, EchoFunction)
