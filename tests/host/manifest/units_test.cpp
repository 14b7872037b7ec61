#include "manifest/units.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace backplane::host {
namespace {

constexpr auto longest = std::numeric_limits<std::int64_t>::max();

std::int64_t nanoseconds(std::string_view text) {
  const auto parsed = parse_duration(text);
  EXPECT_TRUE(parsed.value) << text << ": " << parsed.error;
  return parsed.value.value_or(Nanoseconds(-1)).count();
}
std::int64_t bytes(std::string_view text) {
  const auto parsed = parse_size(text);
  EXPECT_TRUE(parsed.value) << text << ": " << parsed.error;
  return parsed.value.value_or(-1);
}
double per_second(std::string_view text) {
  const auto parsed = parse_rate(text);
  EXPECT_TRUE(parsed.value) << text << ": " << parsed.error;
  return parsed.value.value_or(-1);
}

TEST(Durations, HaveUnits) {
  EXPECT_EQ(nanoseconds("0"), 0);
  EXPECT_EQ(nanoseconds("0s"), 0);
  EXPECT_EQ(nanoseconds("7ns"), 7);
  EXPECT_EQ(nanoseconds("3us"), 3'000);
  EXPECT_EQ(nanoseconds("250ms"), 250'000'000);
  EXPECT_EQ(nanoseconds("10s"), 10'000'000'000);
  EXPECT_EQ(nanoseconds("5m"), 300'000'000'000);
  EXPECT_EQ(nanoseconds("1d"), 86'400'000'000'000);
}

TEST(Durations, OfACommandLineMayBePlainSecondsOrNone) {
  const auto span = [](std::string_view text) { return parse_span(text).value.value_or(Nanoseconds(-1)); };
  EXPECT_EQ(span("2"), std::chrono::seconds(2));
  EXPECT_EQ(span("1.5"), std::chrono::milliseconds(1500));
  EXPECT_EQ(span("0"), Nanoseconds(0));
  EXPECT_EQ(span("0.0"), Nanoseconds(0));
  EXPECT_EQ(span("none"), Nanoseconds(0));
  EXPECT_EQ(span("250ms"), std::chrono::milliseconds(250));
  for (const auto* wrong : {"", "-1", "1.", "x", "1 s", "1e3", "None", "99999999999999"})
    EXPECT_FALSE(parse_span(wrong).value) << wrong;
  EXPECT_FALSE(parse_duration("2").value) << "a manifest says the unit";
}

TEST(Durations, CombineFallingUnits) {
  EXPECT_EQ(nanoseconds("1h30m"), 5'400'000'000'000);
  EXPECT_EQ(nanoseconds("1m0.5s"), 60'500'000'000);
  EXPECT_FALSE(parse_duration("30m1h").value);
  EXPECT_FALSE(parse_duration("1s1s").value);
}

TEST(Durations, AreExactToTheNanosecond) {
  EXPECT_EQ(nanoseconds("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(nanoseconds("0.000000001s"), 1);
  EXPECT_NE(parse_duration("0.5ns").error.find("whole number of nanoseconds"), std::string::npos);
  EXPECT_NE(parse_duration("0.0000000001s").error.find("whole number of nanoseconds"), std::string::npos);
}

TEST(Durations, WithoutUnitAreRefusedWithAHint) {
  EXPECT_EQ(parse_duration("10").error, "\"10\" has no unit; write 10ms, 10s or 10m");
}

TEST(Durations, DoNotOverflow) {
  EXPECT_EQ(nanoseconds("9223372036854775807ns"), longest);
  EXPECT_FALSE(parse_duration("9223372036854775808ns").value);
  EXPECT_FALSE(parse_duration("106752d").value);
  EXPECT_FALSE(parse_duration("106751d24h").value);
  EXPECT_FALSE(parse_duration(std::string(10'000, '9') + "s").value);
}

TEST(Durations, RefuseEverythingElse) {
  for (const auto* text : {"", " ", "s", "-1s", "+1s", "1 s", "1s ", ".5s", "1.s", "1e3s", "0x1s", "1S",
                           "1min", "nan", "s1", "1.2.3s"})
    EXPECT_FALSE(parse_duration(text).value) << text;
}

TEST(Durations, ArePrintedAsTheyAreRead) {
  for (const auto* text :
       {"0", "1ns", "1us", "250ms", "10s", "1m30s", "1h", "1d12h", "106751d23h47m16s854ms775us807ns"})
    EXPECT_EQ(duration_text(Nanoseconds(nanoseconds(text))), text);
}

TEST(Sizes, CountIn1024And1000) {
  EXPECT_EQ(bytes("0"), 0);
  EXPECT_EQ(bytes("123"), 123);
  EXPECT_EQ(bytes("123B"), 123);
  EXPECT_EQ(bytes("64KiB"), 65536);
  EXPECT_EQ(bytes("1.5MiB"), 1572864);
  EXPECT_EQ(bytes("1MB"), 1'000'000);
  EXPECT_EQ(bytes("2kB"), 2000);
  EXPECT_EQ(bytes("2GiB"), std::int64_t{2} << 30);
  EXPECT_EQ(bytes("3TB"), 3'000'000'000'000);
}

TEST(Sizes, AreWholeBytesWithinBounds) {
  EXPECT_FALSE(parse_size("0.5B").value);
  EXPECT_FALSE(parse_size("1.0001KiB").value);
  EXPECT_EQ(bytes("8388607TiB"), std::int64_t{8388607} << 40);
  EXPECT_FALSE(parse_size("8388608TiB").value);
  EXPECT_EQ(bytes("9223372036854775807"), longest);
  EXPECT_FALSE(parse_size("9223372036854775808").value);
}

TEST(Sizes, RefuseAmbiguousAndOtherTexts) {
  for (const auto* text : {"", "64k", "64K", "1M", "KiB", "-1", "1 KiB", "1kib", "1KiB2B", "ten"})
    EXPECT_FALSE(parse_size(text).value) << text;
}

TEST(Sizes, ArePrintedAsTheyAreRead) {
  for (const auto* text : {"0", "1", "1023", "64KiB", "1MB", "3GiB", "1025"})
    EXPECT_EQ(size_text(bytes(text)), text);
}

TEST(Rates, ArePerSecond) {
  EXPECT_DOUBLE_EQ(per_second("10k/s"), 10'000);
  EXPECT_DOUBLE_EQ(per_second("2.5/s"), 2.5);
  EXPECT_DOUBLE_EQ(per_second("90/m"), 1.5);
  EXPECT_DOUBLE_EQ(per_second("1M/h"), 1e6 / 3600);
  EXPECT_DOUBLE_EQ(per_second("3/ms"), 3000);
  EXPECT_DOUBLE_EQ(per_second("1G/s"), 1e9);
}

TEST(Rates, RefuseEverythingElse) {
  for (const auto* text : {"", "/", "/s", "10", "10k", "10/", "10/x", "10kk/s", "k/s", "-1/s", "0/s", "0.0/s",
                           "1/s/s", "1/ s", "1K/s", "1./s"})
    EXPECT_FALSE(parse_rate(text).value) << text;
  EXPECT_FALSE(parse_rate(std::string(400, '9') + "/s").value);
}

TEST(Numbers, AreDecimalAndFinite) {
  EXPECT_EQ(parse_integer("-42").value, -42);
  EXPECT_EQ(parse_integer("+7").value, 7);
  EXPECT_EQ(parse_integer("-9223372036854775808").value, std::numeric_limits<std::int64_t>::min());
  for (const auto* text : {"", "+", "+-1", "1.0", "0x10", "1e3", " 1", "1_000", "9223372036854775808"})
    EXPECT_FALSE(parse_integer(text).value) << text;
  EXPECT_EQ(parse_number("-1.5e3").value, -1500);
  for (const auto* text : {"", "nan", "inf", "1e999", "0x1p3", "1,5", "+1"})
    EXPECT_FALSE(parse_number(text).value) << text;
}

TEST(Numbers, ArePrintedShortly) {
  EXPECT_EQ(number_text(10000000), "10000000");
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(-3), "-3");
  EXPECT_EQ(number_text(1e300), "1e+300");
}

TEST(Booleans, HaveSixWords) {
  for (const auto* text : {"true", "yes", "on"}) EXPECT_EQ(parse_boolean(text).value, true);
  for (const auto* text : {"false", "no", "off"}) EXPECT_EQ(parse_boolean(text).value, false);
  for (const auto* text : {"", "True", "1", "0", "y"}) EXPECT_FALSE(parse_boolean(text).value) << text;
}

TEST(Endpoints, HaveThreeTransports) {
  for (const auto* text : {"tcp://127.0.0.1:5555", "tcp://*:5555", "tcp://*:*", "tcp://127.0.0.1:0",
                           "tcp://eth0:5555", "tcp://[::1]:5555", "tcp://[fe80::1%eth0]:1",
                           "tcp://my-host.example.org:65535", "tcp://192.168.1.17:5555;192.168.1.1:5555",
                           "ipc:///run/jobs", "ipc://@abstract", "ipc://*", "inproc://a"})
    EXPECT_EQ(endpoint_error(text, true), std::nullopt) << text;
  for (const auto* text : {"",
                           "127.0.0.1:5555",
                           "tcp:/127.0.0.1:5555",
                           "tcp://",
                           "tcp://:5555",
                           "tcp://127.0.0.1",
                           "tcp://127.0.0.1:",
                           "tcp://127.0.0.1:65536",
                           "tcp://127.0.0.1:-1",
                           "tcp://127.0.0.1:5555x",
                           "tcp://a b:1",
                           "tcp://::1:5555",
                           "tcp://[::1]",
                           "TCP://a:1",
                           "udp://a:1",
                           "pgm://a:1",
                           "ipc://",
                           "inproc://",
                           "tcp://a/b:1",
                           "tcp://[x/y]:1"})
    EXPECT_NE(endpoint_error(text, true), std::nullopt) << text;
}

TEST(Endpoints, CannotConnectToAWildcard) {
  for (const auto* text : {"tcp://*:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*"})
    EXPECT_NE(endpoint_error(text, false), std::nullopt) << text;
  EXPECT_EQ(endpoint_error("tcp://127.0.0.1:5555", false), std::nullopt);
}

TEST(Endpoints, AreBoundedInLength) {
  EXPECT_EQ(endpoint_error("ipc:///" + std::string(106, 'x'), true), std::nullopt);
  EXPECT_NE(endpoint_error("ipc:///" + std::string(107, 'x'), true), std::nullopt);
  EXPECT_NE(endpoint_error("inproc://" + std::string(256, 'x'), true), std::nullopt);
}

TEST(Endpoints, OnLoopbackAreNotReachableFromOutside) {
  for (const auto* text : {"tcp://127.0.0.1:1", "tcp://127.3.0.1:*", "tcp://localhost:1", "tcp://[::1]:1",
                           "tcp://lo:1", "ipc://x", "inproc://x"})
    EXPECT_FALSE(reachable_from_outside(text)) << text;
  for (const auto* text :
       {"tcp://*:1", "tcp://0.0.0.0:1", "tcp://192.168.0.1:1", "tcp://eth0:1", "tcp://[::]:1"})
    EXPECT_TRUE(reachable_from_outside(text)) << text;
}

TEST(AdminAddresses, AreHostAndPortOrASocket) {
  for (const auto* text :
       {"127.0.0.1:7700", "*:7700", "[::1]:7700", "localhost:0", "unix:/run/backplane.sock"})
    EXPECT_EQ(admin_address_error(text), std::nullopt) << text;
  for (const auto* text : {"", "localhost", ":7700", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "unix:"})
    EXPECT_NE(admin_address_error(text), std::nullopt) << text;
}

TEST(Quotes, ShowControlCharactersAndCutLongTexts) {
  EXPECT_EQ(in_quotes("a\nb\x01"), "\"a\\nb\\x01\"");
  EXPECT_EQ(in_quotes(std::string(61, 'x')), "\"" + std::string(60, 'x') + "...\"");
  EXPECT_EQ(in_quotes(std::string(59, 'x') + "é"), "\"" + std::string(59, 'x') + "...\"")
      << "never half a character";
}

}  // namespace
}  // namespace backplane::host
