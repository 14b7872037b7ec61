#include "command_line/frames.hpp"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "log/escape.hpp"

namespace backplane::host {

namespace {

using nlohmann::json;

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view hex_digits = "0123456789abcdef";

[[noreturn]] void wrong(std::size_t frame, const std::string& what) {
  throw std::runtime_error("frame " + std::to_string(frame + 1) + ": " + what);
}

unsigned char byte(char c) { return static_cast<unsigned char>(c); }

// The length of the UTF-8 character that `text` begins with; 0: it begins with none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = byte(text[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(text[i]) & 0xC0) != 0x80) return 0;
  const auto second = byte(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool beyond = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto digit = [&](char c) {
      return hex_digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    };
    const auto high = digit(text[i]);
    const auto low = digit(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string frame_from_json(const json& value, std::size_t index) {
  if (value.is_string()) return value.get<std::string>();
  const bool coded = value.is_object() && value.size() == 1 && value.begin()->is_string();
  const std::string key = coded ? value.begin().key() : "";
  if (key != "hex" && key != "base64")
    wrong(index, "expected a text, {\"hex\": \"...\"} or {\"base64\": \"...\"}");
  const auto& digits = value.begin()->get_ref<const std::string&>();
  auto bytes = key == "hex" ? from_hex(digits) : from_base64(digits);
  if (!bytes) wrong(index, "\"" + digits.substr(0, 40) + "\" is not " + key);
  return std::move(*bytes);
}

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto rest = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < rest ? byte(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= rest ? base64_digits[group >> (18 - 6 * k) & 0x3F] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  while (!text.empty() && text.back() == '=' && text.size() % 4 != 2) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const auto digit = base64_digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 0xFF);
  }
  return bytes;
}

Frames frames_from_json(std::string_view line) {
  auto value = json::parse(line, nullptr, false);
  if (value.is_object() && value.size() == 1 && value.contains("frames")) value = json(value["frames"]);
  if (!value.is_array())
    throw std::runtime_error("expected a list of frames, such as [\"topic\", {\"hex\": \"00ff\"}]");
  if (value.empty()) throw std::runtime_error("a message has at least one frame; [\"\"] is an empty one");
  Frames frames;
  for (const auto& frame : value) frames.push_back(frame_from_json(frame, frames.size()));
  return frames;
}

std::string frames_to_json(const Frames& frames) {
  auto list = json::array();
  for (const auto& frame : frames)
    list.push_back(is_utf8(frame) ? json(frame) : json{{"base64", to_base64(frame)}});
  return list.dump();
}

std::string frames_to_text(const Frames& frames, bool for_terminal) {
  std::string text;
  for (const auto& frame : frames) {
    if (&frame != &frames.front()) text += '\t';
    if (!for_terminal) {
      text += frame;
      continue;
    }
    for (std::string_view rest = frame; !rest.empty();) {
      const auto length = utf8_length(rest);
      const bool control = length == 1 && (byte(rest[0]) < 0x20 || byte(rest[0]) == 0x7F);
      // U+0080 to U+009F are control characters, too.
      const bool second_control = length == 2 && byte(rest[0]) == 0xC2 && byte(rest[1]) < 0xA0;
      const auto shown = std::max<std::size_t>(length, 1);
      if (length == 0 || control || second_control) {
        for (const char c : rest.substr(0, shown))
          text.append("\\x") += {hex_digits[byte(c) >> 4], hex_digits[byte(c) & 0x0F]};
      } else {
        text += rest.substr(0, shown);
      }
      rest.remove_prefix(shown);
    }
  }
  return text;
}

}  // namespace backplane::host
