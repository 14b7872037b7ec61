// C++ types <-> values: what the parameters and results of functions may be.
//
//   bool, integers (checked for range), float and double (integers are welcome), std::string and
//   std::string_view (text), Bytes and std::vector<std::byte>, Value (anything), std::optional<T> (nil:
//   empty), std::vector<T>, std::tuple and std::pair (lists of a fixed length), std::map<K, T> and
//   std::unordered_map<K, T>. Own types: specialise Converter.
#pragma once

#include <backplane/value.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace backplane {

// A value was not of the type that was asked for.
class TypeMismatch : public Error {
 public:
  TypeMismatch(const std::string& expected, const std::string& got)
      : Error("TypeError", "expected " + expected + ", got " + got) {}
  explicit TypeMismatch(const std::string& says) : Error("TypeError", says) {}
};

// How T becomes a value and back:
//   static constexpr const char* type;  its name in tables and errors: "int", "text", "list", ...
//   static T take(Value&)               may move the content out; throws TypeMismatch
//   static Value give(T)
template <typename T>
struct Converter;

// Converts a value to T. Throws TypeMismatch.
template <typename T>
T from_value(Value value) {
  static_assert(!std::is_same_v<T, std::string_view>, "the text would be gone when the view is read");
  return Converter<T>::take(value);
}
template <typename T>
Value to_value(T&& content) {
  return Converter<std::decay_t<T>>::give(std::forward<T>(content));
}

template <typename T>
concept Convertible = requires(Value& value) {
  { Converter<T>::take(value) } -> std::same_as<T>;
};

namespace detail {

[[noreturn]] inline void mismatch(const std::string& expected, const Value& got) {
  throw TypeMismatch(expected, describe(got));
}
// Takes an item of a list or map, and names the place when it does not fit.
template <typename T>
T take_item(Value& value, const std::string& place) {
  try {
    return Converter<T>::take(value);
  } catch (const TypeMismatch& failure) {
    throw TypeMismatch(place + ": " + failure.what());
  }
}
template <typename T>
T& part_of(Value& value, const char* expected) {
  if (auto* part = value.get_if<T>()) return *part;
  mismatch(expected, value);
}

}  // namespace detail

template <>
struct Converter<Value> {
  static constexpr const char* type = "any";
  static Value take(Value& value) { return std::move(value); }
  static Value give(Value value) { return value; }
};

template <>
struct Converter<bool> {
  static constexpr const char* type = "bool";
  static bool take(Value& value) { return detail::part_of<bool>(value, type); }
  static Value give(bool truth) { return truth; }
};

template <std::integral Integer>
requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>) struct Converter<Integer> {
  static constexpr const char* type = "int";
  static Integer take(Value& value) {
    if (const auto* whole = value.get_if<std::int64_t>()) {
      if (std::in_range<Integer>(*whole)) return static_cast<Integer>(*whole);
    } else if (const auto* large = value.get_if<std::uint64_t>()) {
      if (std::in_range<Integer>(*large)) return static_cast<Integer>(*large);
    } else {
      detail::mismatch(type, value);
    }
    detail::mismatch("int from " + std::to_string(std::numeric_limits<Integer>::min()) + " to " +
                         std::to_string(std::numeric_limits<Integer>::max()),
                     value);
  }
  static Value give(Integer whole) { return whole; }
};

template <std::floating_point Number>
struct Converter<Number> {
  static constexpr const char* type = "double";
  static Number take(Value& value) {
    if (const auto* real = value.get_if<double>()) return static_cast<Number>(*real);
    if (const auto* whole = value.get_if<std::int64_t>()) return static_cast<Number>(*whole);
    if (const auto* large = value.get_if<std::uint64_t>()) return static_cast<Number>(*large);
    detail::mismatch(type, value);
  }
  static Value give(Number real) { return real; }
};

template <>
struct Converter<std::string> {
  static constexpr const char* type = "text";
  static std::string take(Value& value) { return std::move(detail::part_of<std::string>(value, type)); }
  static Value give(std::string content) { return content; }
};

// As a parameter: valid during the call, also across the waits of a coroutine.
template <>
struct Converter<std::string_view> {
  static constexpr const char* type = "text";
  static std::string_view take(Value& value) { return detail::part_of<std::string>(value, type); }
  static Value give(std::string_view content) { return content; }
};

template <>
struct Converter<const char*> {
  static constexpr const char* type = "text";
  static Value give(const char* content) { return content; }
};

template <>
struct Converter<std::nullptr_t> {
  static constexpr const char* type = "any";
  static Value give(std::nullptr_t) { return {}; }
};

