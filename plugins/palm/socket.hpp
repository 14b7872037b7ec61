// What the PALM kinds share: their options, the frames of a message, and what they do with errors.
#pragma once

#include <backplane/palm/message.hpp>
#include <backplane/plugin.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "zmq/socket.hpp"
#include "zmq/socket_options.hpp"

namespace backplane::palm {

// The kinds watch their connections themselves, so the option `monitor` of the zmq kinds is not among these.
inline constexpr auto palm_security_options = rows<0, 8>(zmq::security_options);
inline constexpr auto palm_socket_options =
    tables(zmq::endpoint_options, zmq::transport_options, palm_security_options);

// What a stage that makes error replies has.
inline constexpr std::array<Option, 1> error_options = {{
    {"error_payload", text, "0",
     "payload of an error reply. The reason goes with it in a field that other programs pass on unseen"},
}};

// The bytes of a value that is text or bytes; nothing for any other.
inline std::optional<std::string_view> content_of(const Value& value) {
  if (const auto* words = value.get_if<std::string>()) return *words;
  if (const auto* bytes = value.get_if<Bytes>()) return bytes->content;
  return std::nullopt;
}
// The same for an argument. Throws Error "InvalidCallArguments".
inline std::string_view content_of_argument(const Value& value) {
  const auto content = content_of(value);
  if (!content) throw Error("InvalidCallArguments", "value must be text or bytes, got " + describe(value));
  return *content;
}

// The fields of the PALM message that `message` holds: its last frame. Throws Malformed.
inline Fields read_message(const Message& message) {
  if (message.empty()) throw Malformed("a message without frames");
  return read(message[message.size() - 1]);
}

// Takes off what stands before the PALM message: a topic. Views of a small frame do not survive it.
inline void keep_last_frame(Message& message) {
  if (message.size() > 1) message.remove_front(message.size() - 1);
}

// Whoever asked has an answer, or gets none from here: what becomes of the message is nobody's outcome.
inline void forget_asker(Message& message) {
  message.envelope().reply_to = 0;
  message.envelope().flags &= ~std::uint32_t{BP_REQUEST};
}

// Whoever asked gets the message as the answer, and it goes along the component's routes, if there are any.
inline Sent pass_on(const Host& host, Message message) {
  if (message.wants_reply()) {
    const bp_envelope request = message.envelope();
    if (!host.routed()) {
      host.reply(request, std::move(message));
      return Sent::yes;
    }
    host.reply(request, message.copy());
    forget_asker(message);
  }
  return host.send(std::move(message));
}

// Makes `message` the PALM message `fields`, which may be views of it.
inline void rewrite(Message& message, const Fields& fields) {
  zmq::Frame fresh;
  write_frame(fields, *fresh.raw());
  message.truncate(0);
  message.append(fresh.raw());
}

// Makes `message`, which has these fields, an error reply; what leads it back stays.
inline void make_error(Message& message, Fields fields, std::string_view payload, std::string_view code,
                       std::string_view why) {
  const std::string text = error_text(code, why);
  fields.payload = payload;
  fields.error = text;
  rewrite(message, fields);
}

}  // namespace backplane::palm
