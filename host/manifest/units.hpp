// Values with a unit, as people write them in a manifest: durations, sizes, rates, endpoints. Pure
// functions, any thread. Nothing overflows in silence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "manifest/manifest.hpp"

namespace backplane::host {

// A value, or the reason why there is none: a phrase that quotes the text and says what was expected, e.g.
// `"10" has no unit; write 10ms, 10s or 10m`.
template <typename Value>
struct Parsed {
  std::optional<Value> value;
  std::string error;  // empty exactly when there is a value
};

// `250ms`, `10s`, `1.5h`, `1h30m` (falling units), `0`. Units: ns us ms s m h d. At most 292 years, exact to
// the nanosecond.
Parsed<Nanoseconds> parse_duration(std::string_view text);

// The same on a command line, where a plain number counts seconds (`2`, `1.5`) and `none` is 0.
Parsed<Nanoseconds> parse_span(std::string_view text);

// Bytes: `123`, `64KiB`, `1.5MiB`, `1MB`. KiB MiB GiB TiB count in 1024, kB KB MB GB TB in 1000, B is a byte.
Parsed<std::int64_t> parse_size(std::string_view text);

// Per second: `10k/s`, `100/m`, `2.5/s`. Multipliers k M G; periods ms s m h d. More than 0.
Parsed<double> parse_rate(std::string_view text);

// Signed, decimal, 64 bit.
Parsed<std::int64_t> parse_integer(std::string_view text);
// A finite decimal number.
Parsed<double> parse_number(std::string_view text);
// true yes on, false no off.
Parsed<bool> parse_boolean(std::string_view text);

// Why `text` is not a ZeroMQ endpoint (tcp://HOST:PORT, ipc://PATH, inproc://NAME), or nothing. `*` as a
// host or port, and port 0, are wildcards, refused unless `wildcards`: one can bind to them, not connect.
std::optional<std::string> endpoint_error(std::string_view text, bool wildcards);
// Why `text` is not an address to bind the admin interface to (HOST:PORT, or unix:PATH), or nothing.
std::optional<std::string> admin_address_error(std::string_view text);
// Whether an endpoint that is bound can be reached from other machines.
bool reachable_from_outside(std::string_view endpoint);

// The shortest exact text that the parsers above read back: 90s as `1m30s`, 65536 as `64KiB`.
std::string duration_text(Nanoseconds duration);
std::string size_text(std::int64_t bytes);
// A number without a needless fraction or exponent.
std::string number_text(double number);

// In quotes for a message: cut behind 60 bytes, line breaks and other control characters shown as \n, \xNN.
std::string in_quotes(std::string_view text);

}  // namespace backplane::host
