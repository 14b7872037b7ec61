#include "json.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace backplane::http {

namespace {

// The bytes of base64 with padding; nothing: it is not that.
std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padded = i >= text.size() - padding;
    const auto place = padded ? 0 : letters.find(text[i]);
    if (place == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(place);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xff);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// Builds a value from the events of the parser, which keeps its own stack: nothing recurses.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const DecodeLimits& limits) : limits_(limits) {}

  bool null() override { return put({}); }
  bool boolean(bool truth) override { return put(truth); }
  bool number_integer(number_integer_t whole) override { return put(whole); }
  bool number_unsigned(number_unsigned_t whole) override { return put(whole); }
  bool number_float(number_float_t real, const string_t&) override { return put(real); }
  bool string(string_t& text) override { return put(std::move(text)); }
  bool binary(binary_t&) override { return refuse("not JSON"); }
  bool start_object(std::size_t) override { return open(Map()); }
  bool key(string_t& name) override {
    open_.back()->get_if<Map>()->push_back({std::move(name), {}});
    return true;
  }
  bool end_object() override {
    Value& object = *open_.back();
    open_.pop_back();
    return become_bytes(object);
  }
  bool start_array(std::size_t) override { return open(Array()); }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("not JSON at byte " + std::to_string(position));
  }

  Value& root() { return root_; }
  const std::string& reason() const { return reason_; }

 private:
  bool refuse(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
  }
  // Where the next value goes. Only the innermost container grows, so the outer ones stay where they are.
  Value& slot() {
    if (open_.empty()) return root_;
    if (auto* array = open_.back()->get_if<Array>()) return array->emplace_back();
    return open_.back()->get_if<Map>()->back().value;
  }
  bool put(Value value) {
    if (++values_ > limits_.values) return refuse("too many values");
    slot() = std::move(value);
    return true;
  }
  bool open(Value container) {
    if (open_.size() >= limits_.depth) return refuse("nested too deeply");
    if (++values_ > limits_.values) return refuse("too many values");
    Value& place = slot();
    place = std::move(container);
    open_.push_back(&place);
    return true;
  }
  bool become_bytes(Value& object) {
    const auto& map = *object.get_if<Map>();
    if (map.size() != 1 || map[0].key != Value("$bin")) return true;
    const auto* text = map[0].value.get_if<std::string>();
    auto bytes = text == nullptr ? std::nullopt : from_base64(*text);
    if (!bytes) return refuse("\"$bin\" must be base64 in a text");
    object = Bytes{std::move(*bytes)};
    return true;
  }

  const DecodeLimits& limits_;
  Value root_;
  std::vector<Value*> open_;
  std::size_t values_ = 0;
  std::string reason_;
};

}  // namespace

Value from_json(std::string_view text, const DecodeLimits& limits) {
  Builder builder(limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) throw Malformed(builder.reason());
  return std::move(builder.root());
}

}  // namespace backplane::http
