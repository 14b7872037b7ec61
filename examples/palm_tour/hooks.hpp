// Hooks of a PALM server: what happens to messages on their way to the workers, from them, and out.
#pragma once

#include <backplane/palm/part.hpp>

#include <stdexcept>
#include <string>

namespace palm_tour {

using backplane::palm::Emit;
using backplane::palm::PalmMessage;

// Yields every message three times; fails on one that begins with "burst".
struct Triple {
  static constexpr auto kind = "palm_tour.triple";
  static constexpr auto says = "A scatter: yields every message three times; fails on \"burst\".";

  void scatter(const PalmMessage& message, Emit& emit) {
    if (message.payload.starts_with("burst")) throw std::runtime_error("it burst");
    for (int i = 0; i < 3; ++i) emit(message);
  }
};

// Drops, changes or fails on what a payload says at its beginning.
struct Picky {
  static constexpr auto kind = "palm_tour.picky";
  static constexpr auto says = "A gather: drops \"drop\", changes \"change\", fails on \"explode\".";

  void gather(const PalmMessage& message, Emit& emit) {
    if (message.payload.starts_with("explode")) throw std::runtime_error("it exploded");
    if (message.payload.starts_with("drop")) return;
    if (message.payload.starts_with("change")) return emit(change_payload(message, "changed"));
    emit(message);
  }
};

// Replaces the result with this number.
struct Last {
  static constexpr auto kind = "palm_tour.last";
  static constexpr auto says = "A gather: replaces the 30th result (option after) by \"final message\".";
  static constexpr backplane::Option options[] = {
      {"after", backplane::integer.between(1, 1e9), "30", "number of the result to replace"},
  };

  explicit Last(backplane::Host host) : after_(host.option("after")) {}

  void gather(const PalmMessage& message, Emit& emit) {
    const bool is_last = ++count_ == after_;
    emit(is_last ? change_payload(message, "final message") : message);
  }

 private:
  std::int64_t after_;
  std::int64_t count_ = 0;
};

// Sends messages to the topics "even" and "odd" in turn, one stage further.
struct EvenOdd {
  static constexpr auto kind = "palm_tour.even_odd";
  static constexpr auto says = "A handle_stream: publishes under the topics even and odd in turn.";

  void handle_stream(const PalmMessage& message, Emit& emit) {
    PalmMessage next = message;
    ++next.stage;
    emit(even_ ? "even" : "odd", next);
    even_ = !even_;
  }

 private:
  bool even_ = true;
};

}  // namespace palm_tour
