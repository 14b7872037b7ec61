// Values whose type is known only at run time, and msgpack, the form in which they travel.
//
// A Value is plain data: copied, compared, owned by one thread at a time. Text and bytes stay different
// types, as they are in msgpack; so do integers and numbers with a fraction.
#pragma once

#include <backplane/host.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <msgpack/null_visitor.hpp>
#include <msgpack/pack.hpp>
#include <msgpack/unpack.hpp>

namespace backplane {

class Value;
struct MapEntry;

// Bytes that are not text.
struct Bytes {
  std::string content;
  bool operator==(const Bytes&) const = default;
};

// An extension value of msgpack: carried unchanged.
struct Extension {
  std::int8_t type = 0;
  std::string content;
  bool operator==(const Extension&) const = default;
};

using Array = std::vector<Value>;
using Map = std::vector<MapEntry>;  // in the order of writing; Value::find finds the last of equal keys

enum class ValueKind { nil, truth, whole, real, string, bytes, array, map, extension };

// One value of any type. Integers cover -2^63 .. 2^64-1.
class Value {
 public:
  inline Value();
  inline Value(const Value& other);
  inline Value(Value&& other) noexcept;
  inline Value& operator=(const Value& other);
  inline Value& operator=(Value&& other) noexcept;
  inline ~Value();
  inline Value(std::nullptr_t);
  template <std::same_as<bool> Bool>
  Value(Bool truth) : Value() {
    hold(truth);
  }
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>) Value(Integer whole) : Value() {
    if (std::in_range<std::int64_t>(whole)) {
      hold(static_cast<std::int64_t>(whole));
    } else {
      hold(static_cast<std::uint64_t>(whole));
    }
  }
  template <std::floating_point Number>
  Value(Number real) : Value() {
    hold(static_cast<double>(real));
  }
  inline Value(const char* content);
  inline Value(std::string_view content);
  inline Value(std::string content);
  inline Value(Bytes bytes);
  inline Value(Extension extension);
  inline Value(Array array);
  inline Value(Map map);

  inline ValueKind kind() const;
  bool is_nil() const { return held_.index() == 0; }

  // The content when it is of this type, else nullptr. Integers are std::int64_t, and std::uint64_t only
  // above 2^63-1. Types: bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Array, Map,
  // Extension.
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&held_);
  }
  template <typename T>
  T* get_if() {
    return std::get_if<T>(&held_);
  }
  // The value of a key of a map (text, or bytes with the same content), or nullptr: no map, no such key.
  inline const Value* find(std::string_view key) const;

  friend inline bool operator==(const Value& left, const Value& right);

 private:
  inline void hold(bool truth);
  inline void hold(std::int64_t whole);
  inline void hold(std::uint64_t whole);
  inline void hold(double real);

  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Array, Map,
               Extension>
      held_;
};

struct MapEntry {
  Value key;
  Value value;
  friend inline bool operator==(const MapEntry& left, const MapEntry& right) = default;
};

// Here, because what makes or destroys a Value needs MapEntry complete: clang insists.
inline Value::Value() = default;
inline Value::Value(const Value& other) = default;
inline Value::Value(Value&& other) noexcept = default;
inline Value& Value::operator=(const Value& other) = default;
inline Value& Value::operator=(Value&& other) noexcept = default;
inline Value::~Value() = default;
inline Value::Value(std::nullptr_t) {}
inline Value::Value(const char* content) : held_(std::string(content)) {}
inline Value::Value(std::string_view content) : held_(std::string(content)) {}
inline Value::Value(std::string content) : held_(std::move(content)) {}
inline Value::Value(Bytes bytes) : held_(std::move(bytes)) {}
inline Value::Value(Extension extension) : held_(std::move(extension)) {}
inline Value::Value(Array array) : held_(std::move(array)) {}
inline Value::Value(Map map) : held_(std::move(map)) {}
inline void Value::hold(bool truth) { held_ = truth; }
inline void Value::hold(std::int64_t whole) { held_ = whole; }
inline void Value::hold(std::uint64_t whole) { held_ = whole; }
inline void Value::hold(double real) { held_ = real; }

