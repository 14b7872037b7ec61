#include "channels.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace backplane::zerorpc {

namespace {

// Pauses until a peer that does not read is tried again: the longer, the longer no such peer reads.
constexpr std::chrono::milliseconds shortest_pause{5};
constexpr std::chrono::milliseconds longest_pause{100};
// A channel without heartbeats is given up when its client gave no credit or did not read, and sent nothing,
// for so long: beyond what somebody takes to read on, and before clients that went without a word hold all
// places for calls.
constexpr auto patience = std::chrono::minutes(10);
constexpr auto patience_look = std::chrono::minutes(1);
// What a text may keep of memory when its channel was closed.
constexpr std::size_t most_kept = 4096;

void forget(std::string& text) {
  text.clear();
  if (text.capacity() > most_kept) std::string().swap(text);
}

}  // namespace

// ---- heartbeats in order of time ----------------------------------------------------------------------

void Heartbeats::append(std::uint64_t number, std::int64_t next_beat) {
  auto& channel = *slots_.find(number);
  channel.next_beat = next_beat;
  channel.before = last_;
  channel.behind = 0;
  (last_ != 0 ? slots_.find(last_)->behind : first_) = number;
  last_ = number;
}

void Heartbeats::remove(std::uint64_t number) {
  const auto& channel = *slots_.find(number);
  (channel.before != 0 ? slots_.find(channel.before)->behind : first_) = channel.behind;
  (channel.behind != 0 ? slots_.find(channel.behind)->before : last_) = channel.before;
}

// ---- channels -----------------------------------------------------------------------------------------

Channels::Channels(Host host, Settings settings, Callbacks callbacks)
    : host_(host), settings_(settings), callbacks_(std::move(callbacks)), retry_pause_(shortest_pause) {}

void Channels::start() {
  open_gauge_ = host_.gauge("channels", "conversations that are open");
  lost_ = host_.counter("clients_lost", "conversations whose client went away");
  beats_sent_ = host_.counter("heartbeats", "heartbeats that were sent");
}

void Channels::stop() {
  beat_timer_.end();
  retry_timer_.end();
  patience_timer_.end();
  for (const auto number : numbers()) close(number);
}

void Channels::make_key(std::string& key, std::span<const zmq_msg_t> way, std::string_view id) {
  key.clear();
  for (const auto& frame : way) {
    const auto bytes = frame_view(frame);
    key +=
        static_cast<char>(bytes.size());  // of a routing id, 255 at most; longer ones are told apart as well
    key += static_cast<char>(bytes.size() >> 8);
    key += bytes;
  }
  key += id;
}

std::uint64_t Channels::open(std::string_view key, std::size_t id_size, const rpc::Event& request,
                             bool passive) {
  const auto number = slots_.take();
  auto& channel = *slots_.find(number);
  channel.key.assign(key);
  if (!enter(number, channel)) {
    slots_.release(number);
    return 0;
  }
  channel.id_size = id_size;
  channel.version = request.version;
  channel.context_pairs = 0;
  channel.correlation = 0;
  channel.detached = false;
  channel.running = false;
  channel.credit = 1;
  channel.ahead = 1;
  channel.retrying = false;
  channel.streaming = false;
  channel.item_size = 0;
  channel.waits_since = 0;
  channel.last_heard = 0;
  channel.beats = Channel::Beats::none;
  open_gauge_.set(static_cast<std::int64_t>(slots_.size()));
  if (settings_.heartbeat == 0) return number;
  // Version 1 has passive servers.
  channel.beats = passive || request.version < 2 ? Channel::Beats::listening : Channel::Beats::active;
  if (channel.beats == Channel::Beats::active) {
    beats_.append(number, host_.now() + settings_.heartbeat);
    arm();
  }
  return number;
}

// False: there is one of this key.
bool Channels::enter(std::uint64_t number, Channel& channel) {
  if (channel.entry.empty()) return by_key_.emplace(channel.key, number).second;
  channel.entry.key() = channel.key;
  channel.entry.mapped() = number;
  auto entered = by_key_.insert(std::move(channel.entry));
  channel.entry = std::move(entered.node);
  return entered.inserted;
}

void Channels::close(std::uint64_t number) {
  auto& channel = *slots_.find(number);
  if (channel.beats == Channel::Beats::active) beats_.remove(number);
  channel.beats = Channel::Beats::none;
  if (channel.retrying) retry_no_more(number, channel);
  channel.entry = by_key_.extract(channel.key);
  channel.outbox.clear();
  channel.outbox_bytes = 0;
  channel.way.clear();
  for (auto* text : {&channel.key, &channel.context, &channel.method}) forget(*text);
  slots_.release(number);
  open_gauge_.set(static_cast<std::int64_t>(slots_.size()));
  callbacks_.on_closed();
}

