// The server's side of ZeroRPC's channels: which are open, their heartbeats, their credit, and what goes back
// on them. Knows neither functions nor sockets: what it sends goes through a callback, what it has to tell
// through others. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "zmq/slots.hpp"
#include "zmq/wire.hpp"

namespace backplane::zerorpc {

// The frames that lead back to a peer.
using Way = std::vector<zmq::Frame>;

// Whether a peer took what was sent to it.
enum class Delivered { yes, gone, full };

// What is sent on a channel: the name of an event and its args, in two pieces that are views.
struct Answer {
  std::string_view name;
  std::string_view args_front = {};
  std::string_view args = {};
};

// Numbers of channels; views of the channels' own keys.
using ChannelsByKey = std::unordered_map<std::string_view, std::uint64_t>;

// One conversation with a client. What a channel is for, its layer notes in it.
struct Channel {
  Way way;
  std::string key;      // its way and id, as a client's later events name it
  std::size_t id_size;  // of the key's end: the encoded message_id of the request
  std::uint64_t version = 0;
  std::string context;  // pairs of the header that go back with the answer, encoded
  std::uint32_t context_pairs = 0;

  // Of its layer.
  std::uint64_t correlation = 0;  // of the call under way
  bool detached = false;          // the call goes on when the client has gone
  bool running = false;           // its function was called and has not ended
  std::string method;             // for a middleware

  std::string_view id() const { return std::string_view(key).substr(key.size() - id_size); }
  // The way to its client, as the keys of all channels of that client have it.
  std::string_view way_key() const { return std::string_view(key).substr(0, key.size() - id_size); }

 private:
  friend class Channels;
  friend class Heartbeats;
  enum class Beats : std::uint8_t { none, listening, active };

  // Of the slot's last channel, to be used again; empty while this one is open.
  ChannelsByKey::node_type entry;
  std::uint32_t credit = 1;  // events that the client takes
  std::uint32_t ahead = 1;   // items that may be made and have not come; the first was asked for
  struct Outgoing {
    std::string name;
    std::string args;
    bool ends;
  };
  bool retrying = false;       // the peer did not read
  bool streaming = false;      // an item was sent
  std::list<Outgoing> outbox;  // in order, until there is credit and the peer reads
  std::size_t outbox_bytes = 0;
  std::size_t item_size = 0;     // of the last one
  std::int64_t waits_since = 0;  // for its client, having heard nothing; 0: it does not

  Beats beats = Beats::none;
  std::int64_t last_heard = 0;  // 0: never
  std::int64_t next_beat = 0;
  std::uint64_t before = 0;  // neighbours among those with heartbeats; 0: none
  std::uint64_t behind = 0;
};

using ChannelSlots = zmq::Slots<Channel>;

// The channels that send heartbeats, by the time of their next one: all have the same period, so whoever had
// his turn goes to the end.
class Heartbeats {
 public:
  explicit Heartbeats(ChannelSlots& slots) : slots_(slots) {}
  std::uint64_t first() const { return first_; }  // 0: none
  void append(std::uint64_t number, std::int64_t next_beat);
  void remove(std::uint64_t number);

 private:
  ChannelSlots& slots_;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
};

class Channels {
 public:
  struct Settings {
    std::int64_t heartbeat = 0;           // period in nanoseconds; 0: none are sent, nobody is lost
    std::uint32_t most_credit = 1000000;  // that one channel may gather
    std::uint32_t window = 256;           // items that are made before they can be sent, whatever the credit
    std::size_t most_waiting = 1000000;   // events that wait on one channel for credit or a peer that reads
    std::size_t most_bytes = 104857600;   // of them, when there are several
  };
  struct Callbacks {
    // Puts an event on the wire. The way is copied, not used up.
    std::function<Delivered(const Way& way, const rpc::EventParts& event)> send;
    // The client has gone, by its heartbeats or its connection; the channel is closed when this returns.
    std::function<void(std::uint64_t number, Channel& channel)> on_lost;
    // So many items more may be made for this channel, whose correlation is not 0.
    std::function<void(Channel& channel, std::uint32_t items)> on_credit;
    // A channel was closed.
    std::function<void()> on_closed;
    // Reads what waits in the socket: a heartbeat may be among it. False: there may be more.
    std::function<bool()> receive;
  };

  // Batches that are read from the socket at once, before other components have their turn.
  static constexpr int most_reads = 16;

  Channels(Host host, Settings settings, Callbacks callbacks);
  // Makes the metrics. In start().
  void start();
  void stop();

  // Where a client's later events look for the channel.
  static void make_key(std::string& key, std::span<const zmq_msg_t> way, std::string_view id);

  // Opens a channel, for a request that has just come. Heartbeats are active, as protocol version 2 and later
  // have it, or wait for the client's first one. Returns its number, or 0: the client has one of this id
  // open.
  std::uint64_t open(std::string_view key, std::size_t id_size, const rpc::Event& request, bool passive);
  // nullptr: it is closed.
  Channel* find(std::uint64_t number) { return slots_.find(number); }
  std::size_t size() const { return slots_.size(); }
  std::vector<std::uint64_t> numbers() const {
    return slots_.numbers([](const Channel&) { return true; });
  }

  // Takes an event of an open channel: a heartbeat, credit. False: no channel of this key is open.
  bool receive(std::string_view key, const rpc::Event& event);

  // Sends an item of a stream, or keeps it until there is credit. False: too many wait, or too many bytes;
  // the channel should end.
  bool item(std::uint64_t number, std::string_view encoded);
  // Sends the last event, as soon as there is credit, and closes the channel. Returns whether it is on its
  // way; false: the client has gone.
  bool end(std::uint64_t number, const Answer& answer);
  // Closes without a word.
  void close(std::uint64_t number);
  // The socket was closed. Who waits for credit is lost; the others have no heartbeats any more.
  void end_reach();

 private:
  bool enter(std::uint64_t number, Channel& channel);
  Delivered send(Channel& channel, const Answer& answer, bool with_context);
  void note_heartbeat(std::uint64_t number, Channel& channel);
  void add_credit(std::uint64_t number, Channel& channel, std::uint64_t credit);
  void spend(Channel& channel);
  void note_waiting(Channel& channel);
  void flush(std::uint64_t number);
  void pace(Channel& channel);
  bool has_room(const Channel& channel, std::size_t bytes) const;
  static void keep(Channel& channel, const Answer& answer, bool ends);
  void retry_later(std::uint64_t number);
  void retry_no_more(std::uint64_t number, Channel& channel);
  void arm_retry();
  void retry();
  bool retry(const std::string& way);
  void arm_patience();
  void give_up_silent();
  void lose(std::uint64_t number);
  void arm();
  void tick();
  bool is_overdue(const Channel& channel, std::int64_t now) const;
  bool beat(std::uint64_t number, std::int64_t now);

  Host host_;
  Settings settings_;
  Callbacks callbacks_;
  ChannelSlots slots_;
  ChannelsByKey by_key_;
  Heartbeats beats_{slots_};
  Timer beat_timer_;
  // Channels whose peers did not read, by the way to them.
  std::map<std::string, std::set<std::uint64_t>, std::less<>> full_;
  std::chrono::milliseconds retry_pause_;
  Timer retry_timer_;
  Timer patience_timer_;
  rpc::EventIds ids_;
  Gauge open_gauge_;
  Counter lost_;
  Counter beats_sent_;
};

}  // namespace backplane::zerorpc
