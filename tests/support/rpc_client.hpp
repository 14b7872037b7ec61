// A ZeroRPC client made of a raw DEALER socket: it sends what a test says, event by event, and sends nothing
// by itself unless the verb says so.
#pragma once

#include <backplane/rpc/event.hpp>
#include <backplane/uuid.hpp>
#include <backplane/value.hpp>

#include <zmq.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/peer.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::test {

// An event of the server, decoded.
struct ServerEvent {
  Value header;
  std::string name;
  Value args;

  // The id of the channel it belongs to; empty: it opens one.
  std::string channel() const {
    const auto* id = header.find("response_to");
    const auto* bytes = id == nullptr ? nullptr : id->get_if<Bytes>();
    return bytes == nullptr ? std::string() : bytes->content;
  }
  bool heartbeat() const { return name == rpc::event_name::heartbeat; }
  // The name and the args as JSON: `OK [3]`.
  std::string text() const { return name + ' ' + to_json(args); }
};

inline void PrintTo(const ServerEvent& event, std::ostream* out) {
  *out << event.text() << " with header " << to_json(event.header);
}

// Throws std::runtime_error when the payload is no event.
inline ServerEvent read_server_event(const std::string& payload) {
  rpc::Event event;
  if (const auto* why = rpc::read_event(payload, event))
    throw std::runtime_error(std::string("no event: ") + why);
  const Value whole = decode(payload, {.depth = rpc::deepest + 2});
  const auto& parts = *whole.get_if<Array>();
  return {parts[0], std::string(event.name), parts[2]};
}

// What a call failed with: the name and the text of ERR.
class RpcError : public std::runtime_error {
 public:
  explicit RpcError(const ServerEvent& event) : std::runtime_error(event.text()) {
    const auto* parts = event.args.get_if<Array>();
    if (parts == nullptr || parts->size() != 3) return;
    if (const auto* text = (*parts)[0].get_if<std::string>()) name = *text;
    if (const auto* text = (*parts)[1].get_if<std::string>()) message = *text;
  }
  std::string name;
  std::string message;
};

// All waiting has a limit, kPatience unless told. One thread at a time.
class RpcClient {
 public:
  // `identity`: the routing id that the server is to see.
  explicit RpcClient(const std::string& endpoint, std::string_view identity = {}) {
    if (!identity.empty()) peer_.set(ZMQ_ROUTING_ID, identity);
    peer_.connect(endpoint);
  }

  // What events say from now on; 3 unless told.
  RpcClient& speak(std::int64_t version) {
    version_ = version;
    return *this;
  }
  Peer& peer() { return peer_; }

  // ---- sending ----

  // Sends a request and returns the id of its channel. `more` are further pairs of the header.
  std::string request(std::string_view method, const Value& args = Array(), const Map& more = {}) {
    std::string id(ids_.next());
    send(with_id(id, more), method, args);
    return id;
  }
  // on_call, the one method of infi.rpc. Without a uuid a new one is made.
  std::string on_call(std::string_view method, const Value& args = Array(), const Value& named = Map(),
                      std::string uuid = {}) {
    if (uuid.empty()) uuid = new_uuid();
    const Value meta = Map{{"method", method}, {"uuid", std::move(uuid)}, {"request_id_tag", nullptr}};
    return request("on_call", Array{Array{meta, args, named}});
  }
  void heartbeat(const std::string& channel, const Value& args = Array{0}) {
    send_on(channel, rpc::event_name::heartbeat, args);
  }
  // Grants credit.
  void more(const std::string& channel, const Value& credit) {
    send_on(channel, rpc::event_name::more, Array{credit});
  }
  // Sends an event on a channel.
  void send_on(const std::string& channel, std::string_view name, const Value& args) {
    send(with_id(ids_.next(), {{"response_to", Bytes{channel}}}), name, args);
  }
  void send(const Value& header, const Value& name, const Value& args) {
    send_payload(encode(Array{header, name, args}));
  }
  void send_payload(std::string payload) {
    if (!peer_.send({"", std::move(payload)})) throw std::runtime_error("the server takes no message");
  }

