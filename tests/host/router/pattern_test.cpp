#include "router/pattern.hpp"

#include <gtest/gtest.h>

#include <string>

namespace backplane::host {
namespace {

TEST(Pattern, StarIsAnyRunAndQuestionMarkOneByte) {
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*", "anything"));
  EXPECT_TRUE(matches("a?c", "abc"));
  EXPECT_TRUE(matches("demo.*", "demo.add"));
  EXPECT_TRUE(matches("*.add", "demo.math.add"));
  EXPECT_TRUE(matches("a*b*c", "a--b--b--c"));
  EXPECT_TRUE(matches("**x**", "x"));
}

TEST(Pattern, TheWholeTextMustMatch) {
  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("a?c", "ac"));
  EXPECT_FALSE(matches("demo", "demo.add"));
  EXPECT_FALSE(matches("add", "demo.add"));
  EXPECT_FALSE(matches("a*b", "a-b-c"));
  EXPECT_FALSE(matches("A", "a"));
}

TEST(Pattern, TextMayHoldAnyByte) {
  EXPECT_TRUE(matches("a*", std::string_view("a\0b\xff", 4)));
  EXPECT_TRUE(matches(std::string_view("a\0", 2), std::string_view("a\0", 2)));
}

TEST(Pattern, ManyStarsAgainstALongTextTakeLittleTime) {
  std::string stars;
  for (int i = 0; i < 100; ++i) stars += "a*";
  EXPECT_FALSE(matches(stars + "b", std::string(20000, 'a')));
}

}  // namespace
}  // namespace backplane::host
