// The client's side of ZeroRPC's channels: one channel is one call, from its request to its result or the end
// of its stream.
//
// No sockets, no clock, no callbacks: whoever uses it sends the events that it returns, hands in the payloads
// that come, and asks what is due at the time that next_tick() told. One thread at a time. Times are
// nanoseconds of a steady clock.
//
//   ClientChannels<MyCall> channels({.heartbeat = 5'000'000'000});
//   send(channels.open(request, my_call, now).event);
//   ...
//   auto news = channels.receive(payload, now);             news.kind, *news.owner, news.content
//   while (auto due = channels.next_due(now)) ...           due->heartbeat to send, or due->failure
//   if (auto credit = channels.consumed(channel)) send(*credit);
//
// Before next_due is asked, everything that waits in the socket should be received: a late thread must not
// take its own lateness for the silence of the server. Whoever could not receive all says so.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace backplane::rpc {

// Names a channel: the content of the message_id of its request, which is never used again.
struct ChannelId {
  std::array<char, EventIds::size> digits{};
  std::string_view view() const { return {digits.data(), digits.size()}; }
  bool operator==(const ChannelId&) const = default;
};

// When the reader of a stream gives the server more credit: nothing before the second item is wanted, then
// whenever less than half of the slots is left.
class CreditWindow {
 public:
  // `slots`: items that may be on their way or unread; at least 2, or none would flow.
  explicit CreditWindow(std::uint32_t slots) : slots_(std::max<std::uint32_t>(slots, 2)) {}
  // An item was taken and another one is wanted. Returns the credit to be given now, or 0.
  std::uint32_t taken() {
    if (left_ > 0) --left_;
    return left_ >= slots_ / 2 ? 0 : slots_ - std::exchange(left_, slots_);
  }

 private:
  std::uint32_t slots_;
  std::uint32_t left_ = 1;  // of the credit given: items that were not taken yet
};

struct ChannelSettings {
  // Period in nanoseconds; the server's must be the same. 0: none are sent, and nobody is lost, as infi.rpc
  // has it.
  std::int64_t heartbeat = 5'000'000'000;
  bool passive = false;         // heartbeats of a channel begin with the first that the server sends on it
  std::size_t depth = deepest;  // of lists and maps in what servers send
};

// What opens a channel; views.
struct ChannelRequest {
  std::string_view method = {};    // UTF-8
  std::string_view args = "\x90";  // an encoded list
  std::string_view context = {};   // further pairs of the header, encoded
  std::uint32_t context_pairs = 0;
  std::uint32_t slots = 100;  // as of CreditWindow
  std::int64_t timeout = 0;   // until the first event of the answer, in nanoseconds; 0: none
};

// What an event says to the one who made the call, or the passing of time.
template <typename Owner>
struct ChannelNews {
  enum class Kind : std::uint8_t {
    none,     // nothing: a heartbeat, or an event that was dropped
    result,   // the call ended: `content`
    item,     // of a stream: `content`
    end,      // of a stream
    failure,  // the call ended: `error`
  };
  Kind kind = Kind::none;
  // Of all kinds but none. Like the views of an event, valid until the payload or the channels change.
  ChannelId channel = {};
  Owner* owner = nullptr;
  std::string_view content = {};    // the encoded result or item
  std::optional<Error> error = {};  // of a failure
  bool remote = false;              // of a failure: the error is what the server answered
  Event event = {};                 // what came, with its header; nothing when time has passed
  const char* dropped = nullptr;    // of kind none: why the event is worth nothing, not_open for example;
                                    // nullptr: it was in order
};

// Why an event is worth nothing that came for a channel which has closed, or never was open.
inline constexpr const char* not_open = "no such channel is open";

namespace detail {

// "5", "0.25".
inline std::string seconds_text(std::int64_t nanoseconds) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.9g", static_cast<double>(nanoseconds) / 1e9);
  return digits.data();
}

