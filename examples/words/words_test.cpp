// The components run in a fake host: no program, no manifest.
#include <backplane/testing/fake_host.hpp>

#include <gtest/gtest.h>

#include "kinds.hpp"

namespace {

using backplane::FakeComponent;

std::string counted(std::string_view text) {
  words::Counts counts;
  words::count(counts, text);
  return words::to_table(words::top(counts, 0));
}

TEST(Words, ARunOfAsciiLettersIsAWordInLowerCase) {
  EXPECT_EQ(counted("The end: the END, x2y."), "      2 end\n      2 the\n      1 x\n      1 y\n");
}

TEST(Words, OtherBytesAreGaps) {
  EXPECT_EQ(counted(std::string_view("na\xc3\xafve\0a\r\n[z`A{", 15)),
            "      2 a\n      1 na\n      1 ve\n      1 z\n");
}

TEST(Words, NothingHasNoWords) {
  EXPECT_EQ(counted(""), "");
  EXPECT_EQ(counted(" .,-"), "");
}

TEST(Words, EquallyFrequentOnesComeInAlphabeticalOrder) {
  words::Counts counts{{"b", 2}, {"a", 2}, {"c", 3}, {"d", 1}};
  EXPECT_EQ(words::to_table(words::top(counts, 3)), "      3 c\n      2 a\n      2 b\n");
}

TEST(Words, PartialCountsAddUp) {
  words::Counts counts;
  ASSERT_TRUE(words::add_lines(counts, "a 1\nb 2\n"));
  ASSERT_TRUE(words::add_lines(counts, words::to_lines({{"a", 5}})));
  EXPECT_EQ(words::to_table(words::top(counts, 0)), "      6 a\n      2 b\n");
}

TEST(Words, LinesThatAreNoCountsAreRefused) {
  words::Counts counts;
  for (const auto* bad : {"a", "a\n", "a 1", "a x\n", " 1\n", "a 1x\n", "a 99999999999999999999999\n", "\n"})
    EXPECT_FALSE(words::add_lines(counts, bad)) << bad;
}

TEST(Count, SendsWhatItCountedAfterAMoment) {
  FakeComponent<words::Count> count({{"every", "10ms"}});
  count.stop_clock();
  count.start();
  EXPECT_EQ(count.deliver(count.message({"to be or"})), BP_TAKEN);
  EXPECT_EQ(count.deliver(count.message({"not to be"})), BP_TAKEN);
  EXPECT_TRUE(count.sent().empty());
  EXPECT_EQ(count.holding(), 2u);

  count.advance(std::chrono::milliseconds(10));
  words::Counts total;
  ASSERT_TRUE(words::add_lines(total, count.take_sent()[0]));
  EXPECT_EQ(words::to_table(words::top(total, 0)), "      2 be\n      2 to\n      1 not\n      1 or\n");
  EXPECT_EQ(count.holding(), 0u);
}

TEST(Count, SendsAtOnceWhenEnoughWordsHaveComeTogether) {
  FakeComponent<words::Count> count({{"words", "3"}});
  count.start();
  count.deliver(count.message({"one two"}));
  EXPECT_TRUE(count.sent().empty());
  count.deliver(count.message({"three"}));
  EXPECT_EQ(count.sent().size(), 1u);
}

TEST(Count, TakesNoLinesWhileTheNextComponentIsFull) {
  FakeComponent<words::Count> count({{"words", "1"}});
  count.start();
  count.answer_sends(BP_PAUSED);
  EXPECT_EQ(count.deliver(count.message({"one"})), BP_TAKEN);
  EXPECT_EQ(count.deliver(count.message({"two"})), BP_BUSY);
  count.answer_sends(BP_SENT);
  count.resume();
  ASSERT_TRUE(count.run_until([&] { return count.sent().size() == 2; }));
}

TEST(Count, ADrainSendsWhatIsLeft) {
  FakeComponent<words::Count> count({{"every", "60s"}});
  count.start();
  count.deliver(count.message({"last words"}));
  count.drain();
  EXPECT_EQ(count.sent().size(), 1u);
  EXPECT_EQ(count.holding(), 0u);
}

TEST(Top, PrintsTheMostFrequentWordsWhenItStops) {
  FakeComponent<words::Top> top({{"show", "2"}});
  top.start();
  top.deliver(top.message({"a 1\nb 2\n"}));
  top.deliver(top.message({"a 4\nc 1\n"}));
  testing::internal::CaptureStdout();
  top.stop();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "      5 a\n      2 b\n");
}

TEST(Top, RefusesWhatIsNoCount) {
  FakeComponent<words::Top> top;
  top.start();
  EXPECT_EQ(top.deliver(top.message({"what?"})), BP_MALFORMED);
}

}  // namespace
