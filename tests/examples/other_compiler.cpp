// The plugin "other": compiled by libcxx_test with another compiler and C++ library than the host's.
#include <backplane/plugin.hpp>

#include <stdexcept>
#include <string>

// Sends every message on, except "throw".
class Echo {
 public:
  static constexpr auto kind = "other.echo";
  static constexpr auto says = "Sends every message on; fails on the word throw.";

  explicit Echo(backplane::Host host) : host_(host) {}
  void on_message(backplane::Message message) {
    if (message.topic() == "throw") throw std::runtime_error("asked to throw");
    host_.send(std::move(message));
  }

 private:
  backplane::Host host_;
};

// A function, bound to a plain member.
struct Adder {
  static constexpr auto kind = "other.functions";
  static constexpr auto says = "Adds.";
  int add(int a, int b) { return a + b; }
  void publish(backplane::Functions& functions) {
    functions.add("add", &Adder::add, "Adds two integers.", {"a", "b"});
  }
};

BACKPLANE_PLUGIN("other", "1.0.0", Echo, Adder)
