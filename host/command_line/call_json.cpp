#include "command_line/call_json.hpp"

#include <backplane/abi.h>

#include <msgpack/null_visitor.hpp>
#include <msgpack/unpack.hpp>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "command_line/console.hpp"
#include "command_line/frames.hpp"
#include "log/escape.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t deepest = 512;  // lists and maps within each other

// ---- arguments ----

std::string bytes_of(const Json& base64) {
  auto bytes = base64.is_string() ? from_base64(base64.get_ref<const std::string&>()) : std::nullopt;
  if (!bytes) throw UsageError("{\"$bin\": " + in_quotes(base64.dump()) + "} is not base64");
  return std::move(*bytes);
}

// `json` with every {"$bin": ...} as bytes.
Json with_bytes(Json json, std::size_t depth = 0) {
  if (depth > deepest) throw UsageError("arguments are nested deeper than " + std::to_string(deepest));
  if (json.is_object() && json.size() == 1 && json.contains("$bin")) {
    const auto bytes = bytes_of(json["$bin"]);
    return Json::binary(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
  }
  if (json.is_structured())
    for (auto& item : json) item = with_bytes(std::move(item), depth + 1);
  return json;
}

std::string packed(const Json& json) {
  const auto bytes = Json::to_msgpack(json);
  return {bytes.begin(), bytes.end()};
}

// As JSON, or as text.
Json argument(const std::string& text) {
  auto json = Json::parse(text, nullptr, false);
  if (!json.is_discarded()) return json;
  if (!is_utf8(text)) throw UsageError("an argument is not UTF-8; give bytes with --file");
  return text;
}

// ---- results ----

Json bytes_json(std::string_view bytes) { return {{"$bin", to_base64(bytes)}}; }
Json text_json(std::string_view text) { return is_utf8(text) ? Json(std::string(text)) : bytes_json(text); }

// Builds JSON from the events of msgpack's parser, which keeps its own stack: nothing recurses.
class JsonBuilder : public msgpack::null_visitor {
 public:
  explicit JsonBuilder(std::size_t bytes) : announced_limit_(bytes) {}

  bool visit_nil() { return put(nullptr); }
  bool visit_boolean(bool truth) { return put(truth); }
  bool visit_positive_integer(std::uint64_t whole) { return put(whole); }
  bool visit_negative_integer(std::int64_t whole) { return put(whole); }
  bool visit_float32(float real) { return put(real); }
  bool visit_float64(double real) { return put(real); }
  bool visit_str(const char* data, std::uint32_t size) { return put(text_json({data, size})); }
  bool visit_bin(const char* data, std::uint32_t size) { return put(bytes_json({data, size})); }
  bool visit_ext(const char* data, std::uint32_t size) {
    if (size == 0) return false;
    return put({{"$ext", static_cast<int>(static_cast<std::int8_t>(*data))},
                {"$bin", to_base64({data + 1, size - 1})}});
  }
  bool start_array(std::uint32_t count) { return open(Json::array(), count); }
  bool end_array() { return close(); }
  bool start_map(std::uint32_t pairs) { return open(Json::object(), std::uint64_t{pairs} * 2); }
  bool start_map_key() {
    open_.back().at_key = true;
    return true;
  }
  bool start_map_value() {
    open_.back().at_key = false;
    return true;
  }
  bool end_map() { return close(); }

  Json take() { return std::move(root_); }

 private:
  struct Open {
    Json container;
    bool at_key = false;
    std::string key;
  };

  bool put(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    auto& inner = open_.back();
    if (inner.container.is_array()) {
      inner.container.push_back(std::move(value));
    } else if (inner.at_key) {
      inner.key = value.is_string() ? value.get<std::string>() : to_line(value);
    } else {
      // Behind the others; looking for an equal key would take time with the square of their number.
      inner.container.get_ref<Json::object_t&>().emplace_back(std::move(inner.key), std::move(value));
    }
    return true;
  }
  // Every value takes at least a byte, so an honest total never exceeds the bytes there are.
  bool open(Json container, std::uint64_t count) {
    announced_ += count;
    if (announced_ > announced_limit_ || open_.size() >= deepest) return false;
    open_.push_back({std::move(container), false, {}});
    return true;
  }
  bool close() {
    auto whole = std::move(open_.back().container);
    open_.pop_back();
    return put(std::move(whole));
  }

  Json root_;
  std::vector<Open> open_;
  std::uint64_t announced_ = 0;
  std::uint64_t announced_limit_;
};

Json unpacked(std::string_view bytes) {
  JsonBuilder builder(bytes.size());
  std::size_t used = 0;
  bool whole = false;
  try {
    whole = msgpack::parse(bytes.data(), bytes.size(), used, builder);
  } catch (const msgpack::unpack_error&) {
    whole = false;
  }
  if (!whole || used != bytes.size()) throw std::runtime_error("the result is not msgpack");
  return builder.take();
}

}  // namespace

std::vector<std::string> call_frames(const std::vector<std::string>& arguments,
                                     const std::optional<std::string>& named) {
  Json list = Json::array();
  for (const auto& text : arguments) list.push_back(argument(text));
  if (list.size() == 1 && list[0].is_array()) {
    auto all = std::move(list[0]);
    list = std::move(all);
  }
  std::vector<std::string> frames{packed(with_bytes(std::move(list)))};
  if (!named) return frames;
  auto map = Json::parse(*named, nullptr, false);
  if (!map.is_object())
    throw UsageError("--kwargs: " + in_quotes(*named) + " is not a JSON object such as {\"name\": 1}");
  for (auto& item : map) item = with_bytes(std::move(item), 1);  // the map itself is never bytes
  frames.push_back(packed(map));
  return frames;
}

Json result_json(std::uint32_t encoding, std::string_view content) {
  return encoding == BP_MSGPACK ? unpacked(content) : text_json(content);
}

std::string result_bytes(std::uint32_t encoding, std::string_view content) {
  if (encoding != BP_MSGPACK) return std::string(content);
  const auto json = unpacked(content);
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object() && json.size() == 1 && json.contains("$bin"))
    return from_base64(json["$bin"].get<std::string>()).value_or(std::string());
  return to_line(json);
}

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace backplane::host
