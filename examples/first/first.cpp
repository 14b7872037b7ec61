#include <backplane/plugin.hpp>

#include <algorithm>

// Answers every message with its text reversed.
struct Reverse {
  static constexpr auto kind = "first.reverse";
  static constexpr auto says = "Answers with the text reversed.";

  explicit Reverse(backplane::Host host) : host_(host) {}

  void on_message(backplane::Message message) {
    std::string text(message[0]);
    std::reverse(text.begin(), text.end());
    host_.reply(message.envelope(), {text});
  }

  backplane::Host host_;
};

BACKPLANE_PLUGIN("first", "1.0.0", Reverse)
