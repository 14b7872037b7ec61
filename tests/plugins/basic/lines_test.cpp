#include "lines.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace backplane::basic {
namespace {

using testing::ElementsAre;
using Lines = std::vector<std::string>;

// Feeds `input` in pieces of `step` bytes and returns all lines.
Lines cut(LineCutter& cutter, std::string_view input, std::size_t step) {
  Lines lines;
  while (!input.empty()) {
    const auto piece = input.substr(0, step);
    const auto room = cutter.room(piece.size());
    std::copy(piece.begin(), piece.end(), room.begin());
    cutter.filled(piece.size());
    input.remove_prefix(piece.size());
    while (const auto line = cutter.next()) lines.emplace_back(*line);
  }
  if (const auto rest = cutter.rest()) lines.emplace_back(*rest);
  return lines;
}

// The lines of `input`; they must be the same however it is fed.
Lines cut(std::string_view input, LineCutter::Limits limits = {}) {
  LineCutter whole(limits);
  const auto lines = cut(whole, input, std::max<std::size_t>(1, input.size()));
  for (std::size_t step = 1; step < input.size(); ++step) {
    LineCutter cutter(limits);
    EXPECT_EQ(cut(cutter, input, step), lines) << "fed " << step << " bytes at a time";
    EXPECT_EQ(cutter.split(), whole.split()) << step;
    EXPECT_EQ(cutter.refused(), whole.refused()) << step;
  }
  return lines;
}

LineCutter::Limits at_most(std::size_t line, std::size_t word) {
  LineCutter::Limits limits;
  limits.max_line = line;
  limits.max_word = word;
  return limits;
}

LineCutter::Limits refusing(std::size_t line) {
  auto limits = at_most(line, line);
  limits.too_long = LineCutter::TooLong::refuse;
  return limits;
}

TEST(LineCutter, CutsAtLineBreaks) {
  EXPECT_THAT(cut("one\ntwo\n\nfour\n"), ElementsAre("one", "two", "", "four"));
}
TEST(LineCutter, TheLastLineNeedsNoLineBreak) { EXPECT_THAT(cut("one\ntwo"), ElementsAre("one", "two")); }
TEST(LineCutter, NoInputHasNoLines) { EXPECT_THAT(cut(""), ElementsAre()); }
TEST(LineCutter, OnlyLineBreaksAreEmptyLines) { EXPECT_THAT(cut("\n\n"), ElementsAre("", "")); }

TEST(LineCutter, KeepsZeroBytesAndCarriageReturns) {
  const std::string input("a\0b\r\nc\r", 7);
  EXPECT_THAT(cut(input), ElementsAre(std::string("a\0b\r", 4), "c\r"));
}

TEST(LineCutter, TakesACarriageReturnOffWhenAsked) {
  LineCutter::Limits limits;
  limits.strip_carriage_return = true;
  EXPECT_THAT(cut("a\r\n\r\nb\rc\r\nd\r", limits), ElementsAre("a", "", "b\rc", "d\r"));
}

TEST(LineCutter, ALineOfExactlyTheLimitIsNotTooLong) {
  EXPECT_THAT(cut("12345\n12345", at_most(5, 5)), ElementsAre("12345", "12345"));
}

TEST(LineCutter, SplitsALongLineBetweenWords) {
  EXPECT_THAT(cut("one two three\nfour\n", at_most(8, 100)), ElementsAre("one two ", "three", "four"));
}

TEST(LineCutter, AWordLongerThanALineStaysWhole) {
  EXPECT_THAT(cut("abcdefghij klm\n", at_most(4, 100)), ElementsAre("abcdefghij ", "klm"));
  EXPECT_THAT(cut("abcdefghij", at_most(4, 100)), ElementsAre("abcdefghij"));
  EXPECT_THAT(cut("abcdefghij.\nk", at_most(4, 100)), ElementsAre("abcdefghij.", "k"));
}

TEST(LineCutter, AWordLongerThanItsLimitIsCut) {
  EXPECT_THAT(cut("abcdefghij\n", at_most(2, 4)), ElementsAre("abcd", "efgh", "ij"));
  EXPECT_THAT(cut("abcdefgh\n", at_most(2, 4)), ElementsAre("abcd", "efgh"));
}

TEST(LineCutter, SplittingCutsNoUtf8Sequence) {
  EXPECT_THAT(cut("\xc3\xa4\xc3\xa4\xc3\xa4 \xc3\xa4\n", at_most(3, 100)),
              ElementsAre("\xc3\xa4\xc3\xa4\xc3\xa4 ", "\xc3\xa4"));
}

TEST(LineCutter, SplittingLosesNoByte) {
  std::string input;
  for (int i = 0; i < 300; ++i)
    input += std::string(static_cast<std::size_t>(i % 37), 'x') + (i % 5 == 0 ? "." : " ");
  LineCutter cutter(at_most(16, 24));
  std::string joined;
  for (const auto& piece : cut(cutter, input, 7)) {
    EXPECT_LE(piece.size(), 25u);
    joined += piece;
  }
  EXPECT_EQ(joined, input);
}

TEST(LineCutter, CountsItsCuts) {
  LineCutter cutter(at_most(4, 4));
  cut(cutter, "abcdefghij\nab\n", 100);
  EXPECT_EQ(cutter.split(), 2u);
}

TEST(LineCutter, RefusesLongLinesAndGoesOn) {
  LineCutter cutter(refusing(3));
  EXPECT_EQ(cut(cutter, "abc\nabcd\nab\n12345678\n", 100), (Lines{"abc", "ab"}));
  EXPECT_EQ(cutter.refused(), 2u);
  EXPECT_THAT(cut("abc\nabcd\nab\n12345678", refusing(3)), ElementsAre("abc", "ab"));
}

TEST(LineCutter, KeepsNothingOfARefusedLine) {
  LineCutter cutter(refusing(10));
  cut(cutter, std::string(5000, 'x'), 100);
  EXPECT_EQ(cutter.unfinished(), 0u);
}

TEST(LineCutter, AHugeLineWithoutAGapTakesLinearTime) {
  LineCutter cutter(at_most(1 << 10, 32 << 20));
  const auto lines = cut(cutter, std::string(20 << 20, 'x') + " y", 64 << 10);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].size(), (20u << 20) + 1);
}

}  // namespace
}  // namespace backplane::basic
