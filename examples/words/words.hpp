// What a word is, and counting them. Pure: no host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace words {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using Counts = std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>>;

inline void add(Counts& counts, std::string_view word, std::uint64_t amount) {
  if (const auto known = counts.find(word); known != counts.end()) {
    known->second += amount;
  } else {
    counts.emplace(word, amount);
  }
}

// Counts the words of `text`: runs of ASCII letters, in lower case. All other bytes are gaps.
inline void count(Counts& counts, std::string_view text) {
  std::string word;
  for (const char byte : text) {
    const char lower = static_cast<char>(byte | 0x20);
    if (lower >= 'a' && lower <= 'z') {
      word += lower;
    } else if (!word.empty()) {
      add(counts, word, 1);
      word.clear();
    }
  }
  if (!word.empty()) add(counts, word, 1);
}

// "word count" lines, as words.count sends them.
std::string to_lines(const Counts& counts);
// Adds such lines to `counts`. False when a line is not one; then some may have been added.
bool add_lines(Counts& counts, std::string_view lines);
// The `most` most frequent words (0: all), equally frequent ones in alphabetical order.
std::vector<std::pair<std::string, std::uint64_t>> top(const Counts& counts, std::size_t most);
// Lines as `uniq -c` prints them.
std::string to_table(const std::vector<std::pair<std::string, std::uint64_t>>& ranking);

}  // namespace words