inline bool operator==(const Value& left, const Value& right) { return left.held_ == right.held_; }

inline ValueKind Value::kind() const {
  static constexpr ValueKind kinds[] = {
      ValueKind::nil,    ValueKind::truth, ValueKind::whole, ValueKind::whole, ValueKind::real,
      ValueKind::string, ValueKind::bytes, ValueKind::array, ValueKind::map,   ValueKind::extension};
  return kinds[held_.index()];
}

inline const Value* Value::find(std::string_view key) const {
  const auto* map = get_if<Map>();
  if (map == nullptr) return nullptr;
  const auto found = std::find_if(map->rbegin(), map->rend(), [&](const MapEntry& entry) {
    if (const auto* name = entry.key.get_if<std::string>()) return *name == key;
    if (const auto* name = entry.key.get_if<Bytes>()) return name->content == key;
    return false;
  });
  return found == map->rend() ? nullptr : &found->value;
}

// msgpack in its shortest form (below).
inline std::string encode(const Value& value);

// ---- for people ----

// The type's name as functions and their errors use it.
inline const char* name_of(ValueKind kind) {
  static constexpr const char* names[] = {"nil",   "bool", "int", "double",   "text",
                                          "bytes", "list", "map", "extension"};
  return names[static_cast<std::size_t>(kind)];
}

namespace detail {

inline void append_quoted(std::string& out, std::string_view plain) {
  out += '"';
  for (const char letter : plain) {
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(letter));
      out += escape;
    } else {
      out += letter;
    }
  }
  out += '"';
}

