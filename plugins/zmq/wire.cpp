#include "wire.hpp"

namespace backplane::zmq {

namespace {

bool empty(const zmq_msg_t& frame) { return frame_view(frame).empty(); }

std::optional<std::size_t> delimited_envelope(std::span<const zmq_msg_t> frames) {
  for (std::size_t i = 1; i + 1 < frames.size(); ++i)
    if (empty(frames[i])) return i + 1;
  return std::nullopt;
}

void append_readable(std::string& line, char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  if (value >= 0x20 && value < 0x7f && byte != '\\') {
    line += byte;
  } else {
    line += "\\x";
    line += digits[value >> 4];
    line += digits[value & 0xf];
  }
}

}  // namespace

std::optional<std::size_t> envelope_frames(std::span<const zmq_msg_t> frames, Envelope rule) {
  if (frames.size() < 2) return std::nullopt;
  switch (rule) {
    case Envelope::delimited:
      return delimited_envelope(frames);
    case Envelope::automatic:
      return frames.size() > 2 && empty(frames[1]) ? 2 : 1;
    case Envelope::identity:
      break;
  }
  return 1;
}

std::string request_frame(std::uint64_t number) {
  std::string bytes(request_frame_size, '\0');
  for (std::size_t i = request_frame_size; i-- > 0; number >>= 8)
    bytes[i] = static_cast<char>(static_cast<unsigned char>(number & 0xff));
  return bytes;
}

std::optional<std::uint64_t> answered_request(std::span<const zmq_msg_t> frames) {
  if (frames.size() <= answer_envelope_frames || !empty(frames[1])) return std::nullopt;
  const auto bytes = frame_view(frames[0]);
  if (bytes.size() != request_frame_size) return std::nullopt;
  std::uint64_t number = 0;
  for (const char byte : bytes) number = (number << 8) | static_cast<unsigned char>(byte);
  return number;
}

std::string readable(std::span<const zmq_msg_t> frames, std::size_t limit) {
  std::string line;
  bool first = true;
  for (const auto& frame : frames) {
    if (!first) line += " | ";
    first = false;
    for (const char byte : frame_view(frame)) {
      if (line.size() >= limit) return line + "...";
      append_readable(line, byte);
    }
  }
  return line;
}

}  // namespace backplane::zmq