bool Channels::receive(std::string_view key, const rpc::Event& event) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  const auto number = found->second;
  auto& channel = *slots_.find(number);
  if (channel.waits_since != 0) channel.waits_since = host_.now();
  if (event.name == rpc::event_name::heartbeat) {
    note_heartbeat(number, channel);
    // In version 2 credit comes with the heartbeats.
    if (channel.version == 2) add_credit(number, channel, rpc::credit_of(event.args));
  } else if (event.name == rpc::event_name::more) {
    if (channel.last_heard != 0) channel.last_heard = host_.now();
    add_credit(number, channel, rpc::credit_of(event.args));
  }
  return true;
}

void Channels::note_heartbeat(std::uint64_t number, Channel& channel) {
  channel.last_heard = host_.now();
  if (channel.beats != Channel::Beats::listening) return;
  channel.beats = Channel::Beats::active;
  beats_.append(number, channel.last_heard + settings_.heartbeat);
  arm();
}

void Channels::add_credit(std::uint64_t number, Channel& channel, std::uint64_t credit) {
  if (credit == 0) return;
  const auto room = settings_.most_credit - channel.credit;
  channel.credit += static_cast<std::uint32_t>(std::min<std::uint64_t>(credit, room));
  channel.waits_since = 0;
  flush(number);
}

// An item was sent.
void Channels::spend(Channel& channel) {
  channel.waits_since = 0;
  if (--channel.credit == 0) note_waiting(channel);
}

// Nothing can be sent until the client does something.
void Channels::note_waiting(Channel& channel) {
  if (channel.beats == Channel::Beats::active || channel.waits_since != 0) return;
  channel.waits_since = host_.now();
  arm_patience();
}

// Lets items be made, as many as the client takes, but no more than a window before they are sent: a client
// that gives credit and does not read fills no memory. Of large items no more than may wait. Begins with the
// first item: until then the function may not have been called, and what it is let do could overtake the call
// and be lost.
void Channels::pace(Channel& channel) {
  if (!channel.streaming || channel.correlation == 0) return;
  const auto fitting = settings_.most_bytes / std::max<std::size_t>(channel.item_size, 1);
  const auto window = std::clamp<std::size_t>(fitting, 1, settings_.window);
  const auto wanted = std::min<std::size_t>(channel.credit, window);
  const auto made = channel.ahead + channel.outbox.size();
  if (wanted <= made) return;
  const auto more = static_cast<std::uint32_t>(wanted - made);
  if (wanted == window && made > 0 && more < window / 2) return;  // not one by one
  channel.ahead += more;
  callbacks_.on_credit(channel, more);
}

bool Channels::item(std::uint64_t number, std::string_view encoded) {
  auto& channel = *slots_.find(number);
  channel.streaming = true;
  channel.item_size = encoded.size();
  if (channel.ahead > 0) --channel.ahead;
  const Answer answer{rpc::event_name::stream, {}, encoded};
  if (channel.outbox.empty() && channel.credit > 0) {
    switch (send(channel, answer, true)) {
      case Delivered::yes:
        spend(channel);
        pace(channel);
        return true;
      case Delivered::gone:
        lose(number);
        return true;
      case Delivered::full:
        retry_later(number);
        break;
    }
  }
  if (!has_room(channel, encoded.size())) return false;
  keep(channel, answer, false);
  return true;
}

bool Channels::end(std::uint64_t number, const Answer& answer) {
  auto& channel = *slots_.find(number);
  if (channel.outbox.empty() && channel.credit > 0) {
    const auto delivered = send(channel, answer, true);
    if (delivered != Delivered::full) {
      if (delivered == Delivered::gone) lost_.add();
      close(number);
      return delivered == Delivered::yes;
    }
    retry_later(number);
  }
  keep(channel, answer, true);
  return true;
}

// One item may be kept however long it is.
bool Channels::has_room(const Channel& channel, std::size_t bytes) const {
  if (channel.outbox.empty()) return true;
  return channel.outbox.size() < settings_.most_waiting &&
         channel.outbox_bytes + bytes <= settings_.most_bytes;
}

void Channels::keep(Channel& channel, const Answer& answer, bool ends) {
  std::string args(answer.args_front);
  args += answer.args;
  channel.outbox_bytes += args.size();
  channel.outbox.push_back({std::string(answer.name), std::move(args), ends});
}

// Sends what waits, as far as there is credit and the peer reads. The channel may be closed afterwards.
void Channels::flush(std::uint64_t number) {
  auto& channel = *slots_.find(number);
  while (!channel.outbox.empty() && channel.credit > 0) {
    const auto& first = channel.outbox.front();
    const auto delivered = send(channel, {first.name, {}, first.args}, true);
    if (delivered == Delivered::gone) return lose(number);
    if (delivered == Delivered::full) {
      retry_later(number);
      break;
    }
    const bool ends = first.ends;
    channel.outbox_bytes -= first.args.size();
    channel.outbox.pop_front();
    if (ends) return close(number);
    spend(channel);
  }
  pace(channel);
}

// A peer that does not read now: libzmq does not say when it does.
void Channels::retry_later(std::uint64_t number) {
  auto& channel = *slots_.find(number);
  if (channel.retrying) return;
  const auto [waiting, first] =
      full_.try_emplace(std::string(channel.way_key()), std::initializer_list<std::uint64_t>{number});
  if (!first) waiting->second.insert(number);
  channel.retrying = true;
  note_waiting(channel);
  arm_retry();
}