inline std::string base64(std::string_view bytes) {
  static constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto part = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < part.size() ? static_cast<unsigned char>(part[k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= part.size() ? letters[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

inline std::string number_text(double real) {
  if (!std::isfinite(real)) return "null";  // JSON has no word for it
  // 15 digits are what every text of a number keeps, 17 what every number needs.
  char digits[40];
  for (int precision = 15; precision <= 17; ++precision) {
    std::snprintf(digits, sizeof digits, "%.*g", precision, real);
    if (std::strtod(digits, nullptr) == real) break;
  }
  std::string out(digits);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

inline void append_json(std::string& out, const Value& value);

// A JSON key is text. Of a list or a map as key its msgpack bytes are shown, not its JSON: quoting quoted
// text doubles its length at every depth, and a peer chooses the depth.
inline void append_json_key(std::string& out, const Value& key) {
  if (key.kind() == ValueKind::string) {
    append_quoted(out, *key.get_if<std::string>());
  } else if (key.kind() == ValueKind::array || key.kind() == ValueKind::map) {
    append_quoted(out, R"({"$msgpack":")" + base64(encode(key)) + "\"}");
  } else {
    std::string plain;
    append_json(plain, key);
    append_quoted(out, plain);
  }
}

inline void append_json(std::string& out, const Value& value) {
  switch (value.kind()) {
    case ValueKind::nil:
      out += "null";
      break;
    case ValueKind::truth:
      out += *value.get_if<bool>() ? "true" : "false";
      break;
    case ValueKind::whole:
      out += value.get_if<std::int64_t>() != nullptr ? std::to_string(*value.get_if<std::int64_t>())
                                                     : std::to_string(*value.get_if<std::uint64_t>());
      break;
    case ValueKind::real:
      out += number_text(*value.get_if<double>());
      break;
    case ValueKind::string:
      append_quoted(out, *value.get_if<std::string>());
      break;
    case ValueKind::bytes:
      out += R"({"$bin":")" + base64(value.get_if<Bytes>()->content) + "\"}";
      break;
    case ValueKind::extension:
      out += R"({"$ext":)" + std::to_string(value.get_if<Extension>()->type) + R"(,"$bin":")" +
             base64(value.get_if<Extension>()->content) + "\"}";
      break;
    case ValueKind::array: {
      const char* before = "[";
      for (const auto& item : *value.get_if<Array>()) {
        out += std::exchange(before, ",");
        append_json(out, item);
      }
      out += *before == '[' ? "[]" : "]";
      break;
    }
    case ValueKind::map: {
      const char* before = "{";
      for (const auto& [key, item] : *value.get_if<Map>()) {
        out += std::exchange(before, ",");
        append_json_key(out, key);
        out += ':';
        append_json(out, item);
      }
      out += *before == '{' ? "{}" : "}";
      break;
    }
  }
}

}  // namespace detail

// JSON: bytes as {"$bin": base64}; keys that are not text as their JSON in a text, a list or map among them
// as {"$msgpack": base64} in a text. The depth of `value` is the depth of the call; the length of the result
// is proportional to that of the value. Throws Error "ValueError" when such a key is nested too deep to
// encode.
inline std::string to_json(const Value& value) {
  std::string out;
  detail::append_json(out, value);
  return out;
}

// A value in few words, for an error: `int 5`, `text "abc"`, `list of 3`.
inline std::string describe(const Value& value) {
  constexpr std::size_t longest = 40;
  std::string out = name_of(value.kind());
  switch (value.kind()) {
    case ValueKind::nil:
    case ValueKind::extension:
      break;
    case ValueKind::truth:
    case ValueKind::whole:
    case ValueKind::real:
      out += " " + to_json(value);
      break;
    case ValueKind::string: {
      const auto& all = *value.get_if<std::string>();
      out += ' ';
      detail::append_quoted(out, std::string_view(all).substr(0, longest));
      if (all.size() > longest) out += "...";
      break;
    }
    case ValueKind::bytes:
      out += " of size " + std::to_string(value.get_if<Bytes>()->content.size());
      break;
    case ValueKind::array:
      out += " of " + std::to_string(value.get_if<Array>()->size());
      break;
    case ValueKind::map:
      out += " of " + std::to_string(value.get_if<Map>()->size());
      break;
  }
  return out;
}

// ---- msgpack ----

// What a decoder accepts. A value in memory takes up to some 160 bytes, however short its encoding, so
// their number is bounded as well.
struct DecodeLimits {
  std::size_t depth = 512;                     // lists and maps within each other
  std::size_t bytes = std::size_t{100} << 20;  // of one encoded value
  std::size_t values = std::size_t{4} << 20;   // in one encoded value, nested ones and keys included
};

// Nesting that `encode` accepts.
inline constexpr std::size_t encode_depth = 512;

namespace detail {

// Builds a Value from the events of msgpack's parser, which keeps its own stack: nothing recurses.
class ValueBuilder : public msgpack::null_visitor {
 public:
  ValueBuilder(Value& root, std::size_t bytes, const DecodeLimits& limits)
      : root_(root), announced_limit_(bytes), limits_(limits) {}

  bool visit_nil() { return put(Value()); }
  bool visit_boolean(bool truth) { return put(truth); }
  bool visit_positive_integer(std::uint64_t whole) { return put(whole); }
  bool visit_negative_integer(std::int64_t whole) { return put(whole); }
  bool visit_float32(float real) { return put(real); }
  bool visit_float64(double real) { return put(real); }
  bool visit_str(const char* data, std::uint32_t length) { return put(copy(data, length)); }
  bool visit_bin(const char* data, std::uint32_t length) { return put(Bytes{copy(data, length)}); }
  bool visit_ext(const char* data, std::uint32_t length) {
    if (length == 0) return refuse("an extension without a type");
    return put(Extension{static_cast<std::int8_t>(*data), copy(data + 1, length - 1)});
  }
  bool start_array(std::uint32_t count) { return open(Array(), count); }
  bool end_array() { return close(); }
  bool start_map(std::uint32_t pairs) { return open(Map(), std::uint64_t{pairs} * 2); }
  bool start_map_key() {
    at_key_ = true;
    return true;
  }
  bool start_map_value() {
    at_key_ = false;
    return true;
  }
  bool end_map() { return close(); }

  const std::string& reason() const { return reason_; }

 private:
  static std::string copy(const char* data, std::uint32_t length) {
    return length == 0 ? std::string() : std::string(data, length);
  }
  bool refuse(const char* reason) {
    reason_ = reason;
    return false;
  }
  // Where the next value goes. Only the innermost container grows, so the outer ones stay where they are.
  Value& slot() {
    if (open_.empty()) return root_;
    if (auto* array = open_.back()->get_if<Array>()) return array->emplace_back();
    auto& map = *open_.back()->get_if<Map>();
    return at_key_ ? map.emplace_back().key : map.back().value;
  }
  bool put(Value value) {
    if (++values_ > limits_.values) return refuse("too many values");
    slot() = std::move(value);
    return true;
  }
  bool open(Value container, std::uint64_t count) {
    // Every value announced takes at least a byte, so an honest total never exceeds the bytes there are.
    announced_ += count;
    if (announced_ > announced_limit_) return refuse("a list or map is longer than the bytes that are there");
    if (open_.size() >= limits_.depth) return refuse("nested too deeply");
    if (++values_ > limits_.values) return refuse("too many values");
    Value& place = slot();
    place = std::move(container);
    open_.push_back(&place);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Value& root_;
  std::uint64_t announced_ = 0;
  std::uint64_t announced_limit_;
  const DecodeLimits& limits_;
  std::vector<Value*> open_;
  std::size_t values_ = 0;
  bool at_key_ = false;
  std::string reason_;
};

// msgpack's packer would write 1.0 as the integer 1; an echo must keep the type.
inline void append_real(double real, std::string& out) {
  const auto bits = std::bit_cast<std::uint64_t>(real);
  out += '\xcb';
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xff);
}

// Where msgpack's packer writes.
struct PackTarget {
  std::string& out;
  void write(const char* data, std::size_t count) { out.append(data, count); }
};

}  // namespace detail

// Decodes the first value in `bytes` and tells in `used` how many bytes it took. Throws Malformed.
inline Value decode_first(std::string_view bytes, std::size_t& used, const DecodeLimits& limits = {}) {
  if (bytes.size() > limits.bytes)
    throw Malformed("msgpack: " + std::to_string(bytes.size()) + " bytes are too many");
  Value value;
  detail::ValueBuilder builder(value, bytes.size(), limits);
  std::size_t offset = 0;
  bool whole = false;
  try {
    whole = msgpack::parse(bytes.data(), bytes.size(), offset, builder);
  } catch (const msgpack::unpack_error& failure) {
    throw Malformed(std::string("msgpack: ") + failure.what());
  }
  if (!builder.reason().empty()) throw Malformed("msgpack: " + builder.reason());
  if (!whole) throw Malformed("msgpack: cut short or not msgpack, at byte " + std::to_string(offset));
  used = offset;
  return value;
}

// Decodes exactly one value. Throws Malformed, also when bytes are left over.
inline Value decode(std::string_view bytes, const DecodeLimits& limits = {}) {
  std::size_t used = 0;
  Value value = decode_first(bytes, used, limits);
  if (used != bytes.size())
    throw Malformed("msgpack: " + std::to_string(bytes.size() - used) + " bytes too many");
  return value;
}

// Decodes positional arguments: a list. Throws Malformed.
inline Array decode_arguments(std::string_view bytes, const DecodeLimits& limits = {}) {
  Value value = decode(bytes, limits);
  if (auto* list = value.get_if<Array>()) return std::move(*list);
  throw Malformed("arguments must be a list, got " + describe(value));
}

// Decodes named arguments: a map whose keys are names. Throws Malformed.
inline Map decode_named_arguments(std::string_view bytes, const DecodeLimits& limits = {}) {
  Value value = decode(bytes, limits);
  auto* map = value.get_if<Map>();
  if (map == nullptr) throw Malformed("named arguments must be a map, got " + describe(value));
  for (auto& entry : *map) {
    if (auto* name = entry.key.get_if<Bytes>()) entry.key = std::string(name->content);
    if (entry.key.kind() != ValueKind::string)
      throw Malformed("the name of an argument must be text, got " + describe(entry.key));
  }
  return std::move(*map);
}

// Appends the shortest msgpack form of `value` to `out`. Throws Error "ValueError" when it is nested deeper
// than encode_depth, or a part is longer than msgpack can say; then `out` holds a part of it.
inline void encode(const Value& value, std::string& out, std::size_t depth = encode_depth) {
  detail::PackTarget target{out};
  msgpack::packer<detail::PackTarget> packer(target);
  const auto length = [](std::size_t count) {
    if (count > std::numeric_limits<std::uint32_t>::max())
      throw Error("ValueError", "longer than msgpack can say");
    return static_cast<std::uint32_t>(count);
  };
  const auto put = [&](const std::string& content) { out.append(content); };
  const auto deeper = [&] {
    if (depth == 0)
      throw Error("ValueError", "a value is nested deeper than " + std::to_string(encode_depth));
    return depth - 1;
  };
  switch (value.kind()) {
    case ValueKind::nil:
      packer.pack_nil();
      break;
    case ValueKind::truth:
      *value.get_if<bool>() ? packer.pack_true() : packer.pack_false();
      break;
    case ValueKind::whole:
      if (const auto* whole = value.get_if<std::int64_t>()) {
        packer.pack_int64(*whole);
      } else {
        packer.pack_uint64(*value.get_if<std::uint64_t>());
      }
      break;
    case ValueKind::real:
      detail::append_real(*value.get_if<double>(), out);
      break;
    case ValueKind::string:
      packer.pack_str(length(value.get_if<std::string>()->size()));
      put(*value.get_if<std::string>());
      break;
    case ValueKind::bytes:
      packer.pack_bin(length(value.get_if<Bytes>()->content.size()));
      put(value.get_if<Bytes>()->content);
      break;
    case ValueKind::extension:
      packer.pack_ext(length(value.get_if<Extension>()->content.size()), value.get_if<Extension>()->type);
      put(value.get_if<Extension>()->content);
      break;
    case ValueKind::array: {
      const auto within = deeper();
      packer.pack_array(length(value.get_if<Array>()->size()));
      for (const auto& item : *value.get_if<Array>()) encode(item, out, within);
      break;
    }
    case ValueKind::map: {
      const auto within = deeper();
      packer.pack_map(length(value.get_if<Map>()->size()));
      for (const auto& [key, item] : *value.get_if<Map>()) {
        encode(key, out, within);
        encode(item, out, within);
      }
      break;
    }
  }
}

inline std::string encode(const Value& value) {
  std::string out;
  encode(value, out);
  return out;
}

// ---- errors with attributes ----

// An error that has more to say than a text: its attributes travel to whoever asked, too.
class DetailedError : public Error {
 public:
  DetailedError(std::string type, const std::string& message, Map attributes, std::string traceback = {})
      : Error(std::move(type), message, std::move(traceback)), attributes_(std::move(attributes)) {}
  const Map& attributes() const { return attributes_; }

 private:
  Map attributes_;
};

// The error that came as a reply, without attributes when it has none. Attributes that cannot be read are
// left out: the error itself is told in every case. REQUIRES: reply.is_error().
inline DetailedError error_of(const Message& reply) {
  const auto part = [&](std::size_t index) {
    return index < reply.size() ? std::string(reply[index]) : std::string();
  };
  Map attributes;
  if (reply.size() > 3) {
    try {
      Value value = decode(reply[3]);
      if (auto* map = value.get_if<Map>()) attributes = std::move(*map);
    } catch (const Malformed&) {
    }
  }
  return {part(0).empty() ? "Error" : part(0), part(1), std::move(attributes), part(2)};
}

}  // namespace backplane