// The elements of an encoded list that has at most three; nothing for anything else. REQUIRES: read over
// before.
struct FewElements {
  std::array<std::string_view, 3> all{};
  std::size_t count = 0;
};
inline std::optional<FewElements> few_elements(std::string_view args) {
  Scanner scanner(args);
  Token token;
  FewElements found;
  if (!scanner.next(token) || token.kind != Token::Kind::list || token.number > found.all.size())
    return std::nullopt;
  for (; found.count < token.number; ++found.count) {
    const auto* const at = scanner.position();
    if (!scanner.skip()) return std::nullopt;
    found.all[found.count] = between(at, scanner.position());
  }
  return found;
}

// A text or binary as it is, nil as nothing, other values as people read them.
inline std::string readable(std::string_view encoded) {
  if (const auto plain = text_of(encoded)) return std::string(*plain);
  if (encoded == encoded::nil) return {};
  std::size_t used = 0;
  return to_json(decode_first(encoded, used, {.depth = 16, .bytes = 4096, .values = 256}));
}

}  // namespace detail

// The error that the args of ERR tell: of [name, message, traceback] the name is its type, of [message], as
// old servers send it, the type is "RemoteError". Nothing: they are neither. REQUIRES: read over before.
inline std::optional<Error> remote_error(std::string_view args) {
  const auto elements = detail::few_elements(args);
  if (!elements) return std::nullopt;
  const auto& [first, second, third] = elements->all;
  try {
    if (elements->count == 1) return Error("RemoteError", detail::readable(first));
    if (elements->count == 3)
      return Error(detail::readable(first), detail::readable(second), detail::readable(third));
  } catch (const Malformed&) {
  }
  return std::nullopt;
}

template <typename Owner>
class ClientChannels {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  // Events to send are views, valid until the next call of anything here.
  struct Opened {
    ChannelId channel;
    EventParts event;
  };
  // One thing to be done: a heartbeat to send, or a call that failed.
  struct Due {
    std::optional<EventParts> heartbeat = {};
    ChannelNews<Owner> failure = {};
  };

  explicit ClientChannels(ChannelSettings settings) : settings_(settings) {
    settings_.heartbeat = std::min(settings_.heartbeat, never / 4);
  }

  // A server that was silent for longer is lost.
  std::int64_t lost_after() const { return 2 * settings_.heartbeat; }
  // Channels that are open.
  std::size_t size() const { return by_id_.size(); }
  bool contains(const ChannelId& channel) const { return by_id_.contains(channel); }
  // Events that were dropped: no events, or of no channel that is open. Late ones are normal.
  std::uint64_t dropped() const { return dropped_; }

  // Opens a channel. `owner` is found again in its news.
  Opened open(const ChannelRequest& request, Owner owner, std::int64_t now) {
    const auto id = ids_.next();
    auto& home = active() ? beating_ : quiet_;
    const auto place = home.emplace(home.end(), std::move(owner), id, request);
    place->beating = active();
    place->next_beat = now + settings_.heartbeat;
    by_id_.emplace(place->id, place);
    if (request.timeout > 0) {
      const auto end = request.timeout < never - now ? now + request.timeout : never;
      place->waits = waiting_.emplace_hint(waiting_.end(), end, place);
    }
    return {place->id,
            {.id = id,
             .context = request.context,
             .context_pairs = request.context_pairs,
             .name = request.method,
             .args = request.args}};
  }

  // Takes a message that came: the payload, without the empty frame in front of it. `owner` and `content` of
  // what it says are valid until the next call, and as long as the payload is.
  ChannelNews<Owner> receive(std::string_view payload, std::int64_t now) {
    ended_.clear();
    ChannelNews<Owner> news;
    if (const auto* wrong = read_event(payload, news.event, settings_.depth)) return drop(wrong);
    const auto found = find(news.event.response_to);
    if (found == by_id_.end()) return drop(not_open);
    const auto place = found->second;
    place->last_heard = now;
    if (news.event.name == event_name::heartbeat) {
      if (settings_.heartbeat > 0 && !place->beating) start_beating(place, now);
    } else if (news.event.name != event_name::more) {
      read_answer(place, news);
    }
    return news;
  }

  // Whoever reads the stream has taken an item and wants another one. Returns the credit to send, if it is
  // time for some. A channel that has closed is ignored.
  std::optional<EventParts> consumed(const ChannelId& channel) {
    const auto found = by_id_.find(channel);
    return found == by_id_.end() ? std::nullopt : give(*found->second, found->second->window.taken());
  }
  // The same for a reader who keeps a CreditWindow of his own, elsewhere.
  std::optional<EventParts> grant(const ChannelId& channel, std::uint32_t credit) {
    const auto found = by_id_.find(channel);
    return found == by_id_.end() ? std::nullopt : give(*found->second, credit);
  }

