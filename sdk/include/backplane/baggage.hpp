// Baggage: named texts that travel along with whatever a call causes, such as a trace id, or the tag that the
// log lines of a request begin with.
//
// It is kept in a message's headers: those whose names begin with "baggage-" are baggage, the others are for
// the next component only. A wire adds what its peer sent; functions read it with Context::baggage; their
// nested calls and Host::message_after carry all of it on.
#pragma once

#include <backplane/message.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace backplane {

inline constexpr std::string_view baggage_prefix = "baggage-";
// Bytes of all baggage of one message as header lines: what W3C asks of those who carry a `baggage` header.
inline constexpr std::size_t most_baggage = 8192;

struct BaggageItem {
  std::string name;
  std::string value;
  bool operator==(const BaggageItem&) const = default;
};

namespace detail {

inline std::string baggage_header(std::string_view name) {
  std::string header(baggage_prefix);
  append_escaped(header, name, is_plain_in_name);
  return header;
}

// Calls `use(line)` for each line, its end included.
template <typename Use>
void each_line(std::string_view lines, Use&& use) {
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    const auto line = lines.substr(0, end == std::string_view::npos ? end : end + 1);
    lines.remove_prefix(line.size());
    use(line);
  }
}

}  // namespace detail

// Those of the header lines that are baggage.
inline std::string baggage_lines(std::string_view headers) {
  std::string lines;
  if (headers.find(baggage_prefix) == std::string_view::npos) return lines;
  detail::each_line(headers, [&](std::string_view line) {
    if (!line.starts_with(baggage_prefix)) return;
    lines += line;
    if (line.back() != '\n') lines += '\n';
  });
  return lines;
}

// The value of `name` in header lines, or empty.
inline std::string baggage_in(std::string_view headers, std::string_view name) {
  if (headers.find(baggage_prefix) == std::string_view::npos) return {};
  return detail::unescaped(header_in(headers, detail::baggage_header(name)));
}

// All of it, in the order of the lines.
inline std::vector<BaggageItem> baggage_of(std::string_view headers) {
  std::vector<BaggageItem> all;
  detail::each_line(baggage_lines(headers), [&](std::string_view line) {
    line.remove_prefix(baggage_prefix.size());
    line.remove_suffix(1);
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos)
      all.push_back({detail::unescaped(line.substr(0, colon)), detail::unescaped(line.substr(colon + 2))});
  });
  return all;
}

// Adds `name` to the baggage of `message`, or replaces its value; an empty value removes it. Any text will
// do. False, and nothing is changed: no name, or more than most_baggage in all. Throws std::bad_alloc.
inline bool add_baggage(Message& message, std::string_view name, std::string_view value) {
  if (name.empty()) return false;
  const auto header = detail::baggage_header(name);
  std::string others;
  std::string baggage;
  detail::each_line(message.headers(), [&](std::string_view line) {
    if (!line.starts_with(baggage_prefix)) {
      others += line;
    } else if (!line.starts_with(header) || line.substr(header.size(), 1) != ":") {
      baggage += line;
    }
  });
  detail::append_header(baggage, header, value);
  if (baggage.size() > most_baggage) return false;
  message.set_headers(others + baggage);
  return true;
}

// Adds the baggage among the lines `headers` to a message that has none yet. Throws std::bad_alloc.
inline void carry_baggage(std::string_view headers, Message& to) {
  const auto lines = baggage_lines(headers);
  if (!lines.empty()) to.set_headers(std::string(to.headers()) + lines);
}

}  // namespace backplane
