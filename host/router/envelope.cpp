#include "router/envelope.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <vector>

namespace backplane::host {

static_assert(std::endian::native == std::endian::little, "the encoding copies integers as they are");

namespace {

bool fits(std::size_t size) { return size <= std::numeric_limits<std::uint32_t>::max(); }

template <typename Number>
void put(std::string& out, const Number& value) {  // by reference: an array would decay
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Calls `field` with each field of an envelope, in the order of the format.
template <typename Envelope, typename Visit>
void each_field(Envelope& envelope, Visit&& field) {
  field(envelope.id);
  field(envelope.correlation);
  field(envelope.cookie);
  field(envelope.deadline);
  field(envelope.expires);
  field(envelope.origin);
  field(envelope.reply_to);
  field(envelope.destination);
  field(envelope.flags);
  field(envelope.encoding);
  field(envelope.credit);
  field(envelope.stage);
  field(envelope.trace_id);
  field(envelope.span_id);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Number>
  bool get(Number& value) {
    if (rest_.size() < sizeof value) return false;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return true;
  }
  bool get(zmq_msg_t& frame, std::uint32_t size) {
    if (rest_.size() < size) return false;
    zmq_msg_t made;
    if (zmq_msg_init_size(&made, size) != 0) return false;
    if (size > 0) std::memcpy(zmq_msg_data(&made), rest_.data(), size);
    zmq_msg_move(&frame, &made);
    zmq_msg_close(&made);
    rest_.remove_prefix(size);
    return true;
  }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

bool decode_into(HostMessage& message, Reader& reader) {
  std::uint8_t format = 0;
  if (!reader.get(format) || format != envelope_format) return false;
  bool whole = true;
  each_field(message.envelope, [&](auto& value) { whole = whole && reader.get(value); });
  std::uint32_t function = 0;
  std::uint32_t headers = 0;
  std::uint32_t frames = 0;
  if (!whole || !reader.get(function) || !reader.get(headers) || !reader.get(frames)) return false;
  if (frames > most_frames || reader.left() / sizeof(std::uint32_t) < frames) return false;
  std::vector<std::uint32_t> sizes(frames);
  for (auto& size : sizes) reader.get(size);
  if (!reader.get(message.function, function) || !reader.get(message.headers, headers)) return false;
  if (!reserve_frames(&message, frames)) return false;
  for (const auto size : sizes) {
    zmq_msg_t& frame = message.frames[message.frame_count++];
    zmq_msg_init(&frame);
    if (!reader.get(frame, size)) return false;
  }
  return reader.left() == 0;
}

}  // namespace

bool encode_message(const bp_message& message, std::string& out) {
  const zmq_msg_t* const first = message.frames;
  const zmq_msg_t* const last = first + message.frame_count;
  if (message.frame_count > most_frames || !fits(bytes_of(message.function).size()) ||
      !fits(bytes_of(message.headers).size()) ||
      !std::all_of(first, last, [](const zmq_msg_t& frame) { return fits(bytes_of(frame).size()); }))
    return false;
  put(out, envelope_format);
  each_field(message.envelope, [&](const auto& value) { put(out, value); });
  put(out, static_cast<std::uint32_t>(bytes_of(message.function).size()));
  put(out, static_cast<std::uint32_t>(bytes_of(message.headers).size()));
  put(out, message.frame_count);
  for (const auto* frame = first; frame != last; ++frame)
    put(out, static_cast<std::uint32_t>(bytes_of(*frame).size()));
  out.append(bytes_of(message.function)).append(bytes_of(message.headers));
  for (const auto* frame = first; frame != last; ++frame) out.append(bytes_of(*frame));
  return true;
}

HostMessage* decode_message(std::string_view bytes) {
  HostMessage* message = new_message();
  Reader reader(bytes);
  if (decode_into(*message, reader)) return message;
  free_message(message);
  return nullptr;
}

}  // namespace backplane::host
