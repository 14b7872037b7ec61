// PALM messages: their fields, their bytes, and how a message names the function to call. The format is in
// docs/protocols/palm.md. Needs protozero (Debian: libprotozero-dev).
//
// Pure functions and values; any thread.
#pragma once

#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/uuid.hpp>

#include <protozero/basic_pbf_writer.hpp>
#include <protozero/buffer_fixed.hpp>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::palm {

// The payload of an error reply, unless a server is told another one.
inline constexpr std::string_view default_error_payload = "0";

// Numbers of the fields. The first six are PALM's own; the last is the mark of an error, text "code: why",
// which other programs pass on unseen.
enum class Field : std::uint32_t {
  pipeline = 1,
  client = 2,
  stage = 3,
  function = 4,
  cache = 5,
  payload = 6,
  error = 1000,
};

// The fields of a message: views of the bytes it was read from, or of what its writer has set.
struct Fields {
  std::string_view pipeline;
  std::string_view client;
  std::int64_t stage = 0;
  std::string_view function;
  std::string_view cache;
  std::string_view payload;
  std::optional<std::string_view> error;
  std::string_view unknown_in;  // encoded bytes whose unknown fields belong to this message too

  bool failed() const { return error.has_value(); }
};

namespace detail {

// True for well-formed UTF-8: nothing cut short, overlong or above U+10FFFF, no surrogates.
inline bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t more = first < 0x80 ? 0 : first < 0xC2 ? 4 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (more > 3 || first > 0xF4 || text.size() - at <= more) return false;
    for (std::size_t i = 1; i <= more; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      const unsigned lowest = i > 1 ? 0x80U : first == 0xE0 ? 0xA0U : first == 0xF0 ? 0x90U : 0x80U;
      const unsigned highest = i > 1 ? 0xBFU : first == 0xED ? 0x9FU : first == 0xF4 ? 0x8FU : 0xBFU;
      if (next < lowest || next > highest) return false;
    }
    at += more + 1;
  }
  return true;
}

using protozero::pbf_wire_type;

// One field as it stands in the bytes.
struct RawField {
  std::uint32_t number = 0;
  pbf_wire_type type{};
  std::uint64_t integer = 0;   // of a varint
  std::string_view content;    // of a length-delimited field
  std::string_view all_bytes;  // tag and content
};

// Takes the fields of a message one by one. Throws Malformed.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool next(RawField& field) {
    if (at_ == end_) return false;
    const char* begin = at_;
    try {
      take(field, 0);
    } catch (const protozero::exception& error) {
      throw Malformed(std::string("not a PALM message: ") + error.what());
    }
    field.all_bytes = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
  }

 private:
  static constexpr int deepest = 32;  // groups in groups
  static constexpr auto start_group = 3U;
  static constexpr auto end_group = 4U;

  void take(RawField& field, int depth) {
    const auto tag = protozero::decode_varint(&at_, end_);
    field.number = static_cast<std::uint32_t>(tag >> 3U);
    field.type = static_cast<pbf_wire_type>(tag & 7U);
    if (field.number == 0 || tag > std::numeric_limits<std::uint32_t>::max())
      throw Malformed("not a PALM message: a field has no valid number");
    switch (tag & 7U) {
      case static_cast<unsigned>(pbf_wire_type::varint):
        field.integer = protozero::decode_varint(&at_, end_);
        return;
      case static_cast<unsigned>(pbf_wire_type::fixed64):
        return skip(8);
      case static_cast<unsigned>(pbf_wire_type::length_delimited): {
        const auto size = protozero::decode_varint(&at_, end_);
        const char* begin = at_;
        skip(size);
        field.content = {begin, static_cast<std::size_t>(size)};
        return;
      }
      case static_cast<unsigned>(pbf_wire_type::fixed32):
        return skip(4);
      case start_group:
        return take_group(field.number, depth);
      default:
        throw Malformed("not a PALM message: a field of unknown type");
    }
  }

  void skip(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_))
      throw Malformed("not a PALM message: it ends inside a field");
    at_ += size;
  }

  // Up to the end-group tag of the same number.
  void take_group(std::uint32_t number, int depth) {
    if (depth == deepest) throw Malformed("not a PALM message: groups are nested too deeply");
    const auto end_tag = std::uint64_t{number} << 3U | end_group;
    while (true) {
      const char* before = at_;
      if (protozero::decode_varint(&at_, end_) == end_tag) return;
      at_ = before;
      RawField inner;
      take(inner, depth + 1);
    }
  }

  const char* at_;
  const char* end_;
};

