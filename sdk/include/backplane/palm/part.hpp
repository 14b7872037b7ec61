// Hooks of a PALM server, written as classes: scatter, gather, handle_stream.
//
//   struct Triple {
//     static constexpr auto kind = "mine.triple";
//     static constexpr auto says = "Yields every message three times.";
//     void scatter(const palm::PalmMessage& message, palm::Emit& emit) {
//       for (int i = 0; i < 3; ++i) emit(message);
//     }
//   };
//   BACKPLANE_PLUGIN("mine", "1.0", palm::Hook<Triple>)
//
// A component of such a kind stands on the way of the messages: a scatter between palm.pull and the workers,
// a gather between the workers and palm.pub, a handle_stream before palm.pub, as a template's parameters of
// these names have it. Zero, one or many messages come out for one that goes in. A hook that throws makes one
// error reply. A message that says an error passes a scatter or a gather by; a
// handle_stream chooses its topic as any other's.
#pragma once

#include <backplane/palm/message.hpp>
#include <backplane/plugin.hpp>

#include <array>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::palm {

// Where a hook puts what comes out, in order. Messages are copied: what the hook does to its own later
// changes nothing.
class Emit {
 public:
  void operator()(PalmMessage message) { emitted_.push_back({std::nullopt, std::move(message)}); }
  // For handle_stream: publishes under this topic instead of the default one.
  void operator()(std::string topic, PalmMessage message) {
    emitted_.push_back({std::move(topic), std::move(message)});
  }

  struct Emitted {
    std::optional<std::string> topic;
    PalmMessage message;
  };
  std::vector<Emitted>& emitted() { return emitted_; }

 private:
  std::vector<Emitted> emitted_;
};

namespace detail {

template <typename T>
concept Scatters = requires(T& part, const PalmMessage& message, Emit& emit) {
  part.scatter(message, emit);
};
template <typename T>
concept Gathers = requires(T& part, const PalmMessage& message, Emit& emit) {
  part.gather(message, emit);
};
template <typename T>
concept HandlesStreams = requires(T& part, const PalmMessage& message, Emit& emit) {
  part.handle_stream(message, emit);
};

inline constexpr std::array<Option, 1> hook_error_option = {{
    {"error_payload", text, "0", "payload of an error reply; its reason goes with it"},
}};

// A table of options as a std::array, whichever of the two it is written as.
template <std::size_t Size>
constexpr std::array<Option, Size> as_table(const Option (&rows)[Size]) {
  return std::to_array(rows);
}
template <std::size_t Size>
constexpr std::array<Option, Size> as_table(const std::array<Option, Size>& rows) {
  return rows;
}

// The options of a hook's class, and those that every hook has.
template <typename T>
constexpr auto hook_options() {
  if constexpr (backplane::detail::HasOptions<T>) {
    return tables(as_table(T::options), hook_error_option);
  } else {
    return hook_error_option;
  }
}

inline std::string current_exception_text() {
  bp_error error{};
  backplane::detail::describe_current(error);
  return std::string(error.type) + ": " + error.message;
}

}  // namespace detail

// A component made of a class with exactly one of these:
//   void scatter(const PalmMessage&, Emit&)
//   void gather(const PalmMessage&, Emit&)
//   void handle_stream(const PalmMessage&, Emit&)
// Everything else that the class has, options and constructor included, is as for any component.
template <typename T>
class Hook : public T {
  static_assert(detail::Scatters<T> + detail::Gathers<T> + detail::HandlesStreams<T> == 1,
                "a hook has one of scatter, gather and handle_stream");

 public:
  static constexpr auto properties = outbound;
  static constexpr auto options = detail::hook_options<T>();

  explicit Hook(Host host) requires std::constructible_from<T, Host> : T(host), host_(host) { begin(); }
  explicit Hook(Host host) : host_(host) { begin(); }

  void on_message(Message message) {
    if (message.empty()) throw Malformed("a message without frames");
    const auto fields = read(message[message.size() - 1]);
    // The first failure reaches the client; only its topic is still to be chosen.
    if (fields.failed() && !detail::HandlesStreams<T>) {
      host_.send(std::move(message));
      return;
    }
    Emit emit;
    try {
      run(PalmMessage(fields), emit);
    } catch (...) {
      return send_error(message, fields, detail::current_exception_text());
    }
    for (auto& emitted : emit.emitted()) send(message, emitted);
  }

 private:
  void begin() {
    error_payload_ = host_.option("error_payload").view();
    errors_ = host_.counter("errors", "messages that were answered with an error");
  }

  void run(const PalmMessage& message, Emit& emit) {
    if constexpr (detail::Scatters<T>) {
      T::scatter(message, emit);
    } else if constexpr (detail::Gathers<T>) {
      T::gather(message, emit);
    } else {
      T::handle_stream(message, emit);
    }
  }

  void send(const Message& earlier, const Emit::Emitted& emitted) {
    Message message = host_.message_after(earlier);
    if (emitted.topic) message.append(*emitted.topic);
    write_frame(emitted.message.fields(), *message.add_empty());
    host_.send(std::move(message));
  }

  // A scatter that fails after it has emitted: those messages are not sent, the client gets one error.
  void send_error(const Message& earlier, Fields fields, const std::string& why) {
    errors_.add();
    constexpr auto code = detail::Scatters<T> ? scatter_failed : gather_failed;
    host_.log(Severity::failure, std::string(code) + ": " + why);
    const auto text = error_text(code, why);
    fields.payload = error_payload_;
    fields.error = text;
    Message message = host_.message_after(earlier);
    write_frame(fields, *message.add_empty());
    host_.send(std::move(message));
  }

  Host host_;
  std::string error_payload_;
  Counter errors_;
};

}  // namespace backplane::palm
