// Option tables of a kind, and the checked values a component reads from them.
#pragma once

#include <backplane/abi.h>
#include <backplane/message.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane {

// The type of an option, with its choices and bounds.
struct OptionType {
  std::uint32_t type;
  const char* choices = nullptr;
  double minimum = 0;
  double maximum = 0;
  // Bounds an integer, number, size (bytes) or duration (nanoseconds).
  constexpr OptionType between(double low, double high) const { return {type, choices, low, high}; }
};

inline constexpr OptionType text{BP_TEXT};
inline constexpr OptionType integer{BP_INTEGER};
inline constexpr OptionType number{BP_NUMBER};
inline constexpr OptionType boolean{BP_BOOLEAN};
inline constexpr OptionType duration{BP_DURATION};
inline constexpr OptionType size{BP_SIZE};
inline constexpr OptionType rate{BP_RATE};
inline constexpr OptionType endpoint{BP_ENDPOINT};
inline constexpr OptionType text_list{BP_TEXT_LIST};
inline constexpr OptionType endpoint_list{BP_ENDPOINT_LIST};
inline constexpr OptionType secret{BP_SECRET};
inline constexpr OptionType path{BP_PATH};
inline constexpr OptionType component_name{BP_COMPONENT};
inline constexpr OptionType component_names{BP_COMPONENT_LIST};
// One of several words, written "a|b|c".
constexpr OptionType choice(const char* words) { return {BP_CHOICE, words}; }

struct Required {};
struct Optional {};
inline constexpr Required required{};  // the manifest must give it
inline constexpr Optional optional{};  // may be absent: no default

// A line of a kind's option table: name, type, default (as written in a manifest) or `required` or
// `optional`, help. A name with a dot puts the option into a section: "results.path" is written
// `results: {path: ...}` and read as host.option("results.path").
struct Option : bp_option {
  constexpr Option(const char* called, OptionType kind, const char* otherwise, const char* says)
      : bp_option{called, kind.type, 0, otherwise, kind.choices, says, kind.minimum, kind.maximum} {}
  constexpr Option(const char* called, OptionType kind, Required, const char* says)
      : bp_option{called, kind.type, 1, nullptr, kind.choices, says, kind.minimum, kind.maximum} {}
  constexpr Option(const char* called, OptionType kind, Optional, const char* says)
      : bp_option{called, kind.type, 0, nullptr, kind.choices, says, kind.minimum, kind.maximum} {}
};

namespace detail {

template <std::size_t First, std::size_t Second, std::size_t... I, std::size_t... J>
constexpr std::array<Option, First + Second> join(const std::array<Option, First>& first,
                                                  const std::array<Option, Second>& second,
                                                  std::index_sequence<I...>, std::index_sequence<J...>) {
  return {{first[I]..., second[J]...}};
}

template <std::size_t First, std::size_t Size, std::size_t... I>
constexpr std::array<Option, sizeof...(I)> pick(const std::array<Option, Size>& table,
                                                std::index_sequence<I...>) {
  return {{table[First + I]...}};
}

}  // namespace detail

// `Count` rows of a table from row `First` on.
template <std::size_t First, std::size_t Count, std::size_t Size>
constexpr std::array<Option, Count> rows(const std::array<Option, Size>& table) {
  return detail::pick<First>(table, std::make_index_sequence<Count>());
}

// One table of all the rows of several, for kinds that share options.
template <std::size_t Size>
constexpr std::array<Option, Size> tables(const std::array<Option, Size>& only) {
  return only;
}
template <std::size_t First, std::size_t Second, std::size_t... More>
constexpr auto tables(const std::array<Option, First>& first, const std::array<Option, Second>& second,
                      const std::array<Option, More>&... more) {
  return tables(
      detail::join(first, second, std::make_index_sequence<First>{}, std::make_index_sequence<Second>{}),
      more...);
}

// A checked value. Converts to what its type says: texts to std::string, integers, sizes to integers,
// durations to std::chrono, lists to std::vector<std::string>. An absent value is empty, 0 or false.
class OptionValue {
 public:
  OptionValue() = default;
  explicit OptionValue(const bp_value& value) : value_(value), present_(true) {}

  bool present() const { return present_; }
  bool given() const { return present_ && value_.given != 0; }
  std::string_view view() const { return present_ ? to_view(value_.text) : std::string_view{}; }

  std::vector<std::string> list() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; present_ && i < value_.list_size; ++i) all.emplace_back(to_view(value_.list[i]));
    return all;
  }

  operator std::string() const { return std::string(view()); }
  // Not const, or `milliseconds linger(host.option("linger"))` would take a count instead of a duration.
  explicit operator bool() const { return present_ && value_.integer != 0; }
  operator bool() { return present_ && value_.integer != 0; }
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) operator Integer() {
    return present_ ? static_cast<Integer>(value_.integer) : Integer{};
  }
  template <std::floating_point Number>
  operator Number() {
    if (!present_) return {};
    return value_.type == BP_NUMBER || value_.type == BP_RATE ? static_cast<Number>(value_.number)
                                                              : static_cast<Number>(value_.integer);
  }
  template <typename Rep, typename Period>
  operator std::chrono::duration<Rep, Period>() const {
    return std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(
        std::chrono::nanoseconds(present_ ? value_.integer : 0));
  }
  operator std::vector<std::string>() const { return list(); }
  bool operator==(std::string_view other) const { return view() == other; }

 private:
  bp_value value_{};
  bool present_ = false;
};

}  // namespace backplane