  // ---- receiving ----

  // The next event of any channel; nothing: none came within the limit. Throws std::runtime_error when
  // something else than an event came.
  std::optional<ServerEvent> next(std::chrono::nanoseconds limit = kPatience) {
    if (!kept_.empty()) return take(kept_.begin());
    return receive(limit);
  }
  // The next event of this channel. Those of others are kept for who asks for them.
  std::optional<ServerEvent> next_of(const std::string& channel, std::chrono::nanoseconds limit = kPatience) {
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const ServerEvent& event) { return event.channel() == channel; });
    if (found != kept_.end()) return take(found);
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
      auto event = receive(std::max(std::chrono::nanoseconds(0), end - std::chrono::steady_clock::now()));
      if (!event || event->channel() == channel) return event;
      kept_.push_back(std::move(*event));
    }
  }
  // The next event of this channel that is no heartbeat; heartbeats are answered. Throws std::runtime_error
  // when none comes.
  ServerEvent answer(const std::string& channel, std::chrono::nanoseconds limit = kPatience) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
      auto event =
          next_of(channel, std::max(std::chrono::nanoseconds(0), end - std::chrono::steady_clock::now()));
      if (!event) throw std::runtime_error("no answer came");
      if (!event->heartbeat()) return std::move(*event);
      heartbeat(channel);
    }
  }
  // True when nothing comes for so long, on any channel.
  bool silent(std::chrono::nanoseconds duration) { return !next(duration).has_value(); }

  // ---- whole conversations ----

  // The result of a call. Throws RpcError for ERR.
  Value call(std::string_view method, const Value& args = Array()) {
    const auto event = answer(request(method, args));
    if (event.name != rpc::event_name::ok) throw RpcError(event);
    const auto* list = event.args.get_if<Array>();
    if (list == nullptr || list->size() != 1)
      throw std::runtime_error("OK without a result: " + event.text());
    return list->front();
  }
  // The items of a stream, read as real clients do: credit is granted when fewer than half of the slots are
  // left, first when the second item is wanted. Throws RpcError for ERR.
  std::vector<Value> stream(std::string_view method, const Value& args = Array(), std::uint32_t slots = 100) {
    const auto channel = request(method, args);
    std::vector<Value> items;
    for (std::uint32_t reserved = 1;; --reserved) {
      if (!items.empty() && reserved < slots / 2) {
        more(channel, slots - reserved);
        reserved = slots;
      }
      auto event = answer(channel);
      if (event.name == rpc::event_name::stream_done) return items;
      if (event.name != rpc::event_name::stream) throw RpcError(event);
      items.push_back(std::move(event.args));
    }
  }
  // The result map of a call of infi.rpc: its code and what belongs to it.
  Value infi(std::string_view method, const Value& args = Array(), const Value& named = Map(),
             std::string uuid = {}) {
    const auto event = answer(on_call(method, args, named, std::move(uuid)));
    const auto* list = event.args.get_if<Array>();
    if (event.name != rpc::event_name::ok || list == nullptr || list->size() != 1)
      throw std::runtime_error("no result of infi.rpc: " + event.text());
    return list->front();
  }

 private:
  Value with_id(std::string_view id, const Map& more) const {
    Map header = {{"message_id", Bytes{std::string(id)}}, {"v", version_}};
    header.insert(header.end(), more.begin(), more.end());
    return header;
  }
  ServerEvent take(std::deque<ServerEvent>::iterator at) {
    auto event = std::move(*at);
    kept_.erase(at);
    return event;
  }
  std::optional<ServerEvent> receive(std::chrono::nanoseconds limit) {
    const auto frames = peer_.receive(limit);
    if (!frames) return std::nullopt;
    if (frames->size() != 2 || !frames->front().empty())
      throw std::runtime_error("an answer is an empty frame and a payload");
    return read_server_event(frames->back());
  }

  Peer peer_{ZMQ_DEALER};
  rpc::EventIds ids_;
  std::int64_t version_ = rpc::protocol_version;
  std::deque<ServerEvent> kept_;
};

}  // namespace backplane::test