  // Forgets a channel without a word: what comes for it is dropped, and its heartbeats stop, which tells the
  // server. False: it has closed.
  bool close(const ChannelId& channel) {
    const auto found = by_id_.find(channel);
    if (found == by_id_.end()) return false;
    end(found->second);
    ended_.clear();
    return true;
  }
  // Forgets all, and calls `use(owner)` with the owner of each.
  template <typename Use>
  void close_all(Use&& use) {
    ended_.clear();
    ended_.splice(ended_.end(), beating_);
    ended_.splice(ended_.end(), quiet_);
    waiting_.clear();
    by_id_.clear();
    for (auto& channel : ended_) use(channel.owner);
    ended_.clear();
  }

  // When next_due() should be asked; never: not before something else has happened.
  std::int64_t next_tick() const {
    const auto beat = beating_.empty() ? never : beating_.front().next_beat;
    return waiting_.empty() ? beat : std::min(beat, waiting_.begin()->first);
  }

  // One thing that is due at `now`; nothing: that was all. `failure.owner` is valid until the next call. No
  // server is lost unless `all_received`.
  std::optional<Due> next_due(std::int64_t now, bool all_received = true) {
    ended_.clear();
    if (!waiting_.empty() && waiting_.begin()->first <= now) return expire(waiting_.begin()->second);
    if (beating_.empty() || beating_.front().next_beat > now) return std::nullopt;
    return beat(beating_.begin(), now, all_received);
  }

 private:
  struct Channel;
  using Place = typename std::list<Channel>::iterator;
  using Waiting = std::multimap<std::int64_t, Place>;

  static constexpr std::string_view id_front{"\xc4\x20", 2};  // of EventIds::size bytes of binary

  struct Channel {
    Channel(Owner&& its_owner, std::string_view its_id, const ChannelRequest& request)
        : owner(std::move(its_owner)),
          method(request.method),
          timeout(request.timeout),
          window(request.slots) {
      std::memcpy(id.digits.data(), its_id.data(), id.digits.size());
      std::memcpy(encoded_id.data(), id_front.data(), id_front.size());
      std::memcpy(encoded_id.data() + id_front.size(), its_id.data(), its_id.size());
    }

    Owner owner;
    ChannelId id;
    std::array<char, id_front.size() + EventIds::size> encoded_id{};
    std::string method;
    std::optional<typename Waiting::iterator> waits = {};  // for the first event
    std::int64_t timeout;

    CreditWindow window;
    std::uint64_t credit = 1;  // events that may still come
    bool streams = false;

    bool beating = false;
    std::int64_t last_heard = never;
    std::int64_t next_beat = 0;
  };

  // Neighbours differ in the first digits, which count.
  struct Hash {
    std::size_t operator()(const ChannelId& id) const {
      std::uint64_t counter = 0;
      std::memcpy(&counter, id.digits.data(), sizeof counter);
      return static_cast<std::size_t>(counter * 0x9e3779b97f4a7c15U >> 16U);
    }
  };
  using ById = std::unordered_map<ChannelId, Place, Hash>;

  bool active() const { return settings_.heartbeat > 0 && !settings_.passive; }

  ChannelNews<Owner> drop(const char* reason) {
    ++dropped_;
    ChannelNews<Owner> news;
    news.dropped = reason;
    return news;
  }

  typename ById::iterator find(std::string_view encoded_id) {
    ChannelId id;
    if (encoded_id.size() != id_front.size() + id.digits.size() || !encoded_id.starts_with(id_front))
      return by_id_.end();
    std::memcpy(id.digits.data(), encoded_id.data() + id_front.size(), id.digits.size());
    return by_id_.find(id);
  }

  // Takes a channel out of everything; it lives until the next call.
  void end(Place place) {
    stop_waiting(*place);
    by_id_.erase(place->id);
    ended_.splice(ended_.end(), place->beating ? beating_ : quiet_, place);
  }

