// Verbs for the tests of ZeroRPC's clients.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>

#include <string>

#include "support/rpc_vectors.hpp"

namespace backplane::rpc {

// What `body` throws, as "type: text"; empty: nothing.
template <typename Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
  return {};
}

// The identifier in an event, which is 32 bytes of binary.
inline std::string id_in(const std::string& payload) {
  Event event;
  if (read_event(payload, event) != nullptr) return {};
  return std::string(text_of(event.message_id).value_or(""));
}

// A payload with every `from` replaced by `to`.
inline std::string replaced(std::string payload, const std::string& from, const std::string& to) {
  for (auto at = payload.find(from); at != std::string::npos; at = payload.find(from, at + to.size()))
    payload.replace(at, from.size(), to);
  return payload;
}

// A recorded event with the identifier of the one that was sent.
inline std::string with_id_of(const std::string& sent, const std::string& recorded) {
  return replaced(recorded, id_in(recorded), id_in(sent));
}

// Whether it is a client of this protocol version whose identifiers have 32 bytes, and not a test written by
// hand.
inline bool is_of_real_client(const test::Recording& recording) {
  const auto& first = recording.frames.front();
  const auto* version = first.header().find("v");
  return recording.seen_by == "DEALER" && version != nullptr && *version == Value(3) &&
         id_in(first.payload()).size() == EventIds::size;
}

}  // namespace backplane::rpc
