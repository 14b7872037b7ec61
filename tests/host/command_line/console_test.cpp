#include "command_line/console.hpp"

#include "command_fixture.hpp"

namespace backplane::host {
namespace {

using ::testing::HasSubstr;

struct Streams {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
};

TEST(Aligned, PadsAllColumnsButTheLast) {
  EXPECT_EQ(aligned({{"a", "bb", "c"}, {"aaa", "b", "c c"}}, "  "), "  a    bb  c\n  aaa  b   c c\n");
}

TEST(Aligned, CountsCharactersNotBytes) {
  EXPECT_EQ(aligned({{"\xc3\xa4", "x"}, {"aa", "x"}}), "\xc3\xa4   x\naa  x\n");
}

TEST(Aligned, LeavesNoBlanksAtTheEnd) { EXPECT_EQ(aligned({{"a", ""}, {"aaa", "b"}}), "a\naaa  b\n"); }

TEST(ProgressBar, ShowsShareCountAndRateOnATerminal) {
  Streams streams;
  Console console{streams.in, streams.out, streams.err, false, false, true};
  {
    Progress progress(console, "sent", 2, Progress::Unit::messages);
    progress.add(10);
    EXPECT_THAT(streams.err.str(), HasSubstr(" 50 %  sent 1 messages"));
    progress.add(10);
  }
  EXPECT_THAT(streams.err.str(), HasSubstr("[########################] 100 %  sent 2 messages"));
  EXPECT_THAT(streams.err.str(), HasSubstr("/s"));
  EXPECT_EQ(streams.err.str().back(), '\n');
}

TEST(ProgressBar, HasNoBarWhenTheEndIsUnknown) {
  Streams streams;
  Console console{streams.in, streams.out, streams.err, false, false, true};
  Progress(console, "received", 0, Progress::Unit::messages).add(1);
  EXPECT_THAT(streams.err.str(), HasSubstr("\rreceived 1 messages"));
}

TEST(ProgressBar, StaysAwayFromFilesAndFromATerminalThatShowsTheResults) {
  for (const bool terminal : {false, true}) {
    Streams streams;
    Console console{streams.in, streams.out, streams.err, false, terminal, terminal};
    Progress(console, "sent", 1, Progress::Unit::messages).add(1);
    EXPECT_EQ(streams.err.str(), "");
  }
}

TEST(Console, WritesBoldOnlyInColour) {
  Streams streams;
  Console console{streams.in, streams.out, streams.err};
  EXPECT_EQ(bold(console, "x"), "x");
  console.colour = true;
  EXPECT_EQ(bold(console, "x"), "\033[1mx\033[0m");
}

}  // namespace
}  // namespace backplane::host
