#include "manifest/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace backplane::host {
namespace {

__extension__ typedef unsigned __int128 Wide;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::int64_t second = 1'000'000'000;
constexpr std::array<Unit, 7> duration_units{{{"d", 86400 * second},
                                              {"h", 3600 * second},
                                              {"m", 60 * second},
                                              {"s", second},
                                              {"ms", 1'000'000},
                                              {"us", 1'000},
                                              {"ns", 1}}};
constexpr std::int64_t kilo = 1000;
constexpr std::int64_t kibi = 1024;
constexpr std::array<Unit, 10> size_units{{{"TiB", kibi* kibi* kibi* kibi},
                                           {"GiB", kibi* kibi* kibi},
                                           {"MiB", kibi* kibi},
                                           {"KiB", kibi},
                                           {"TB", kilo* kilo* kilo* kilo},
                                           {"GB", kilo* kilo* kilo},
                                           {"MB", kilo* kilo},
                                           {"kB", kilo},
                                           {"KB", kilo},
                                           {"B", 1}}};
constexpr std::array<Unit, 3> rate_multipliers{{{"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <std::size_t Count>
const Unit* find_unit(const std::array<Unit, Count>& units, std::string_view name) {
  for (const auto& unit : units)
    if (unit.name == name) return &unit;
  return nullptr;
}

std::string_view take_digits(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  const auto digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

std::string_view take_letters(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  const auto letters = text.substr(0, end);
  text.remove_prefix(end);
  return letters;
}

// Digits with an optional fraction, exact.
struct Decimal {
  std::string_view whole;
  std::string_view fraction;
};

std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal decimal;
  decimal.whole = take_digits(text);
  if (decimal.whole.empty()) return std::nullopt;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    decimal.fraction = take_digits(text);
    if (decimal.fraction.empty()) return std::nullopt;
  }
  return decimal;
}

enum class Scaling { exact, too_large, not_whole };

// value = decimal x factor, when that is a whole number of 64 bits.
Scaling scale(const Decimal& decimal, std::int64_t factor, std::int64_t& value) {
  constexpr auto limit = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  Wide whole = 0;
  for (const char digit : decimal.whole) {
    whole = whole * 10 + static_cast<Wide>(digit - '0');
    if (whole > limit) return Scaling::too_large;
  }
  Wide fraction = 0;
  Wide divisor = 1;
  if (decimal.fraction.size() > 15) return Scaling::not_whole;
  for (const char digit : decimal.fraction) {
    fraction = fraction * 10 + static_cast<Wide>(digit - '0');
    divisor *= 10;
  }
  const auto scaled = fraction * static_cast<Wide>(factor);
  if (scaled % divisor != 0) return Scaling::not_whole;
  const auto sum = whole * static_cast<Wide>(factor) + scaled / divisor;
  if (sum > limit) return Scaling::too_large;
  value = static_cast<std::int64_t>(sum);
  return Scaling::exact;
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

template <typename Value>
Parsed<Value> refuse(std::string reason) {
  return {std::nullopt, std::move(reason)};
}

Parsed<Nanoseconds> not_a_duration(std::string_view text) {
  return refuse<Nanoseconds>(in_quotes(text) + " is not a duration; expected e.g. 250ms, 10s, 1h30m or 0");
}

Parsed<Nanoseconds> no_duration_unit(std::string_view text) {
  const std::string number(text);
  return refuse<Nanoseconds>(in_quotes(text) + " has no unit; write " + number + "ms, " + number + "s or " +
                             number + "m");
}

bool valid_port(std::string_view port) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc{} && end == port.data() + port.size() && number <= 65535;
}

bool is_wildcard_port(std::string_view port) { return port == "*" || is_zero(port); }

bool valid_host(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto inner = host.substr(1, host.size() - 2);
    for (const char c : inner)
      if (!is_digit(c) && !is_letter(c) && c != ':' && c != '.' && c != '%') return false;
    return true;
  }
  for (const char c : host)
    if (!is_digit(c) && !is_letter(c) && c != '.' && c != '-' && c != '_' && c != '%') return false;
  return !host.empty();
}

std::optional<std::string> tcp_address_error(std::string_view text, std::string_view address,
                                             bool wildcards) {
  constexpr auto expected = "expected tcp://HOST:PORT, e.g. tcp://127.0.0.1:5555";
  const auto source_end = address.find(';');  // tcp://SOURCE;HOST:PORT
  const auto target = source_end == std::string_view::npos ? address : address.substr(source_end + 1);
  const auto colon = target.rfind(':');
  if (colon == std::string_view::npos || target.ends_with(']'))
    return in_quotes(text) + " has no port; " + expected;
  const auto host = target.substr(0, colon);
  const auto port = target.substr(colon + 1);
  if (host.empty()) return in_quotes(text) + " has no host; " + expected;
  if (host.find(':') != std::string_view::npos && host.front() != '[')
    return in_quotes(text) + ": an IPv6 address goes in brackets, e.g. tcp://[::1]:5555";
  if (host != "*" && !valid_host(host)) return in_quotes(text) + " has an impossible host; " + expected;
  if (port.empty()) return in_quotes(text) + " has no port; " + expected;
  if (port != "*" && !valid_port(port))
    return in_quotes(text) + ": " + in_quotes(port) +
           " is not a port; expected 1 to 65535, or * for any free one";
  if (!wildcards && (host == "*" || is_wildcard_port(port)))
    return in_quotes(text) +
           " has a wildcard, which one can bind to but not connect to; name the host and port";
  return std::nullopt;
}

}  // namespace

Parsed<Nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return {Nanoseconds(0), {}};
  if (text.empty()) return not_a_duration(text);
  auto rest = text;
  std::int64_t sum = 0;
  std::int64_t last_factor = std::numeric_limits<std::int64_t>::max();
  while (!rest.empty()) {
    const auto decimal = take_decimal(rest);
    if (!decimal) return not_a_duration(text);
    const auto name = take_letters(rest);
    if (name.empty() && rest.empty()) return no_duration_unit(text);
    const auto* unit = find_unit(duration_units, name);
    if (unit == nullptr)
      return refuse<Nanoseconds>(in_quotes(text) + ": " + in_quotes(name) +
                                 " is not a unit of time; expected ns, us, ms, s, m, h or d");
    if (unit->factor >= last_factor) return not_a_duration(text);
    last_factor = unit->factor;
    std::int64_t part = 0;
    const auto scaling = scale(*decimal, unit->factor, part);
    if (scaling == Scaling::not_whole)
      return refuse<Nanoseconds>(in_quotes(text) + " is not a whole number of nanoseconds");
    if (scaling == Scaling::too_large || __builtin_add_overflow(sum, part, &sum))
      return refuse<Nanoseconds>(in_quotes(text) + " is too long; at most 106751d");
  }
  return {Nanoseconds(sum), {}};
}

Parsed<Nanoseconds> parse_span(std::string_view text) {
  if (text == "none") return {Nanoseconds(0), {}};
  auto rest = text;
  const bool is_number = take_decimal(rest) && rest.empty();
  return parse_duration(is_number ? std::string(text) + "s" : std::string(text));
}

Parsed<std::int64_t> parse_size(std::string_view text) {
  auto rest = text;
  const auto decimal = take_decimal(rest);
  if (!decimal)
    return refuse<std::int64_t>(in_quotes(text) + " is not a size; expected e.g. 64KiB, 1MB or 1500 (bytes)");
  const auto* unit = rest.empty() ? &size_units.back() : find_unit(size_units, rest);
  if (unit == nullptr)
    return refuse<std::int64_t>(
        in_quotes(text) + ": " + in_quotes(rest) +
        " is not a unit of size; expected B, KiB, MiB, GiB, TiB (1024) or kB, MB, GB, "
        "TB (1000)");
  std::int64_t bytes = 0;
  switch (scale(*decimal, unit->factor, bytes)) {
    case Scaling::exact:
      return {bytes, {}};
    case Scaling::not_whole:
      return refuse<std::int64_t>(in_quotes(text) + " is not a whole number of bytes");
    case Scaling::too_large:
      break;
  }
  return refuse<std::int64_t>(in_quotes(text) + " is too large; at most 8388607TiB");
}

Parsed<double> parse_rate(std::string_view text) {
  constexpr auto expected = "expected e.g. 10k/s, 100/m or 2.5/s";
  const auto slash = text.find('/');
  auto count = text.substr(0, slash);
  const auto decimal = take_decimal(count);
  const auto* multiplier = count.empty() ? nullptr : find_unit(rate_multipliers, count);
  if (!decimal || (!count.empty() && multiplier == nullptr))
    return refuse<double>(in_quotes(text) + " is not a rate; " + expected);
  if (slash == std::string_view::npos)
    return refuse<double>(in_quotes(text) + " does not say per what; write " + std::string(text) +
                          "/s, or /m, /h");
  const auto* period = find_unit(duration_units, text.substr(slash + 1));
  if (period == nullptr)
    return refuse<double>(in_quotes(text) + ": " + in_quotes(text.substr(slash + 1)) +
                          " is not a period; expected /ms, /s, /m, /h or /d");
  const auto number = parse_number(text.substr(0, slash - count.size()));
  if (!number.value) return refuse<double>(in_quotes(text) + " is not a rate; " + expected);
  const double factor = multiplier == nullptr ? 1 : static_cast<double>(multiplier->factor);
  const double rate =
      *number.value * factor * (static_cast<double>(second) / static_cast<double>(period->factor));
  if (!(rate > 0)) return refuse<double>(in_quotes(text) + " would let nothing pass; a rate is more than 0");
  if (!std::isfinite(rate)) return refuse<double>(in_quotes(text) + " is too large");
  return {rate, {}};
}

Parsed<std::int64_t> parse_integer(std::string_view text) {
  auto digits = text.starts_with('+') ? text.substr(1) : text;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range)
    return refuse<std::int64_t>(in_quotes(text) + " does not fit in 64 bits");
  if (error != std::errc{} || end != digits.data() + digits.size() || text.starts_with("+-"))
    return refuse<std::int64_t>(in_quotes(text) + " is not a whole number");
  return {number, {}};
}

