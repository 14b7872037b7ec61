#include "manifest/suggest.hpp"

#include <algorithm>
#include <array>

namespace backplane::host {
namespace {

constexpr std::size_t longest = 100;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_but_for_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

// Insertions, deletions, replacements and exchanges of neighbours that lead from one to the other.
std::size_t edits(std::string_view left, std::string_view right) {
  std::array<std::size_t, longest + 1> before{};
  std::array<std::size_t, longest + 1> previous{};
  std::array<std::size_t, longest + 1> current{};
  for (std::size_t column = 0; column <= right.size(); ++column) previous[column] = column;
  for (std::size_t row = 1; row <= left.size(); ++row) {
    current[0] = row;
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t change = left[row - 1] == right[column - 1] ? 0 : 1;
      current[column] =
          std::min({previous[column] + 1, current[column - 1] + 1, previous[column - 1] + change});
      const bool exchanged =
          row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
      if (exchanged) current[column] = std::min(current[column], before[column - 2] + 1);
    }
    before = previous;
    previous = current;
  }
  return previous[right.size()];
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view wanted, const std::vector<std::string>& known) {
  if (wanted.empty() || wanted.size() > longest) return std::nullopt;
  std::size_t best = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  std::optional<std::string> nearest;
  for (const auto& name : known) {
    if (name.size() > longest) continue;
    if (equal_but_for_case(wanted, name)) return name;
    const auto difference = std::max(wanted.size(), name.size()) - std::min(wanted.size(), name.size());
    if (difference >= best) continue;
    const auto distance = edits(wanted, name);
    if (distance >= best || distance >= std::max(wanted.size(), name.size())) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

std::string name_list(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 12;
  if (names.empty()) return "none";
  std::string list;
  for (std::size_t i = 0; i < std::min(shown, names.size()); ++i) list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > shown) list += " and " + std::to_string(names.size() - shown) + " more";
  return list;
}

std::string name_hint(std::string_view wanted, const std::vector<std::string>& known) {
  if (const auto near = nearest_name(wanted, known)) return "; did you mean \"" + *near + "\"?";
  return "; known: " + name_list(known);
}

}  // namespace backplane::host