inline bool is(const RawField& field, Field number, pbf_wire_type type) {
  return field.number == static_cast<std::uint32_t>(number) && field.type == type;
}

// Where a text or bytes field belongs; nullptr: unknown, which a known number of another type is too.
inline std::string_view* place_of(Fields& fields, const RawField& field) {
  if (field.type != pbf_wire_type::length_delimited) return nullptr;
  switch (static_cast<Field>(field.number)) {
    case Field::pipeline:
      return &fields.pipeline;
    case Field::client:
      return &fields.client;
    case Field::function:
      return &fields.function;
    case Field::cache:
      return &fields.cache;
    case Field::payload:
      return &fields.payload;
    case Field::error:
      return fields.error ? &*fields.error : &fields.error.emplace();
    default:
      return nullptr;
  }
}

inline bool is_known(const RawField& field) {
  Fields scratch;
  return place_of(scratch, field) != nullptr || is(field, Field::stage, pbf_wire_type::varint);
}

template <typename Take>
void for_each_unknown(std::string_view bytes, Take&& take) {
  FieldReader reader(bytes);
  RawField field;
  while (!bytes.empty() && reader.next(field))
    if (!is_known(field)) take(field.all_bytes);
}

inline std::size_t size_of_text(Field number, std::string_view text) {
  const auto tag = static_cast<std::uint64_t>(number) << 3U;
  return static_cast<std::size_t>(protozero::length_of_varint(tag)) +
         static_cast<std::size_t>(protozero::length_of_varint(text.size())) + text.size();
}

}  // namespace detail

// Reads a message. Fields in any order, the last of several wins, unknown ones are kept. Throws Malformed:
// cut short, not UTF-8 in a text, no protobuf at all.
inline Fields read(std::string_view bytes) {
  Fields fields;
  detail::FieldReader reader(bytes);
  detail::RawField field;
  while (reader.next(field)) {
    if (auto* place = detail::place_of(fields, field)) {
      const bool is_text = field.number != static_cast<std::uint32_t>(Field::payload);
      if (is_text && !detail::is_utf8(field.content))
        throw Malformed("not a PALM message: field " + std::to_string(field.number) + " is not UTF-8");
      *place = field.content;
    } else if (detail::is(field, Field::stage, protozero::pbf_wire_type::varint)) {
      fields.stage = static_cast<std::int64_t>(field.integer);
    } else {
      fields.unknown_in = bytes;
    }
  }
  return fields;
}

// How many bytes write() needs.
inline std::size_t encoded_size(const Fields& fields) {
  std::size_t size = 0;
  const auto add = [&size](Field number, std::string_view text) {
    if (!text.empty()) size += detail::size_of_text(number, text);
  };
  add(Field::pipeline, fields.pipeline);
  add(Field::client, fields.client);
  add(Field::function, fields.function);
  add(Field::cache, fields.cache);
  add(Field::payload, fields.payload);
  if (fields.stage != 0)
    size +=
        1 + static_cast<std::size_t>(protozero::length_of_varint(static_cast<std::uint64_t>(fields.stage)));
  if (fields.error) size += detail::size_of_text(Field::error, *fields.error);
  detail::for_each_unknown(fields.unknown_in, [&](std::string_view field) { size += field.size(); });
  return size;
}

// Writes a message into `room`, which holds encoded_size() bytes: the fields in the order of their numbers,
// those that are empty or 0 left out, unknown ones behind them.
inline void write(const Fields& fields, char* room, std::size_t size) {
  protozero::fixed_size_buffer_adaptor buffer(room, size);
  protozero::basic_pbf_writer<protozero::fixed_size_buffer_adaptor> writer(buffer);
  const auto add = [&writer](Field number, std::string_view text) {
    if (!text.empty())
      writer.add_bytes(static_cast<protozero::pbf_tag_type>(number), text.data(), text.size());
  };
  add(Field::pipeline, fields.pipeline);
  add(Field::client, fields.client);
  if (fields.stage != 0) writer.add_int64(static_cast<protozero::pbf_tag_type>(Field::stage), fields.stage);
  add(Field::function, fields.function);
  add(Field::cache, fields.cache);
  add(Field::payload, fields.payload);
  detail::for_each_unknown(fields.unknown_in,
                           [&](std::string_view field) { buffer.append(field.data(), field.size()); });
  if (fields.error)
    writer.add_bytes(static_cast<protozero::pbf_tag_type>(Field::error), fields.error->data(),
                     fields.error->size());
}