Parsed<double> parse_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return refuse<double>(in_quotes(text) + " is out of range");
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
    return refuse<double>(in_quotes(text) + " is not a number");
  return {number, {}};
}

Parsed<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on") return {true, {}};
  if (text == "false" || text == "no" || text == "off") return {false, {}};
  return refuse<bool>(in_quotes(text) + " is neither true nor false");
}

std::optional<std::string> endpoint_error(std::string_view text, bool wildcards) {
  constexpr auto expected = "expected tcp://HOST:PORT, ipc://PATH or inproc://NAME";
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return in_quotes(text) + " is not an endpoint; " + expected;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ') return in_quotes(text) + " contains a space; " + expected;
  const auto scheme = text.substr(0, scheme_end);
  const auto address = text.substr(scheme_end + 3);
  if (scheme == "tcp") return tcp_address_error(text, address, wildcards);
  if (scheme != "ipc" && scheme != "inproc")
    return in_quotes(text) + ": " + in_quotes(scheme) + " is not a transport; " + expected;
  if (address.empty()) return in_quotes(text) + " names nothing; " + expected;
  if (!wildcards && address == "*")
    return in_quotes(text) + " has a wildcard, which one can bind to but not connect to";
  if (scheme == "ipc" && address.size() > 107)
    return in_quotes(text) + " is too long for a socket's path; at most 107 bytes";
  if (scheme == "inproc" && address.size() > 255) return in_quotes(text) + " is too long; at most 255 bytes";
  return std::nullopt;
}

