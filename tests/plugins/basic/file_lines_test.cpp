#include "file_lines.hpp"

#include <backplane/plugin.hpp>
#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "support/temporary_folder.hpp"

namespace backplane::basic {
namespace {

using test::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using FakeLines = FakeComponent<FileLines>;

class FileLinesTest : public testing::Test {
 protected:
  static std::vector<std::string> lines(FakeLines& component) {
    std::vector<std::string> all;
    for (const auto& sent : component.sent()) all.emplace_back(sent.message[0]);
    return all;
  }
  static bool sends(FakeLines& component, std::size_t count) {
    return component.run_until([&] { return component.sent().size() >= count; });
  }
  static bool finishes(FakeLines& component) {
    return component.run_until([&] { return component.finished(); });
  }

  TemporaryFolder folder_;
};

TEST_F(FileLinesTest, SendsEveryLineAndFinishes) {
  FakeLines file({{"path", folder_.file("in", "one\ntwo\n\nlast")}});
  file.start();
  ASSERT_TRUE(finishes(file));
  EXPECT_THAT(lines(file), ElementsAre("one", "two", "", "last"));
  EXPECT_EQ(file.metric("lines"), 4);
  EXPECT_EQ(file.metric("bytes_read"), 13);
  EXPECT_EQ(file.metric("bytes_total"), 13);
}

TEST_F(FileLinesTest, AnEmptyFileHasNoLines) {
  FakeLines file({{"path", folder_.file("in", "")}});
  file.start();
  ASSERT_TRUE(finishes(file));
  EXPECT_THAT(lines(file), ElementsAre());
}

TEST_F(FileLinesTest, StaysAtTheEndWhenTold) {
  FakeLines file({{"path", folder_.file("in", "one\n")}, {"at_end", "stay"}});
  file.start();
  ASSERT_TRUE(sends(file, 1));
  file.run_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(file.finished());
}

TEST_F(FileLinesTest, SendsAFewHundredLinesPerTurn) {
  std::string content;
  for (int i = 0; i < 10'000; ++i) content += "x\n";
  FakeLines file({{"path", folder_.file("in", content)}});
  file.start();
  ASSERT_TRUE(sends(file, 1));
  EXPECT_LE(file.sent().size(), std::size_t{FileLines::kLinesPerTurn});
  ASSERT_TRUE(finishes(file));
  EXPECT_EQ(file.sent().size(), 10'000u);
}

TEST_F(FileLinesTest, StopsReadingWhileItsRoutesAreFull) {
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += std::to_string(i) + "\n";
  FakeLines file({{"path", folder_.file("in", content)}});
  file.start();
  file.answer_sends([](const FakeSent&) { return BP_PAUSED; });
  ASSERT_TRUE(sends(file, 1));
  file.run_for(std::chrono::milliseconds(20));
  EXPECT_THAT(lines(file), ElementsAre("0"));
  EXPECT_LT(file.metric("bytes_read"), static_cast<std::int64_t>(content.size()));

  file.answer_sends(BP_SENT);
  file.resume();
  ASSERT_TRUE(finishes(file));
  EXPECT_EQ(file.sent().size(), 100'000u);
  EXPECT_EQ(lines(file).back(), "99999");
}

TEST_F(FileLinesTest, ReadsNoMoreWhenTheHostDrains) {
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += "x\n";
  FakeLines file({{"path", folder_.file("in", content)}});
  file.start();
  ASSERT_TRUE(sends(file, 1));
  file.drain();
  const auto sent = file.sent().size();
  file.run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(file.sent().size(), sent);
}

TEST_F(FileLinesTest, BeginsAtTheEndWhenTold) {
  FakeLines file(
      {{"path", folder_.file("in", "old\n")}, {"from", "end"}, {"follow", "true"}, {"follow_every", "2ms"}});
  file.start();
  file.run_for(std::chrono::milliseconds(10));
  test::append_file(folder_.file("in"), "new\n");
  ASSERT_TRUE(sends(file, 1));
  EXPECT_THAT(lines(file), ElementsAre("new"));
}

TEST_F(FileLinesTest, FollowsAGrowingFile) {
  FakeLines file({{"path", folder_.file("in", "one\ntw")}, {"follow", "true"}, {"follow_every", "2ms"}});
  file.start();
  ASSERT_TRUE(sends(file, 1));
  test::append_file(folder_.file("in"), "o\nthree\n");
  ASSERT_TRUE(sends(file, 3));
  EXPECT_THAT(lines(file), ElementsAre("one", "two", "three"));
  EXPECT_FALSE(file.finished());
}

TEST_F(FileLinesTest, FollowsAFileThatIsReplaced) {
  FakeLines file({{"path", folder_.file("in", "one\nend")}, {"follow", "true"}, {"follow_every", "2ms"}});
  file.start();
  ASSERT_TRUE(sends(file, 1));
  std::filesystem::rename(folder_.file("in"), folder_.file("in.1"));
  file.run_for(std::chrono::milliseconds(10));
  folder_.file("in", "fresh\n");
  ASSERT_TRUE(sends(file, 3));
  EXPECT_THAT(lines(file), ElementsAre("one", "end", "fresh"));
  EXPECT_TRUE(file.logged("was replaced"));
}

TEST_F(FileLinesTest, FollowsAFileThatIsCutShort) {
  FakeLines file({{"path", folder_.file("in", "one\ntwo\n")}, {"follow", "true"}, {"follow_every", "2ms"}});
  file.start();
  ASSERT_TRUE(sends(file, 2));
  test::write_file(folder_.file("in"), "new\n");
  ASSERT_TRUE(sends(file, 3));
  EXPECT_EQ(lines(file).back(), "new");
}

TEST_F(FileLinesTest, ReadsAPipeAsItIsWritten) {
  const auto pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  FakeLines file({{"path", pipe}});
  file.start();
  file.run_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(file.finished());

  auto writer = Descriptor::open(pipe, O_WRONLY, "writing");
  ASSERT_EQ(::write(writer.number(), "one\ntw", 6), 6);
  ASSERT_TRUE(sends(file, 1));
  ASSERT_EQ(::write(writer.number(), "o", 1), 1);
  file.run_for(std::chrono::milliseconds(10));
  writer.close();
  ASSERT_TRUE(finishes(file));
  EXPECT_THAT(lines(file), ElementsAre("one", "two"));
}

TEST_F(FileLinesTest, APipeWaitsWhileTheRoutesAreFull) {
  const auto pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  FakeLines file({{"path", pipe}});
  file.start();
  file.answer_sends(BP_PAUSED);
  auto writer = Descriptor::open(pipe, O_WRONLY, "writing");
  ASSERT_EQ(::write(writer.number(), "one\ntwo\nthree\n", 14), 14);
  ASSERT_TRUE(sends(file, 1));
  writer.close();
  file.run_for(std::chrono::milliseconds(10));
  EXPECT_THAT(lines(file), ElementsAre("one"));
  file.answer_sends(BP_SENT);
  file.resume();
  ASSERT_TRUE(finishes(file));
  EXPECT_THAT(lines(file), ElementsAre("one", "two", "three"));
}

TEST_F(FileLinesTest, AFollowedPipeOutlivesItsWriters) {
  const auto pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  FakeLines file({{"path", pipe}, {"follow", "true"}});
  file.start();
  for (const auto* line : {"one\n", "two\n"}) {
    const auto before = file.sent().size();
    const auto writer = Descriptor::open(pipe, O_WRONLY, "writing");
    ASSERT_EQ(::write(writer.number(), line, 4), 4);
    ASSERT_TRUE(sends(file, before + 1));
  }
  EXPECT_FALSE(file.finished());
}

TEST_F(FileLinesTest, TheEmptyDeviceHasNoLines) {
  FakeLines file({{"path", "/dev/null"}});
  file.start();
  ASSERT_TRUE(finishes(file));
  EXPECT_THAT(lines(file), ElementsAre());
}

TEST_F(FileLinesTest, CountsLinesThatAreTooLong) {
  const auto path = folder_.file("in", "aaaa bbbb\nok\n").string();
  FakeLines split({{"path", path}, {"max_line", "6"}});
  split.start();
  ASSERT_TRUE(finishes(split));
  EXPECT_THAT(lines(split), ElementsAre("aaaa ", "bbbb", "ok"));
  EXPECT_EQ(split.metric("lines_split"), 1);

  FakeLines refuse({{"path", path}, {"max_line", "6"}, {"too_long", "refuse"}});
  refuse.start();
  ASSERT_TRUE(finishes(refuse));
  EXPECT_THAT(lines(refuse), ElementsAre("ok"));
  EXPECT_EQ(refuse.metric("lines_refused"), 1);
}

TEST_F(FileLinesTest, AMissingFileRefusesTheStartByName) {
  FakeLines file({{"path", "/nowhere/at/all"}});
  try {
    file.start();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.type(), "FileError");
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/at/all"));
  }
}

TEST_F(FileLinesTest, AFolderRefusesTheStart) {
  FakeLines file({{"path", folder_.path()}});
  EXPECT_THROW(file.start(), Error);
}

TEST_F(FileLinesTest, StandardInputCannotBeFollowed) {
  FakeLines file({{"path", "-"}, {"follow", "true"}});
  EXPECT_THROW(file.start(), Error);
}

}  // namespace
}  // namespace backplane::basic
