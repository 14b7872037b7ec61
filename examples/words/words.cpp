#include "words.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace words {

std::string to_lines(const Counts& counts) {
  std::string lines;
  for (const auto& [word, amount] : counts)
    lines.append(word).append(" ").append(std::to_string(amount)) += '\n';
  return lines;
}

bool add_lines(Counts& counts, std::string_view lines) {
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    const auto gap = lines.find(' ');
    if (end == std::string_view::npos || gap == 0 || gap >= end) return false;
    std::uint64_t amount = 0;
    const char* const last = lines.data() + end;
    const auto read = std::from_chars(lines.data() + gap + 1, last, amount);
    if (read.ec != std::errc() || read.ptr != last) return false;
    add(counts, lines.substr(0, gap), amount);
    lines.remove_prefix(end + 1);
  }
  return true;
}

std::vector<std::pair<std::string, std::uint64_t>> top(const Counts& counts, std::size_t most) {
  std::vector<std::pair<std::string, std::uint64_t>> ranking(counts.begin(), counts.end());
  const auto before = [](const auto& left, const auto& right) {
    return left.second != right.second ? left.second > right.second : left.first < right.first;
  };
  const auto size = most == 0 ? ranking.size() : std::min(most, ranking.size());
  const auto middle = ranking.begin() + static_cast<std::ptrdiff_t>(size);
  std::partial_sort(ranking.begin(), middle, ranking.end(), before);
  ranking.erase(middle, ranking.end());
  return ranking;
}

std::string to_table(const std::vector<std::pair<std::string, std::uint64_t>>& ranking) {
  std::string table;
  for (const auto& [word, amount] : ranking) {
    char number[32];
    std::snprintf(number, sizeof number, "%7llu ", static_cast<unsigned long long>(amount));
    table.append(number).append(word) += '\n';
  }
  return table;
}

}  // namespace words
