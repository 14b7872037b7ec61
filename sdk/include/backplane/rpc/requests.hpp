// What ZeroRPC's clients and one-way senders have in common: arguments and headers, encoded so that every
// peer can read them. A peer that cannot throws the whole event away, without a word.
#pragma once

#include <backplane/binding.hpp>
#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/sockets.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::rpc::detail {

template <typename... Args>
Array list_of(Args&&... args) {
  Array list;
  list.reserve(sizeof...(args));
  (list.push_back(to_value(std::forward<Args>(args))), ...);
  return list;
}

// Appends an argument or header value. Throws Error "TypeError" when a peer could not read it.
inline void encode_for_peer(const Value& value, std::string_view what, std::string& out) {
  const auto at = out.size();
  encode(value, out);
  if (const auto* wrong = why_unreadable(std::string_view(out).substr(at)))
    throw Error("TypeError", std::string(what) + " cannot be sent: " + wrong);
}

// Adds keys, or replaces their values.
inline void add_context(Map& all, const Map& more) {
  for (const auto& entry : more) {
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const MapEntry& present) { return present.key == entry.key; });
    if (same == all.end()) {
      all.push_back(entry);
    } else {
      same->value = entry.value;
    }
  }
}

// The pairs of a header, encoded. Throws Error "TypeError".
inline std::string encoded_context(const Map& context) {
  std::string out;
  for (const auto& [key, value] : context) {
    const auto* name = key.get_if<std::string>();
    if (name == nullptr || *name == "message_id" || *name == "response_to" || *name == "v")
      throw Error("TypeError", "a header cannot have a key " + describe(key) + " of its own");
    encode_for_peer(key, "a key of the header", out);
    encode_for_peer(value, "the header's \"" + *name + '"', out);
  }
  return out;
}

// The pairs of a header but for ZeroRPC's own. REQUIRES: read over before.
inline Map decoded_context(std::string_view pairs, std::uint64_t count) {
  Map context;
  for_each_pair(pairs, count, [&](std::string_view key, std::string_view value) {
    if (key == "message_id" || key == "response_to" || key == "v") return true;
    std::size_t used = 0;
    context.push_back({Value(key), decode_first(value, used)});
    return true;
  });
  return context;
}

// An event, written straight into a frame.
inline sockets::Frame frame_of(const EventParts& parts) {
  sockets::Frame frame(size_of(parts));
  Memory memory{frame.data()};
  write_event(memory, parts);
  return frame;
}

}  // namespace backplane::rpc::detail
