// The pure parts: words, percent-encoding, heads.
#include <gtest/gtest.h>

#include "message.hpp"
#include "wire.hpp"

namespace backplane::http {
namespace {

TEST(Message, HeadersAreFoundWhateverTheirCase) {
  const Headers headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(find_header(headers, "CONTENT-TYPE"), "a");
  EXPECT_FALSE(find_header(headers, "Content-Typ").has_value());
}

TEST(Message, PercentDecodingTakesTwoDigitsAndNoNul) {
  EXPECT_EQ(percent_decode("/a%20b%C3%a4"), "/a b\xc3\xa4");
  EXPECT_EQ(percent_decode(""), "");
  for (const auto* bad : {"%", "%4", "%4x", "%x4", "%-1", "a%00", "%%41"})
    EXPECT_FALSE(percent_decode(bad).has_value()) << bad;
}

TEST(Message, AListHoldsItsWordsOnly) {
  EXPECT_TRUE(lists_word("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(lists_word("close", "close"));
  EXPECT_FALSE(lists_word("closed, x", "close"));
  EXPECT_FALSE(lists_word("", "close"));
}

TEST(Message, AHeadOfAResponseIsFramed) {
  EXPECT_EQ(head_of({.body = "hello"}, Framing{}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(head_of({.status = 204, .headers = {{"X", "y"}}}, Framing{.close = true}),
            "HTTP/1.1 204 No Content\r\nX: y\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(head_of({.status = 299, .content_type = ""}, Framing{.http_1_0 = true}),
            "HTTP/1.1 299 Unknown\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Message, ALineBreakInAHeaderStaysInTheHeader) {
  EXPECT_EQ(head_of({.status = 204, .headers = {{"X", "y\r\nSet-Cookie: z"}}}, Framing{}),
            "HTTP/1.1 204 No Content\r\nX: y  Set-Cookie: z\r\n\r\n");
}

TEST(Message, AHeadOfARequestSaysItsLengthWhereOneBelongs) {
  EXPECT_EQ(head_of("GET", "/x", "h:1", {{"A", "b"}}, 0), "GET /x HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n");
  EXPECT_EQ(head_of("POST", "/", "h", {}, 0), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(head_of("DELETE", "/", "h", {}, 2), "DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
}

}  // namespace
}  // namespace backplane::http