  void stop_waiting(Channel& channel) {
    if (channel.waits) waiting_.erase(*channel.waits);
    channel.waits.reset();
  }

  static EventParts on_channel(const Channel& channel, std::string_view id, std::string_view name,
                               std::string_view args) {
    return {.id = id,
            .response_to = {channel.encoded_id.data(), channel.encoded_id.size()},
            .name = name,
            .args = args};
  }
  EventParts on_channel(const Channel& channel, std::string_view name, std::string_view args) {
    return on_channel(channel, ids_.next(), name, args);
  }

  std::optional<EventParts> give(Channel& channel, std::uint32_t credit) {
    if (credit == 0) return std::nullopt;
    channel.credit += credit;
    credit_args_ = credit_args(credit);
    return on_channel(channel, event_name::more, credit_args_);
  }

  // ---- answers ----

  void read_answer(Place place, ChannelNews<Owner>& news) {
    using Kind = typename ChannelNews<Owner>::Kind;
    auto& channel = *place;
    stop_waiting(channel);
    news.channel = channel.id;
    news.owner = &channel.owner;
    if (channel.credit == 0) return break_off(place, news, "more than there was credit for");
    --channel.credit;
    const auto name = news.event.name;
    if (name == event_name::stream) {
      channel.streams = true;
      news.content = news.event.args;
      news.kind = Kind::item;
    } else if (name == event_name::stream_done) {
      news.kind = Kind::end;
      end(place);
    } else if (name == event_name::error) {
      news.error = remote_error(news.event.args);
      news.remote = news.error.has_value();
      if (!news.remote) return break_off(place, news, "an error that cannot be read");
      news.kind = Kind::failure;
      end(place);
    } else if (name != event_name::ok || channel.streams) {
      break_off(place, news, "the event \"" + std::string(name.substr(0, 64)) + "\", which cannot follow");
    } else if (const auto result = only_element(news.event.args)) {
      news.content = *result;
      news.kind = Kind::result;
      end(place);
    } else {
      break_off(place, news, "OK with something else than a list of one");
    }
  }

  void break_off(Place place, ChannelNews<Owner>& news, const std::string& what) {
    news.kind = ChannelNews<Owner>::Kind::failure;
    news.error = Error("ProtocolError", "the server's answer to \"" + place->method + "\" contains " + what);
    end(place);
  }

  // ---- time ----

  Due failed(Place place, Error error) {
    Due due;
    due.failure.kind = ChannelNews<Owner>::Kind::failure;
    due.failure.channel = place->id;
    due.failure.owner = &place->owner;
    due.failure.error = std::move(error);
    end(place);
    return due;
  }

  Due expire(Place place) {
    return failed(place, {"TimeoutExpired", "timeout after " + detail::seconds_text(place->timeout) +
                                                "s, when calling remote method " + place->method});
  }

  void start_beating(Place place, std::int64_t now) {
    place->beating = true;
    place->next_beat = now + settings_.heartbeat;
    beating_.splice(beating_.end(), quiet_, place);
  }

  // The rule of the real programs: whoever was silent until the first heartbeat is due begins to count there,
  // and is lost at the first one that is later than two periods: the third, also of a clock without
  // fractions.
  Due beat(Place place, std::int64_t now, bool all_received) {
    if (place->last_heard == never) place->last_heard = now - 1;
    if (all_received && now - place->last_heard > lost_after())
      return failed(
          place, {"LostRemote", "Lost remote after " + detail::seconds_text(lost_after()) + "s heartbeat"});
    place->next_beat = now + settings_.heartbeat;
    beating_.splice(beating_.end(), beating_, place);
    return {.heartbeat = on_channel(*place, event_name::heartbeat, encoded::heartbeat_args)};
  }

  ChannelSettings settings_;
  EventIds ids_;
  std::list<Channel> beating_;  // by the time of their next heartbeat: all have the same period
  std::list<Channel> quiet_;    // that send none, or none yet
  std::list<Channel> ended_;    // until the next call
  Waiting waiting_;             // for their first event, by the end of their patience
  ById by_id_;
  std::string credit_args_;
  std::uint64_t dropped_ = 0;
};

}  // namespace backplane::rpc
