// Events of ZeroRPC, protocol version 3: one msgpack list [header, name, args] in one frame.
//
//   header   map: message_id (opaque, made anew for each event), v (version of the sender), response_to (the
//            message_id of the event that opened the channel; absent in that one), and whatever else travels
//            along, such as trace_id
//   name     the method, or OK, ERR, STREAM, STREAM_DONE, _zpc_hb, _zpc_more
//   args     of a request the list of arguments; of OK a list of one; of ERR [name, message, traceback]; of
//            STREAM the item itself; of STREAM_DONE nil; of _zpc_hb [0]; of _zpc_more [credit]
//
// Ids are compared and given back as the encoded bytes in which they came: text stays text, binary binary.
#pragma once

#include <backplane/rpc/scan.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::rpc {

inline constexpr std::int64_t protocol_version = 3;

namespace event_name {
inline constexpr std::string_view ok = "OK";
inline constexpr std::string_view error = "ERR";
inline constexpr std::string_view stream = "STREAM";
inline constexpr std::string_view stream_done = "STREAM_DONE";
inline constexpr std::string_view heartbeat = "_zpc_hb";
inline constexpr std::string_view more = "_zpc_more";
}  // namespace event_name

// A key of a request's header by which hosts tell each other how long its asker still waits, in milliseconds.
inline constexpr std::string_view time_left_key = "timeout_ms";

// msgpack that many events have as their args.
namespace encoded {
inline constexpr std::string_view nil = "\xc0";
inline constexpr std::string_view heartbeat_args{"\x91\x00", 2};
inline constexpr std::string_view list_of_one = "\x91";
}  // namespace encoded

// An event as it came; views of its bytes.
struct Event {
  std::string_view message_id;   // encoded
  std::string_view response_to;  // encoded; empty: it opens a channel
  std::uint64_t version = 1;
  bool named = false;        // the name is text or bytes
  std::string_view name;     // its content
  std::string_view args;     // encoded
  std::string_view context;  // the pairs of the header, encoded, the known ones among them
  std::uint64_t context_pairs = 0;

  bool opens_channel() const { return response_to.empty(); }
};

// The token of the value at the front of `bytes`, which was read over before: its type, and content or
// number.
inline Token token_of(std::string_view bytes) {
  Token token;
  Scanner(bytes).next(token);
  return token;
}

namespace detail {

inline std::string_view between(const char* from, const char* to) {
  return {from, static_cast<std::size_t>(to - from)};
}

// What can name a channel: anything but nil, a list or a map.
inline bool is_id(const Token& token) {
  return token.kind != Token::Kind::nil && token.kind != Token::Kind::list && token.kind != Token::Kind::map;
}

inline bool is_name(const Token& token) {
  return token.kind == Token::Kind::text || token.kind == Token::Kind::bytes;
}

// Calls `use(key, value)` for each pair of a header, the value encoded, until it returns false. A key that is
// neither text nor bytes is passed over. REQUIRES: the pairs were read over before.
template <typename Use>
void for_each_pair(std::string_view pairs, std::uint64_t count, Use&& use) {
  Scanner scanner(pairs);
  for (; count > 0; --count) {
    Token key;
    scanner.skip(key);
    const auto* const value = scanner.position();
    scanner.skip();
    if (is_name(key) && !use(key.content, between(value, scanner.position()))) return;
  }
}

// The value of a header's key, encoded, and its beginning; empty when the header has no such key.
struct HeaderValue {
  std::string_view encoded;
  Token token;
};

// What the protocol itself says in a header. Of equal keys the last counts.
struct KnownKeys {
  HeaderValue message_id;
  HeaderValue response_to;
  HeaderValue version;

  // nullptr: it is none of them.
  HeaderValue* find(std::string_view key) {
    if (key == "message_id") return &message_id;
    if (key == "response_to") return &response_to;
    return key == "v" ? &version : nullptr;
  }
};

inline bool read_pair(Scanner& scanner, KnownKeys& known) {
  Token key;
  if (!scanner.skip(key)) return false;
  HeaderValue unknown;
  auto* const place = is_name(key) ? known.find(key.content) : nullptr;
  auto& value = place != nullptr ? *place : unknown;
  const auto* const at = scanner.position();
  if (!scanner.skip(value.token)) return false;
  value.encoded = between(at, scanner.position());
  return true;
}

// nullptr, or what is wrong with the header.
inline const char* take_known_keys(Event& event, const KnownKeys& known) {
  if (known.message_id.encoded.empty()) return "there is no message_id";
  if (!is_id(known.message_id.token)) return "message_id is nil, a list or a map";
  event.message_id = known.message_id.encoded;
  if (!known.response_to.encoded.empty() && known.response_to.token.kind != Token::Kind::nil) {
    if (!is_id(known.response_to.token)) return "response_to is a list or a map";
    event.response_to = known.response_to.encoded;
  }
  if (!known.version.encoded.empty()) {
    const auto& version = known.version.token;
    if (version.kind != Token::Kind::whole) return "the version is no integer";
    event.version = version.positive ? version.number : 0;
  }
  return nullptr;
}

}  // namespace detail

