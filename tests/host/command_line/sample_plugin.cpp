// A plugin whose tables the tests of the command line know by heart.
#include <backplane/plugin.hpp>

#include <string>

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

}  // namespace

BACKPLANE_PLUGIN("sample", "2.5.0", Echo, Sums, Sink)
