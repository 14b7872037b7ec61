// The plugin of the request benchmarks: a component that answers every message with itself.
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

}  // namespace

BACKPLANE_PLUGIN("bench", "1.0.0", Echo)