std::optional<std::string> admin_address_error(std::string_view text) {
  constexpr auto expected = "expected HOST:PORT, e.g. 127.0.0.1:7700, or unix:PATH";
  if (text.starts_with("unix:")) {
    if (text.size() == 5 || text.size() - 5 > 107)
      return in_quotes(text) + ": the path has 1 to 107 bytes; " + expected;
    return std::nullopt;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return in_quotes(text) + " is not an address; " + expected;
  const auto host = text.substr(0, colon);
  if (!(host == "*" || valid_host(host)) || !valid_port(text.substr(colon + 1)))
    return in_quotes(text) + " is not an address; " + expected;
  return std::nullopt;
}

bool reachable_from_outside(std::string_view endpoint) {
  constexpr std::string_view scheme = "tcp://";
  if (!endpoint.starts_with(scheme)) return false;
  const auto address = endpoint.substr(scheme.size());
  const auto host = address.substr(0, address.rfind(':'));
  return !(host == "localhost" || host == "lo" || host == "[::1]" || host.starts_with("127."));
}

std::string duration_text(Nanoseconds duration) {
  auto rest = duration.count();
  if (rest == 0) return "0";
  std::string text;
  for (const auto& unit : duration_units) {
    if (rest < unit.factor) continue;
    text += std::to_string(rest / unit.factor);
    text += unit.name;
    rest %= unit.factor;
  }
  return text;
}

std::string size_text(std::int64_t bytes) {
  for (const auto& unit : size_units)
    if (unit.factor > 1 && bytes >= unit.factor && bytes % unit.factor == 0)
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
  return std::to_string(bytes);
}

std::string number_text(double number) {
  std::array<char, 64> buffer{};
  constexpr double exact = 9007199254740992.0;  // 2^53: whole numbers up to here are written in full
  const bool whole = std::abs(number) < exact && number == std::trunc(number);
  const auto result =
      whole ? std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<std::int64_t>(number))
            : std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), result.ptr};
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t limit = 60;
  std::size_t length = text.size();
  if (length > limit) {
    length = limit;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;  // UTF-8
  }
  std::string out = "\"";
  for (const char c : text.substr(0, length)) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape.data();
    } else {
      out += c;
    }
  }
  out += length < text.size() ? "...\"" : "\"";
  return out;
}

}  // namespace backplane::host
