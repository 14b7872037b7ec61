// Byte strings from tests/vectors: a line is a name and bytes in hex, one that begins with '#' says what
// follows.
#pragma once

#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace backplane::test {

class Vectors {
 public:
  // `file` as named inside tests/vectors of `source_folder`. Throws std::runtime_error: no such file.
  Vectors(const std::string& source_folder, const std::string& file) {
    std::ifstream in(source_folder + "/tests/vectors/" + file);
    if (!in) throw std::runtime_error("no vectors in " + file);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string name;
      std::string hex;
      if (words >> name && name != "#") {
        words >> hex;
        all_[name] = bytes(hex);
      }
    }
  }
  // Throws std::out_of_range: no such name.
  const std::string& operator[](const std::string& name) const { return all_.at(name); }

 private:
  static std::string bytes(const std::string& hex) {
    std::string made;
    for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
      made += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
    return made;
  }
  std::map<std::string, std::string> all_;
};

}  // namespace backplane::test