void Channels::retry_no_more(std::uint64_t number, Channel& channel) {
  channel.retrying = false;
  const auto found = full_.find(channel.way_key());
  found->second.erase(number);
  if (found->second.empty()) full_.erase(found);
}

void Channels::arm_retry() {
  if (retry_timer_.active() || full_.empty()) return;
  retry_timer_ = host_.after(retry_pause_, [this] {
    retry_timer_.end();
    retry();
  });
}

void Channels::retry() {
  std::vector<std::string> ways;
  for (const auto& [way, waiting] : full_) ways.push_back(way);
  bool some_read = false;
  for (const auto& way : ways)
    if (retry(way)) some_read = true;
  retry_pause_ = some_read || full_.empty() ? shortest_pause : std::min(2 * retry_pause_, longest_pause);
  retry_timer_.end();
  arm_retry();
}

// Sends what waits for one peer, channel by channel, until it reads no more. False: it does not read at all.
bool Channels::retry(const std::string& way) {
  bool read = false;
  for (auto found = full_.find(way); found != full_.end(); found = full_.find(way)) {
    const auto number = *found->second.begin();
    auto& channel = *slots_.find(number);
    const auto waited = channel.outbox.size();
    retry_no_more(number, channel);
    flush(number);
    const auto* still = slots_.find(number);
    if (still == nullptr || still->outbox.size() < waited) read = true;
    if (still != nullptr && still->retrying) break;
  }
  return read;
}

void Channels::arm_patience() {
  if (patience_timer_.active()) return;
  patience_timer_ = host_.after(patience_look, [this] {
    patience_timer_.end();
    give_up_silent();
  });
}

void Channels::give_up_silent() {
  const auto silent_since = host_.now() - std::chrono::nanoseconds(patience).count();
  const auto waiting = slots_.numbers([](const Channel& channel) {
    return channel.waits_since != 0 && channel.beats != Channel::Beats::active;
  });
  for (const auto number : waiting) {
    const auto* channel = slots_.find(number);
    if (channel == nullptr) continue;
    if (channel->waits_since <= silent_since) {
      lose(number);
    } else {
      arm_patience();
    }
  }
}

Delivered Channels::send(Channel& channel, const Answer& answer, bool with_context) {
  rpc::EventParts parts;
  parts.id = ids_.next();
  if (with_context) {
    parts.context = channel.context;
    parts.context_pairs = channel.context_pairs;
  }
  parts.response_to = channel.id();
  parts.name = answer.name;
  parts.args_front = answer.args_front;
  parts.args = answer.args;
  return callbacks_.send(channel.way, parts);
}

void Channels::lose(std::uint64_t number) {
  auto& channel = *slots_.find(number);
  lost_.add();
  callbacks_.on_lost(number, channel);
  close(number);
}

// ---- the beat -----------------------------------------------------------------------------------------

// Set to the first of all; when that one has ended by then, the timer finds the next.
void Channels::arm() {
  if (beat_timer_.active() || beats_.first() == 0) return;
  const auto left = slots_.find(beats_.first())->next_beat - host_.now();
  beat_timer_ = host_.after(std::chrono::nanoseconds(std::max<std::int64_t>(left, 0)), [this] {
    beat_timer_.end();
    tick();
  });
}

// Whose own heartbeat may still wait in the socket is not lost: that is seen at the next one.
void Channels::tick() {
  const auto now = host_.now();
  bool all_read = callbacks_.receive();  // what came while this loop was busy tells who is alive
  int reads = 1;
  while (const auto number = beats_.first()) {
    const auto& channel = *slots_.find(number);
    if (channel.next_beat > now) break;
    if (!all_read && reads < most_reads && is_overdue(channel, now)) {
      ++reads;
      all_read = callbacks_.receive();
    } else if ((all_read && is_overdue(channel, now)) || !beat(number, now)) {
      lose(number);
    }
  }
  arm();
}

// One that never sent any is given its first two periods from its first beat.
bool Channels::is_overdue(const Channel& channel, std::int64_t now) const {
  return channel.last_heard != 0 && now - channel.last_heard >= 2 * settings_.heartbeat;
}

// False: the client has gone.
bool Channels::beat(std::uint64_t number, std::int64_t now) {
  auto& channel = *slots_.find(number);
  if (channel.last_heard == 0) channel.last_heard = now;
  beats_sent_.add();
  if (send(channel, {rpc::event_name::heartbeat, {}, rpc::encoded::heartbeat_args}, false) == Delivered::gone)
    return false;
  beats_.remove(number);
  beats_.append(number, now + settings_.heartbeat);
  return true;
}

void Channels::end_reach() {
  for (const auto number : numbers()) {
    auto& channel = *slots_.find(number);
    if (channel.streaming || !channel.outbox.empty()) {
      lose(number);
    } else if (std::exchange(channel.beats, Channel::Beats::none) == Channel::Beats::active) {
      beats_.remove(number);
    }
  }
}

}  // namespace backplane::zerorpc
