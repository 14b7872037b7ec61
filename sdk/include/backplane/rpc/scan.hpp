// Walks over msgpack without decoding it: where a value ends, and whether a peer may be given it. Nothing is
// copied and nothing recurses, so what a peer sends costs time in proportion to its length, and no memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace backplane::rpc {

// Lists and maps within each other that are accepted; Python's own packer stops at 511.
inline constexpr std::size_t deepest = 512;
// ... in a value that is sent: an answer puts up to three lists and maps around it, which its reader counts.
inline constexpr std::size_t deepest_sent = deepest - 3;

// What a value's first byte and length say.
struct Token {
  enum class Kind : std::uint8_t { nil, truth, whole, real, text, bytes, list, map, extension };
  Kind kind = Kind::nil;
  bool positive = false;          // of a whole number: it is not below 0
  std::uint64_t number = 0;       // whole numbers, as their 64 bits; list, map: items, pairs
  std::string_view content = {};  // text, bytes; of an extension without its type
};

namespace detail {

// The number of bytes at the front of `bytes` that are 7-bit.
inline std::size_t ascii_prefix(std::string_view bytes) {
  std::size_t at = 0;
  for (std::uint64_t eight = 0; at + 8 <= bytes.size(); at += 8) {
    std::memcpy(&eight, bytes.data() + at, 8);
    if ((eight & 0x8080808080808080U) != 0) break;
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
  return at;
}

// The length of the UTF-8 sequence at the front of `bytes`, or 0: there is none. Overlong forms, surrogates
// and what lies beyond U+10FFFF are none (RFC 3629).
inline std::size_t utf8_sequence(std::string_view bytes) {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
  const auto follows = [&](std::size_t index, unsigned from = 0x80, unsigned to = 0xbf) {
    return index < bytes.size() && at(index) >= from && at(index) <= to;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned from = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned to = first == 0xed ? 0x9f : 0xbf;
    return follows(1, from, to) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned from = first == 0xf0 ? 0x90 : 0x80;
    const unsigned to = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, from, to) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace detail

inline bool is_utf8(std::string_view bytes) {
  while (true) {
    bytes.remove_prefix(detail::ascii_prefix(bytes));
    if (bytes.empty()) return true;
    const auto length = detail::utf8_sequence(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
}

// Reads value after value from the front of some bytes, which it only refers to.
class Scanner {
 public:
  // With `for_peer`, keys of maps must be text or bytes: Python's reader throws away a message with others.
  explicit Scanner(std::string_view bytes, std::size_t depth = deepest, bool for_peer = false)
      : at_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        depth_(depth < deepest ? depth : deepest),
        for_peer_(for_peer) {}

  const char* position() const { return at_; }
  bool at_end() const { return at_ == end_; }
  // Why the last read failed; valid for ever.
  const char* reason() const { return reason_; }

  // Reads one value; of a list or map only its beginning. False: see reason().
  bool next(Token& token) {
    if (at_ == end_) return refuse("cut short");
    const auto first = static_cast<unsigned char>(*at_++);
    if (first < 0x80) return whole(token, first, true);
    if (first < 0x90) return container(token, Token::Kind::map, first & 0x0fU);
    if (first < 0xa0) return container(token, Token::Kind::list, first & 0x0fU);
    if (first < 0xc0) return content(token, Token::Kind::text, first & 0x1fU);
    if (first >= 0xe0)
      return whole(token, static_cast<std::uint64_t>(static_cast<std::int8_t>(first)), false);
    return next_long(token, first);
  }

  // Reads over one value with all that is in it. False: see reason().
  bool skip() {
    Token first;
    return skip(first);
  }
  // The same; `first` is the value's beginning, as next() reads it.
  bool skip(Token& first) {
    if (!next(first)) return false;
    return !is_container(first) || skip_items(first);
  }

 private:
  static bool is_container(const Token& token) {
    return token.kind == Token::Kind::list || token.kind == Token::Kind::map;
  }
  // Reads over what is in a list or map that has begun.
  bool skip_items(const Token& begun) {
    struct Level {
      std::uint64_t left;
      bool map;
    };
    std::array<Level, deepest> open;
    std::size_t height = 0;
    Token token = begun;
    while (true) {
      if (is_container(token) && height == depth_) return refuse("nested too deeply");
      if (is_container(token) && token.number > 0) {
        const bool map = token.kind == Token::Kind::map;
        open[height++] = {map ? token.number * 2 : token.number, map};
      } else {
        while (height > 0 && --open[height - 1].left == 0) --height;
      }
      if (height == 0) return true;
      if (!next(token)) return false;
      const bool key = open[height - 1].map && open[height - 1].left % 2 == 0;
      if (key && for_peer_ && token.kind != Token::Kind::text && token.kind != Token::Kind::bytes)
        return refuse("a key of a map is neither text nor bytes");
    }
  }

  bool refuse(const char* reason) {
    reason_ = reason;
    return false;
  }
  std::uint64_t left() const { return static_cast<std::uint64_t>(end_ - at_); }

  bool number(std::size_t size, std::uint64_t& value) {
    if (left() < size) return refuse("cut short");
    value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(at_[i]);
    at_ += size;
    return true;
  }
  static bool whole(Token& token, std::uint64_t value, bool positive) {
    token = {Token::Kind::whole, positive, value, {}};
    return true;
  }
  // Every item takes at least a byte, so an honest count never exceeds the bytes there are.
  bool container(Token& token, Token::Kind kind, std::uint64_t count) {
    if (count > left() / (kind == Token::Kind::map ? 2 : 1))
      return refuse("a list or map is longer than the bytes that are there");
    token = {kind, false, count, {}};
    return true;
  }
  bool content(Token& token, Token::Kind kind, std::uint64_t size) {
    if (size > left()) return refuse("a text or binary is longer than the bytes that are there");
    token = {kind, false, 0, {at_, static_cast<std::size_t>(size)}};
    at_ += size;
    if (kind == Token::Kind::text && !is_utf8(token.content)) return refuse("text that is not UTF-8");
    return true;
  }
  bool extension(Token& token, std::uint64_t size) {
    if (left() < 1) return refuse("cut short");
    ++at_;  // its type
    return content(token, Token::Kind::extension, size);
  }
  bool next_long(Token& token, unsigned first) {
    using Kind = Token::Kind;
    std::uint64_t value = 0;
    switch (first) {
      case 0xc0:
        token = {};
        return true;
      case 0xc2:
      case 0xc3:
        token = {Kind::truth, false, first & 1U, {}};
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return number(std::size_t{1} << (first - 0xc4), value) && content(token, Kind::bytes, value);
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return number(std::size_t{1} << (first - 0xc7), value) && extension(token, value);
      case 0xca:
      case 0xcb:
        token = {Kind::real, false, 0, {}};
        return number(first == 0xca ? 4 : 8, token.number);
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return number(std::size_t{1} << (first - 0xcc), value) && whole(token, value, true);
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return signed_number(token, std::size_t{1} << (first - 0xd0));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return extension(token, std::uint64_t{1} << (first - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return number(std::size_t{1} << (first - 0xd9), value) && content(token, Kind::text, value);
      case 0xdc:
      case 0xdd:
        return number(first == 0xdc ? 2 : 4, value) && container(token, Kind::list, value);
      case 0xde:
      case 0xdf:
        return number(first == 0xde ? 2 : 4, value) && container(token, Kind::map, value);
      default:
        return refuse("a byte that msgpack does not use");
    }
  }
  bool signed_number(Token& token, std::size_t size) {
    std::uint64_t value = 0;
    if (!number(size, value)) return false;
    const auto unused = 64 - 8 * static_cast<unsigned>(size);
    const auto extended = static_cast<std::int64_t>(value << unused) >> unused;
    return whole(token, static_cast<std::uint64_t>(extended), extended >= 0);
  }

  const char* at_;
  const char* end_;
  std::size_t depth_;
  bool for_peer_;
  const char* reason_ = "";
};

// nullptr: `bytes` begin with one msgpack value that every peer can read; else why not. Bytes behind the
// value are not looked at.
inline const char* why_unreadable(std::string_view bytes, std::size_t depth = deepest_sent) {
  Scanner scanner(bytes, depth, true);
  return scanner.skip() ? nullptr : scanner.reason();
}

}  // namespace backplane::rpc
