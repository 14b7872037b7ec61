// Verbs of the PALM plugin's tests: a component on the one side, raw sockets on the other.
#pragma once

#include <backplane/palm/message.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/zmq/verbs.hpp"

namespace backplane::palm {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::Frames;
using test::kPatience;
using test::Peer;
using zmq::any_port;
using zmq::endpoint_of;
using zmq::frames;
using zmq::next_sent;
using zmq::receives;
using zmq::sends;
using zmq::silent;

constexpr std::int64_t ms = 1'000'000;  // ns

// A message as a client writes it.
inline PalmMessage request_of(std::string client, std::string payload, std::string function = "server.foo") {
  PalmMessage message;
  message.pipeline = "stream";
  message.client = std::move(client);
  message.function = std::move(function);
  message.payload = std::move(payload);
  return message;
}

inline std::string bytes_of(const PalmMessage& message) { return encode(message.fields()); }

// The message in the last of these frames; without frames, or when they hold none, one that says so.
inline PalmMessage message_in(const Frames& all) {
  try {
    return PalmMessage(read(all.at(all.size() - 1)));
  } catch (const std::exception&) {
    return request_of("nobody", "no message came");
  }
}

// The message that the component sends next.
inline PalmMessage next_message(FakeHost& host) { return message_in(next_sent(host)); }

// Gives the component a message as a route would.
inline std::int32_t deliver(FakeHost& host, const PalmMessage& message) {
  return host.deliver(host.message({bytes_of(message)}));
}

}  // namespace backplane::palm
