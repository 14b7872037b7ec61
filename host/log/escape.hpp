// Text that is safe in a line: what a peer or a plugin says can neither end the line nor steer a terminal.
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::host {

// Bytes of the UTF-8 character that `text` begins with; 0: what it begins with is none. Sets `character`.
inline std::size_t first_character(std::string_view text, char32_t& character) {
  if (text.empty()) return 0;
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  character = lead;
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  character = lead & (0x7fu >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0u) != 0x80u) return 0;
    character = character << 6 | (byte(at) & 0x3fu);
  }
  const bool overlong = character < (size == 4 ? 0x10000u : size == 3 ? 0x800u : 0x80u);
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return overlong || surrogate || character > 0x10ffff ? 0 : size;
}

// Characters that would end a line, move a cursor, or turn the direction of what follows.
inline bool is_control(char32_t character) {
  return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 ||
         character == 0x2029 || (character >= 0x202a && character <= 0x202e) ||
         (character >= 0x2066 && character <= 0x2069);
}

inline bool is_utf8(std::string_view text) {
  char32_t character = 0;
  while (!text.empty()) {
    const auto size = first_character(text, character);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

// Appends `text` with control characters as \n, \t, \r, \xNN or \uNNNN, bytes that are no UTF-8 as \xNN.
inline void append_escaped(std::string& to, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto hexadecimal = [&](std::uint32_t value, int count) {
    for (int at = count - 1; at >= 0; --at) to += digits[value >> (4 * at) & 0xfu];
  };
  while (!text.empty()) {
    char32_t character = 0;
    const auto size = first_character(text, character);
    if (size != 0 && !is_control(character)) {
      to.append(text.substr(0, size));
    } else if (size == 1 && (character == '\n' || character == '\t' || character == '\r')) {
      to += character == '\n' ? "\\n" : character == '\t' ? "\\t" : "\\r";
    } else if (size > 1) {
      to += "\\u";
      hexadecimal(character, 4);
    } else {
      to += "\\x";
      hexadecimal(static_cast<unsigned char>(text.front()), 2);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
}

inline std::string escaped(std::string_view text) {
  std::string safe;
  append_escaped(safe, text);
  return safe;
}

}  // namespace backplane::host
