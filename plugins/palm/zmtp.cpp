#include "zmtp.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace backplane::palm {

namespace {

// The greeting: signature 10, version 2, mechanism 20, as-server 1, filler 31.
constexpr std::size_t greeting_size = 10 + 2 + 20 + 1 + 31;
constexpr std::size_t major_version_at = 10;
constexpr std::size_t mechanism_at = 12;
constexpr std::size_t mechanism_size = 20;
constexpr std::string_view null_mechanism = "NULL";

// Flags of a frame.
constexpr unsigned more_flag = 1;
constexpr unsigned long_flag = 2;
constexpr unsigned command_flag = 4;

constexpr std::size_t short_header = 1 + 1;
constexpr std::size_t long_header = 1 + 8;
constexpr std::size_t largest_short = 255;
constexpr std::size_t largest_command = 65536;  // ours: no command that a PULL peer sends comes near it

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

std::string command(std::string_view name, std::string_view data) {
  std::string body(1, static_cast<char>(name.size()));
  body.append(name).append(data);
  std::string frame;
  frame += static_cast<char>(command_flag);
  frame += static_cast<char>(body.size());
  return frame + body;
}

std::string ready_command() {
  constexpr std::string_view name = "Socket-Type";
  constexpr std::string_view value = "PUSH";
  std::string properties(1, static_cast<char>(name.size()));
  properties.append(name).append(3, '\0').append(1, static_cast<char>(value.size())).append(value);
  return command("READY", properties);
}

// Names of properties are compared without regard to case.
bool is_socket_type(std::string_view name) {
  constexpr std::string_view expected = "socket-type";
  const auto same = [](char one, char other) {
    return std::tolower(static_cast<unsigned char>(one)) == other;
  };
  return name.size() == expected.size() && std::equal(name.begin(), name.end(), expected.begin(), same);
}

}  // namespace

FrameHeader::FrameHeader(std::size_t size, bool more) {
  const unsigned flags = more ? more_flag : 0;
  if (size <= largest_short) {
    bytes_[0] = static_cast<char>(flags);
    bytes_[1] = static_cast<char>(size);
    length_ = short_header;
    return;
  }
  bytes_[0] = static_cast<char>(flags | long_flag);
  for (std::size_t i = 0; i < sizeof(std::uint64_t); ++i)
    bytes_[long_header - 1 - i] = static_cast<char>(std::uint64_t{size} >> (8 * i) & 0xFFU);
  length_ = long_header;
}

std::string PushPeer::greeting() {
  std::string bytes;
  bytes += '\xFF';
  bytes.append(7, '\0');
  bytes += '\x01';  // as libzmq has it: the length that a ZMTP 1 peer would read
  bytes += '\x7F';
  bytes += '\x03';
  bytes += '\x01';
  bytes.append(null_mechanism);
  bytes.resize(greeting_size, '\0');
  return bytes;
}

std::string PushPeer::ping() {
  constexpr std::string_view no_time_to_live("\0\0", 2);
  return command("PING", no_time_to_live);
}

std::string PushPeer::take(std::string_view bytes) {
  std::string answer;
  if (state_ == State::failed) return answer;
  unread_ += bytes;
  if (state_ == State::greeting) {
    if (!take_greeting()) return answer;
    answer += ready_command();
  }
  while (take_frame(answer)) {
  }
  return answer;
}

// True when it has come whole and suits us.
bool PushPeer::take_greeting() {
  if (!unread_.empty() && unread_[0] != '\xFF') return fail("it does not speak ZeroMQ 4");
  if (unread_.size() > 9 && (static_cast<unsigned char>(unread_[9]) & 1U) == 0)
    return fail("it does not speak ZeroMQ 4");
  if (unread_.size() > major_version_at) {
    const unsigned major = static_cast<unsigned char>(unread_[major_version_at]);
    if (major < 3) return fail("it speaks ZMTP " + std::to_string(major) + ", expected 3");
  }
  if (unread_.size() < greeting_size) return false;
  auto mechanism = std::string_view(unread_).substr(mechanism_at, mechanism_size);
  mechanism = mechanism.substr(0, mechanism.find('\0'));
  if (mechanism != null_mechanism) return fail("it wants a mechanism other than NULL");
  unread_.erase(0, greeting_size);
  state_ = State::ready_awaited;
  return true;
}

// True when there may be another one.
bool PushPeer::take_frame(std::string& answer) {
  if (state_ == State::failed || unread_.size() < short_header) return false;
  const auto flags = static_cast<unsigned char>(unread_[0]);
  const bool is_long = (flags & long_flag) != 0;
  const auto header = is_long ? long_header : short_header;
  if (unread_.size() < header) return false;
  const auto size = big_endian(std::string_view(unread_).substr(1, header - 1));
  if ((flags & command_flag) == 0) return fail("it sends messages, but we push and it pulls");
  if (size > largest_command) return fail("it sends a command that is too long");
  if (unread_.size() - header < size) return false;
  const std::string body = unread_.substr(header, static_cast<std::size_t>(size));
  unread_.erase(0, header + static_cast<std::size_t>(size));
  take_command(body, answer);
  return state_ != State::failed;
}

// A command: length of its name, name, data. Those that we do not know are for others.
void PushPeer::take_command(std::string_view body, std::string& answer) {
  const std::size_t length = body.empty() ? 0 : static_cast<unsigned char>(body[0]);
  if (length == 0 || body.size() < 1 + length) {
    fail("it sends a malformed command");
    return;
  }
  const auto name = body.substr(1, length);
  const auto data = body.substr(1 + length);
  if (name == "READY") {
    take_ready(data);
  } else if (name == "ERROR") {
    fail("it refuses us");
  } else if (name == "PING" && data.size() >= 2) {
    constexpr std::size_t longest_context = 16;
    answer += command("PONG", data.substr(2, longest_context));
  }
}

// Properties: length of the name (1), name, length of the value (4), value.
void PushPeer::take_ready(std::string_view properties) {
  constexpr std::size_t value_length = 4;
  while (!properties.empty()) {
    const std::size_t name_size = static_cast<unsigned char>(properties[0]);
    if (properties.size() < 1 + name_size + value_length) {
      fail("it sends a malformed READY");
      return;
    }
    const auto name = properties.substr(1, name_size);
    const auto size = big_endian(properties.substr(1 + name_size, value_length));
    properties.remove_prefix(1 + name_size + value_length);
    if (properties.size() < size) {
      fail("it sends a malformed READY");
      return;
    }
    const auto value = properties.substr(0, static_cast<std::size_t>(size));
    properties.remove_prefix(static_cast<std::size_t>(size));
    if (is_socket_type(name) && value != "PULL") {
      fail("it is a " + std::string(value) + " socket, expected PULL");
      return;
    }
  }
  if (state_ == State::ready_awaited) state_ = State::ready;
}

bool PushPeer::fail(std::string why) {
  state_ = State::failed;
  why_ = std::move(why);
  unread_.clear();
  return false;
}

}  // namespace backplane::palm
