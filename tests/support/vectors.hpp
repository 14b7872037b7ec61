// Byte strings that tests compare with, kept in tests/vectors.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace backplane::test {

// A part of the file tests/vectors/NAME. Throws when there is none or it is no JSON. With
// nlohmann::ordered_json the keys of an object stay in the order of the file.
template <typename Json = nlohmann::json>
Json vectors(const std::string& name, const char* part) {
  std::ifstream in(std::string(BACKPLANE_SOURCE_DIR) + "/tests/vectors/" + name);
  if (!in) throw std::runtime_error("no such file in tests/vectors: " + name);
  return Json::parse(in).at(part);
}

// The bytes that hexadecimal digits say.
inline std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

}  // namespace backplane::test