template <>
struct Converter<Bytes> {
  static constexpr const char* type = "bytes";
  static Bytes take(Value& value) { return std::move(detail::part_of<Bytes>(value, type)); }
  static Value give(Bytes bytes) { return bytes; }
};

template <>
struct Converter<std::vector<std::byte>> {
  static constexpr const char* type = "bytes";
  static std::vector<std::byte> take(Value& value) {
    const auto& content = detail::part_of<Bytes>(value, type).content;
    std::vector<std::byte> bytes(content.size());
    if (!content.empty()) std::memcpy(bytes.data(), content.data(), content.size());
    return bytes;
  }
  static Value give(const std::vector<std::byte>& bytes) {
    return Bytes{std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
  }
};

template <typename T>
struct Converter<std::optional<T>> {
  static constexpr const char* type = Converter<T>::type;
  static std::optional<T> take(Value& value) {
    if (value.is_nil()) return std::nullopt;
    return Converter<T>::take(value);
  }
  static Value give(std::optional<T> content) {
    return content ? Converter<T>::give(std::move(*content)) : Value();
  }
};

template <typename T>
struct Converter<std::vector<T>> {
  static constexpr const char* type = "list";
  static std::vector<T> take(Value& value) {
    auto& list = detail::part_of<Array>(value, type);
    std::vector<T> all;
    all.reserve(list.size());
    for (std::size_t i = 0; i < list.size(); ++i)
      all.push_back(detail::take_item<T>(list[i], "item " + std::to_string(i)));
    return all;
  }
  static Value give(std::vector<T> all) {
    Array list;
    list.reserve(all.size());
    for (auto&& item : all) list.push_back(Converter<T>::give(std::move(item)));
    return list;
  }
};

// Array itself: no conversion item by item.
template <>
struct Converter<Array> {
  static constexpr const char* type = "list";
  static Array take(Value& value) { return std::move(detail::part_of<Array>(value, type)); }
  static Value give(Array list) { return list; }
};
template <>
struct Converter<Map> {
  static constexpr const char* type = "map";
  static Map take(Value& value) { return std::move(detail::part_of<Map>(value, type)); }
  static Value give(Map map) { return map; }
};

namespace detail {

template <typename Container>
struct MapConverter {
  using Key = typename Container::key_type;
  using Mapped = typename Container::mapped_type;
  static constexpr const char* type = "map";
  static Container take(Value& value) {
    Container all;
    for (auto& [key, item] : part_of<Map>(value, type)) {
      const auto place = "key " + describe(key);
      all.insert_or_assign(take_item<Key>(key, place), take_item<Mapped>(item, place));
    }
    return all;
  }
  static Value give(Container all) {
    Map map;
    map.reserve(all.size());
    for (auto&& [key, item] : all)
      map.push_back({Converter<Key>::give(key), Converter<Mapped>::give(std::move(item))});
    return map;
  }
};

template <typename Tuple>
struct TupleConverter {
  static constexpr const char* type = "list";
  static constexpr std::size_t count = std::tuple_size_v<Tuple>;
  static Tuple take(Value& value) {
    auto& list = part_of<Array>(value, type);
    if (list.size() != count) mismatch("list of " + std::to_string(count), value);
    return take_all(list, std::make_index_sequence<count>());
  }
  static Value give(Tuple all) {
    return std::apply(
        [](auto&&... items) {
          Array list;
          list.reserve(count);
          (list.push_back(to_value(std::move(items))), ...);
          return list;
        },
        std::move(all));
  }

 private:
  template <std::size_t... Index>
  static Tuple take_all([[maybe_unused]] Array& list, std::index_sequence<Index...>) {
    return Tuple{
        take_item<std::tuple_element_t<Index, Tuple>>(list[Index], "item " + std::to_string(Index))...};
  }
};

}  // namespace detail

template <typename K, typename T>
struct Converter<std::map<K, T>> : detail::MapConverter<std::map<K, T>> {};
template <typename K, typename T>
struct Converter<std::map<K, T, std::less<>>> : detail::MapConverter<std::map<K, T, std::less<>>> {};
template <typename K, typename T>
struct Converter<std::unordered_map<K, T>> : detail::MapConverter<std::unordered_map<K, T>> {};
template <typename... T>
struct Converter<std::tuple<T...>> : detail::TupleConverter<std::tuple<T...>> {};
template <typename A, typename B>
struct Converter<std::pair<A, B>> : detail::TupleConverter<std::pair<A, B>> {};

}  // namespace backplane