// Reads an event from `payload`, to which it then refers. Returns nullptr, or why it is none: then nothing
// in `event` counts. `depth` is that of each part. Bytes behind the event are ignored.
inline const char* read_event(std::string_view payload, Event& event, std::size_t depth = deepest) {
  event = {};
  Scanner scanner(payload, depth);
  Token token;
  if (!scanner.next(token)) return scanner.reason();
  if (token.kind != Token::Kind::list || token.number != 3) return "not a list of three";
  if (!scanner.next(token)) return scanner.reason();
  if (token.kind != Token::Kind::map) return "the header is no map";
  event.context_pairs = token.number;
  detail::KnownKeys known;
  const auto* at = scanner.position();
  for (auto left = token.number; left > 0; --left)
    if (!detail::read_pair(scanner, known)) return scanner.reason();
  event.context = detail::between(at, scanner.position());
  if (!scanner.skip(token)) return scanner.reason();
  event.named = detail::is_name(token);
  if (event.named) event.name = token.content;
  at = scanner.position();
  if (!scanner.skip()) return scanner.reason();
  event.args = detail::between(at, scanner.position());
  return detail::take_known_keys(event, known);
}

// Calls `use(key, value)` for each pair of an encoded map, the value encoded, until it returns false. Of
// anything but a map there are none. REQUIRES: it was read over before.
template <typename Use>
void for_each_in_map(std::string_view map, Use&& use) {
  Scanner scanner(map);
  Token token;
  if (!scanner.next(token) || token.kind != Token::Kind::map) return;
  detail::for_each_pair(detail::between(scanner.position(), map.data() + map.size()), token.number,
                        std::forward<Use>(use));
}

// Calls `use(key, value)` for each pair of the header, the value encoded, until it returns false.
template <typename Use>
void for_each_header(const Event& event, Use&& use) {
  detail::for_each_pair(event.context, event.context_pairs, std::forward<Use>(use));
}

// The value of a key of the header, encoded, or empty.
inline std::string_view header_value(const Event& event, std::string_view wanted) {
  std::string_view found;
  for_each_header(event, [&](std::string_view key, std::string_view value) {
    if (key == wanted) found = value;
    return true;
  });
  return found;
}

// The content of an encoded text or binary; nothing when it is neither.
inline std::optional<std::string_view> text_of(std::string_view encoded) {
  if (encoded.empty()) return std::nullopt;
  const auto token = token_of(encoded);
  if (!detail::is_name(token)) return std::nullopt;
  return token.content;
}

// The number in the args of _zpc_more, and of _zpc_hb in version 2; 0 for anything but a list that begins
// with a positive integer.
inline std::uint64_t credit_of(std::string_view args) {
  Scanner scanner(args);
  Token token;
  if (!scanner.next(token) || token.kind != Token::Kind::list || token.number == 0) return 0;
  if (!scanner.next(token) || token.kind != Token::Kind::whole || !token.positive) return 0;
  return token.number;
}

// The only element of a list, encoded; nothing when `args` is no list of one. REQUIRES: read over before.
inline std::optional<std::string_view> only_element(std::string_view args) {
  Scanner scanner(args);
  Token token;
  if (!scanner.next(token) || token.kind != Token::Kind::list || token.number != 1) return std::nullopt;
  const auto* const at = scanner.position();
  if (!scanner.skip()) return std::nullopt;
  return detail::between(at, scanner.position());
}

// ---- writing ------------------------------------------------------------------------------------------

// Appends a text or binary of less than 4 GiB with its length in front, in the shortest form.
inline void append_content(std::string& out, std::string_view content, bool text) {
  const auto size = static_cast<std::uint32_t>(content.size());
  const auto big_endian = [&](int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xffU);
  };
  if (text && size < 32) {
    out += static_cast<char>(0xa0U | size);
  } else if (size <= 0xff) {
    out += text ? '\xd9' : '\xc4';
    big_endian(1);
  } else if (size <= 0xffff) {
    out += text ? '\xda' : '\xc5';
    big_endian(2);
  } else {
    out += text ? '\xdb' : '\xc6';
    big_endian(4);
  }
  out += content;
}