inline std::string encode(const Fields& fields) {
  std::string bytes(encoded_size(fields), '\0');
  write(fields, bytes.data(), bytes.size());
  return bytes;
}

// Puts a message into an initialised frame. `fields` may be views of the frame itself. Throws std::bad_alloc.
inline void write_frame(const Fields& fields, zmq_msg_t& frame) {
  zmq_msg_t fresh;
  const auto size = encoded_size(fields);
  if (zmq_msg_init_size(&fresh, size) != 0) throw std::bad_alloc();
  write(fields, static_cast<char*>(zmq_msg_data(&fresh)), size);
  zmq_msg_move(&frame, &fresh);
  zmq_msg_close(&fresh);
}

// A message that owns its fields: what hooks read, change and emit, and what a client gets.
struct PalmMessage {
  std::string pipeline;
  std::string client;
  std::int64_t stage = 0;
  std::string function;
  std::string cache;
  std::string payload;
  std::optional<std::string> error;
  std::string unknown;  // encoded fields that PALM does not know

  PalmMessage() = default;
  explicit PalmMessage(const Fields& fields)
      : pipeline(fields.pipeline),
        client(fields.client),
        stage(fields.stage),
        function(fields.function),
        cache(fields.cache),
        payload(fields.payload),
        error(fields.error) {
    detail::for_each_unknown(fields.unknown_in, [this](std::string_view field) { unknown += field; });
  }

  // Views of this message.
  Fields fields() const {
    Fields made{pipeline, client, stage, function, cache, payload, std::nullopt, unknown};
    if (error) made.error = *error;
    return made;
  }
  bool operator==(const PalmMessage&) const = default;
};

// The message with another payload: what a gather hook often wants.
inline PalmMessage change_payload(PalmMessage message, std::string payload) {
  message.payload = std::move(payload);
  return message;
}

// ---- calls --------------------------------------------------------------------------------------------

// Codes of the error mark.
inline constexpr std::string_view bad_function = "bad_function";
inline constexpr std::string_view wrong_server = "wrong_server";
inline constexpr std::string_view unknown_function = "unknown_function";
inline constexpr std::string_view function_failed = "function_failed";
inline constexpr std::string_view stage_out_of_range = "stage_out_of_range";
inline constexpr std::string_view scatter_failed = "scatter_failed";
inline constexpr std::string_view gather_failed = "gather_failed";
inline constexpr std::string_view http_failed = "http_failed";

// The text of an error mark. It must be UTF-8, whatever a failing function says.
inline std::string error_text(std::string_view code, std::string_view why) {
  std::string text = std::string(code) + ": " + std::string(why);
  if (!detail::is_utf8(text))
    for (char& each : text)
      if (static_cast<unsigned char>(each) >= 0x80) each = '?';
  return text;
}

// Which function a message calls, or, with a code, why none can be called.
struct Selected {
  std::string_view server;
  std::string_view function;
  std::string_view code;  // empty: fine
  std::string why;
  bool ok() const { return code.empty(); }
};

namespace detail {

inline constexpr std::string_view blanks = " \t\n\v\f\r";

// The word at `index`, or nothing.
inline std::optional<std::string_view> word_at(std::string_view words, std::int64_t index) {
  while (true) {
    const auto begin = words.find_first_not_of(blanks);
    if (begin == std::string_view::npos || index < 0) return std::nullopt;
    words.remove_prefix(begin);
    const auto word = words.substr(0, words.find_first_of(blanks));
    if (index-- == 0) return word;
    words.remove_prefix(word.size());
  }
}

}  // namespace detail

// Selects the call of a message: `server.function`, or of several such words, separated by blanks, the one
// at `stage`. A server's name may hold dots.
inline Selected select(std::string_view function, std::int64_t stage) {
  std::string_view word = function;
  if (function.find_first_of(detail::blanks) != std::string_view::npos) {
    const auto found = detail::word_at(function, stage);
    if (!found)
      return {{},
              {},
              stage_out_of_range,
              "stage " + std::to_string(stage) + " is not in \"" + std::string(function) + "\""};
    word = *found;
  }
  const auto dot = word.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == word.size())
    return {{}, {}, bad_function, "\"" + std::string(word) + "\" is not SERVER.FUNCTION"};
  return {word.substr(0, dot), word.substr(dot + 1), {}, {}};
}

}  // namespace backplane::palm
