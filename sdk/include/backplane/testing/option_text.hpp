// Option values written as in a manifest, converted for a fake host: the same types, units and bounds.
#pragma once

#include <backplane/abi.h>
#include <backplane/host.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane {

// An option as a test gives it: {"bind", "tcp://127.0.0.1:*"}, {"topics", "[a, b]"}, {"linger", "5ms"}.
using OptionText = std::pair<std::string, std::string>;

// Several of them: {{"bind", "tcp://127.0.0.1:*"}, {"linger", "5ms"}}.
struct OptionTexts {
  OptionTexts() = default;
  OptionTexts(std::initializer_list<OptionText> given) : all(given) {}
  OptionTexts(std::vector<OptionText> given) : all(std::move(given)) {}
  std::vector<OptionText> all;
};

namespace detail {

// Owns what a bp_value points to. Not movable once `view` was taken.
struct ConvertedOption {
  bp_option_type type = BP_TEXT;
  bool given = false;
  std::string written;
  std::int64_t integer = 0;
  double number = 0;
  std::vector<std::string> list;
  std::vector<bp_text> list_view;

  bp_value view() {
    list_view.clear();
    for (const auto& entry : list) list_view.push_back(to_text(entry));
    return {static_cast<std::uint32_t>(type),
            given ? 1u : 0u,
            to_text(written),
            integer,
            number,
            list_view.data(),
            list_view.size()};
  }
};

using Unit = std::pair<std::string_view, double>;
inline constexpr std::array<Unit, 7> duration_units = {Unit{"ns", 1},     Unit{"us", 1e3}, Unit{"ms", 1e6},
                                                       Unit{"s", 1e9},    Unit{"m", 60e9}, Unit{"h", 3600e9},
                                                       Unit{"d", 86400e9}};
inline constexpr std::array<Unit, 9> size_units = {Unit{"", 1},
                                                   Unit{"B", 1},
                                                   Unit{"kB", 1e3},
                                                   Unit{"KB", 1e3},
                                                   Unit{"MB", 1e6},
                                                   Unit{"GB", 1e9},
                                                   Unit{"KiB", 1024},
                                                   Unit{"MiB", 1024.0 * 1024},
                                                   Unit{"GiB", 1024.0 * 1024 * 1024}};
inline constexpr std::array<Unit, 4> rate_units = {Unit{"/s", 1}, Unit{"k/s", 1e3}, Unit{"M/s", 1e6},
                                                   Unit{"", 1}};
inline constexpr std::array<Unit, 1> no_units = {Unit{"", 1}};

[[noreturn]] inline void bad_option(const bp_option& option, const std::string& why) {
  throw Error("BadOption", std::string("option \"") + option.name + "\": " + why);
}

template <std::size_t Count>
double parse_number(const bp_option& option, const std::string& written,
                    const std::array<Unit, Count>& units) {
  char* rest = nullptr;
  const double value = std::strtod(written.c_str(), &rest);
  if (rest != written.c_str() && std::isfinite(value))
    for (const auto& [unit, factor] : units)
      if (unit == rest) return value * factor;
  bad_option(option, "\"" + written + "\" is not what its type asks for");
}

inline std::int64_t parse_integer(const bp_option& option, const std::string& written) {
  char* rest = nullptr;
  errno = 0;
  const long long value = std::strtoll(written.c_str(), &rest, 10);
  if (written.empty() || *rest != '\0' || errno != 0)
    bad_option(option, "\"" + written + "\" is not an integer");
  return value;
}

inline std::int64_t whole(const bp_option& option, double value) {
  if (std::abs(value) >= 9.2e18) bad_option(option, "too large");
  return std::llround(value);
}

inline std::vector<std::string> split_list(std::string_view written) {
  if (written.size() < 2 || written.front() != '[' || written.back() != ']') return {std::string(written)};
  std::vector<std::string> all;
  std::string_view rest = written.substr(1, written.size() - 2);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (entry.size() >= 2 && entry.front() == '"' && entry.back() == '"')
      entry = entry.substr(1, entry.size() - 2);
    all.emplace_back(entry);
  }
  return all;
}

inline bool is_choice(std::string_view choices, std::string_view word) {
  while (true) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == word) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

inline void check_bounds(const bp_option& option, double value) {
  if (option.minimum == 0 && option.maximum == 0) return;
  if (value < option.minimum || value > option.maximum) bad_option(option, "out of bounds");
}

// Converts what a manifest would say. Throws Error "BadOption", naming the option.
inline ConvertedOption convert_option(const bp_option& option, std::string written, bool given) {
  ConvertedOption made;
  made.type = static_cast<bp_option_type>(option.type);
  made.given = given;
  switch (made.type) {
    case BP_INTEGER:
      made.integer = parse_integer(option, written);
      made.number = static_cast<double>(made.integer);
      check_bounds(option, made.number);
      break;
    case BP_NUMBER:
      made.number = parse_number(option, written, no_units);
      check_bounds(option, made.number);
      break;
    case BP_RATE:
      made.number = parse_number(option, written, rate_units);
      check_bounds(option, made.number);
      break;
    case BP_BOOLEAN:
      if (written != "true" && written != "false")
        bad_option(option, "\"" + written + "\" is neither true nor false");
      made.integer = written == "true" ? 1 : 0;
      break;
    case BP_DURATION:
      made.integer = written == "0" ? 0 : whole(option, parse_number(option, written, duration_units));
      check_bounds(option, static_cast<double>(made.integer));
      break;
    case BP_SIZE:
      made.integer = whole(option, parse_number(option, written, size_units));
      check_bounds(option, static_cast<double>(made.integer));
      break;
    case BP_CHOICE:
      if (!is_choice(option.choices, written))
        bad_option(option, "\"" + written + "\" is not one of " + option.choices);
      break;
    case BP_TEXT_LIST:
    case BP_ENDPOINT_LIST:
    case BP_COMPONENT_LIST:
      made.list = split_list(written);
      break;
    case BP_TEXT:
    case BP_ENDPOINT:
    case BP_SECRET:
    case BP_PATH:
    case BP_COMPONENT:
      break;
    default:
      bad_option(option, "unknown type");
  }
  made.written = std::move(written);
  return made;
}

}  // namespace detail
}  // namespace backplane
