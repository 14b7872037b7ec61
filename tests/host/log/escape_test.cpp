// Text from outside is safe in a line.
#include "log/escape.hpp"

#include <gtest/gtest.h>

namespace backplane::host {
namespace {

using namespace std::string_literals;

TEST(Escape, LeavesPlainTextAlone) {
  EXPECT_EQ(escaped("C:\\temp, 100 %, caf\u00e9, \u65e5\u672c, \U0001f600"),
            "C:\\temp, 100 %, caf\u00e9, \u65e5\u672c, \U0001f600");
  EXPECT_EQ(escaped(""), "");
}

TEST(Escape, KeepsALineOneLine) {
  EXPECT_EQ(escaped("a\nb\r\nc\td"), "a\\nb\\r\\nc\\td");
  EXPECT_EQ(escaped("next\u0085line, separator\u2028end\u2029"),
            "next\\u0085line, separator\\u2028end\\u2029");
}

TEST(Escape, DisarmsTerminalsAndDirections) {
  EXPECT_EQ(escaped("\033[2J\a\x7f\0x"s.substr(0, 6) + "\0"s), "\\x1b[2J\\x07\\x7f\\x00");
  EXPECT_EQ(escaped("\u009b2J \u202eevil\u2066"), "\\u009b2J \\u202eevil\\u2066");
}

TEST(Escape, ShowsBytesThatAreNoUtf8) {
  EXPECT_EQ(escaped("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(escaped("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(escaped("\xe2\x82"), "\\xe2\\x82");                    // cut off
  EXPECT_EQ(escaped("\xc0\x8a"), "\\xc0\\x8a");                    // an overlong line feed
  EXPECT_EQ(escaped("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");           // likewise
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond the last character
}

TEST(Escape, KnowsUtf8) {
  EXPECT_TRUE(is_utf8("caf\u00e9 \U0010ffff"));
  for (const char* text : {"\x80", "\xc3", "\xc3(", "\xf8\x88\x80\x80\x80", "\xed\xbf\xbf"})
    EXPECT_FALSE(is_utf8(text)) << escaped(text);
}

TEST(Escape, TakesEverySequenceOfTwoBytes) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      const auto safe = escaped(text);
      ASSERT_TRUE(is_utf8(safe));
      ASSERT_EQ(escaped(safe), safe);
      ASSERT_EQ(safe.find('\n'), safe.npos);
    }
}

}  // namespace
}  // namespace backplane::host
