// The plugin of the request benchmarks: a component that answers every message with itself, and one with a
// function that does.
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
  void publish(backplane::Functions& functions) {
    functions.add("echo", &EchoFunction::echo, "Returns its argument.", {"value"});
  }
};

}  // namespace

BACKPLANE_PLUGIN("bench", "1.0.0", Echo, EchoFunction)