// Appends a text. What is not UTF-8 in it becomes U+FFFD: peers throw away an event with such a text.
inline void append_text(std::string& out, std::string_view content) {
  if (is_utf8(content)) return append_content(out, content, true);
  std::string mended;
  while (!content.empty()) {
    const auto length = detail::utf8_sequence(content);
    mended += length == 0 ? std::string_view("\xef\xbf\xbd") : content.substr(0, length);
    content.remove_prefix(std::max<std::size_t>(length, 1));
  }
  append_content(out, mended, true);
}

// The args of _zpc_more.
inline std::string credit_args(std::uint32_t credit) {
  std::string out(encoded::list_of_one);
  if (credit < 0x80) {
    out += static_cast<char>(credit);
    return out;
  }
  const int bytes = credit <= 0xff ? 1 : credit <= 0xffff ? 2 : 4;
  out += bytes == 1 ? '\xcc' : bytes == 2 ? '\xcd' : '\xce';
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(credit >> shift & 0xffU);
  return out;
}

// The args of ERR. Version 1 knows one text only, which Python writes like a call of the error's class.
inline std::string error_args(std::string_view name, std::string_view message, std::uint64_t version) {
  std::string out;
  if (version < 2) {
    out = encoded::list_of_one;
    append_text(out, std::string(name) + "('" + std::string(message) + "')");
    return out;
  }
  out = '\x93';
  append_text(out, name);
  append_text(out, message);
  out += encoded::nil;
  return out;
}

// Makes ids as Python's peers do: 32 hex digits, 8 of a counter and 24 that stay the same for a while. One
// thread at a time.
class EventIds {
 public:
  static constexpr std::size_t size = 32;

  EventIds() { draw(); }
  // Counts on from `counter`.
  explicit EventIds(std::uint32_t counter) : EventIds() { counter_ = counter; }
  // Valid until the next call.
  std::string_view next() {
    if (++counter_ == 0) draw();
    write_hex(counter_, 0);
    return {digits_.data(), digits_.size()};
  }

 private:
  void draw() {
    std::random_device random;
    counter_ = random();
    for (std::size_t part = 1; part < 4; ++part) write_hex(random(), part);
  }
  void write_hex(std::uint32_t bits, std::size_t part) {
    for (std::size_t i = 0; i < 8; ++i)
      digits_[part * 8 + i] = "0123456789abcdef"[bits >> (28 - 4 * i) & 15U];
  }

  std::uint32_t counter_ = 0;
  std::array<char, size> digits_{};
};

// An event to be written; views.
struct EventParts {
  std::string_view id;                // content of the message_id, sent as binary; EventIds::size bytes
  std::string_view context = {};      // further pairs of the header, encoded
  std::uint32_t context_pairs = 0;    // some 65,000 at most
  std::string_view response_to = {};  // encoded; empty: opens a channel
  std::string_view name = {};         // UTF-8
  std::string_view args_front = {};   // encoded; the args are this and then
  std::string_view args = {};         // that
};

// Appends the event to anything with append(const char*, std::size_t).
template <typename Out>
void write_event(Out& out, const EventParts& parts) {
  using namespace std::string_view_literals;
  const auto put = [&](std::string_view bytes) { out.append(bytes.data(), bytes.size()); };
  const std::uint32_t pairs = 2 + parts.context_pairs + (parts.response_to.empty() ? 0U : 1U);
  if (pairs < 16) {
    const std::array<char, 2> front = {'\x93', static_cast<char>(0x80U | pairs)};
    put({front.data(), front.size()});
  } else {
    const std::array<char, 4> front = {'\x93', '\xde', static_cast<char>(pairs >> 8 & 0xffU),
                                       static_cast<char>(pairs & 0xffU)};
    put({front.data(), front.size()});
  }
  put("\xaamessage_id\xc4\x20"sv);
  put(parts.id);
  put("\xa1v\x03"sv);
  put(parts.context);
  if (!parts.response_to.empty()) {
    put("\xabresponse_to"sv);
    put(parts.response_to);
  }
  if (parts.name.size() < 32) {
    const auto front = static_cast<char>(0xa0U | parts.name.size());
    put({&front, 1});
    put(parts.name);
  } else {
    std::string name;
    append_content(name, parts.name, true);
    put(name);
  }
  put(parts.args_front);
  put(parts.args);
}

// How many bytes write_event appends.
inline std::size_t size_of(const EventParts& parts) {
  struct Counter {
    std::size_t bytes = 0;
    void append(const char*, std::size_t count) { bytes += count; }
  };
  Counter counter;
  write_event(counter, parts);
  return counter.bytes;
}

// For write_event: memory with room for the event, e.g. that of a frame.
struct Memory {
  char* at;
  void append(const char* bytes, std::size_t count) { at = std::copy_n(bytes, count, at); }
};

inline std::string event(const EventParts& parts) {
  std::string out;
  out.reserve(size_of(parts));
  write_event(out, parts);
  return out;
}

}  // namespace backplane::rpc
