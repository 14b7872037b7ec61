#include "file_writer.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "support/temporary_folder.hpp"

namespace backplane::basic {
namespace {

using std::chrono::milliseconds;
using test::read_file;
using test::TemporaryFolder;
using testing::HasSubstr;
using FakeWriter = FakeComponent<FileWriter>;

class FileWriterTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string out_ = folder_.file("out");
};

TEST_F(FileWriterTest, WritesEveryFrameAsALine) {
  FakeWriter writer({{"path", out_}, {"flush", "0ms"}});
  writer.start();
  EXPECT_EQ(writer.deliver(writer.message({"one"})), BP_TAKEN);
  EXPECT_EQ(writer.deliver(writer.message({"two", "three"})), BP_TAKEN);
  EXPECT_EQ(read_file(out_), "one\ntwo\nthree\n");
  EXPECT_EQ(writer.metric("lines"), 3);
  EXPECT_EQ(writer.metric("bytes_written"), 14);
}

TEST_F(FileWriterTest, AMessageWaitsInTheBufferForAMomentOnly) {
  FakeWriter writer({{"path", out_}, {"flush", "10ms"}});
  writer.stop_clock();
  writer.start();
  writer.deliver(writer.message({"one"}));
  writer.deliver(writer.message({"two"}));
  EXPECT_EQ(read_file(out_), "");
  EXPECT_EQ(writer.holding(), 2u);
  writer.advance(milliseconds(10));
  EXPECT_EQ(read_file(out_), "one\ntwo\n");
  EXPECT_EQ(writer.holding(), 0u);
}

TEST_F(FileWriterTest, AFullBufferIsWrittenAtOnce) {
  FakeWriter writer({{"path", out_}, {"flush", "1h"}, {"buffer", "8"}});
  writer.start();
  writer.deliver(writer.message({"123"}));
  EXPECT_EQ(read_file(out_), "");
  writer.deliver(writer.message({"4567"}));
  EXPECT_EQ(read_file(out_), "123\n4567\n");
}

TEST_F(FileWriterTest, AppendsUnlessTold) {
  folder_.file("out", "old\n");
  for (const auto* mode : {"append", "truncate"}) {
    FakeWriter writer({{"path", out_}, {"mode", mode}, {"sync", "true"}});
    writer.start();
    writer.deliver(writer.message({mode}));
    writer.stop();
    EXPECT_EQ(read_file(out_), std::string(mode) == "append" ? "old\nappend\n" : "truncate\n");
  }
}

TEST_F(FileWriterTest, WritesTheLineEndItIsTold) {
  FakeWriter writer({{"path", out_}, {"line_end", "crlf"}});
  writer.start();
  writer.deliver(writer.message({"one"}));
  writer.stop();
  EXPECT_EQ(read_file(out_), "one\r\n");
}

TEST_F(FileWriterTest, ADrainAndAStopWriteWhatIsHeld) {
  FakeWriter writer({{"path", out_}, {"flush", "1h"}});
  writer.start();
  writer.deliver(writer.message({"one"}));
  writer.drain();
  EXPECT_EQ(read_file(out_), "one\n");
  EXPECT_EQ(writer.holding(), 0u);
  writer.deliver(writer.message({"two"}));
  EXPECT_EQ(read_file(out_), "one\ntwo\n");
}

TEST_F(FileWriterTest, AnAskerGetsAnEmptyAnswer) {
  FakeWriter writer({{"path", out_}});
  writer.start();
  writer.deliver(writer.request("", {"one"}));
  ASSERT_EQ(writer.replies().size(), 1u);
  EXPECT_FALSE(writer.replies()[0].is_error())
      << writer.replies()[0].error_type << ": " << writer.replies()[0].error_message;
}

TEST_F(FileWriterTest, AReaderThatDoesNotReadHoldsMessagesBack) {
  ASSERT_EQ(::mkfifo(out_.c_str(), 0600), 0);
  FakeWriter writer({{"path", out_}, {"buffer", "64KiB"}});
  writer.start();
  const auto reader = Descriptor::open(out_, O_RDONLY | O_NONBLOCK, "reading");
  const std::string line(4095, 'x');
  std::size_t taken = 0;
  while (taken < 1000 && writer.deliver(writer.message({line})) == BP_TAKEN) ++taken;
  ASSERT_LT(taken, 1000u) << "the pipe never filled";
  EXPECT_EQ(writer.busy_messages(), 1u);

  std::size_t bytes = 0;
  std::vector<char> room(65536);
  const auto expected = (taken + 1) * 4096;
  ASSERT_TRUE(writer.run_until([&] {
    if (const auto count = ::read(reader.number(), room.data(), room.size()); count > 0)
      bytes += static_cast<std::size_t>(count);
    return bytes == expected;
  }));
  EXPECT_EQ(writer.busy_messages(), 0u);
}

// /dev/full: every write fails with ENOSPC.
TEST_F(FileWriterTest, AFullDiskHoldsMessagesBackAndIsCounted) {
  FakeWriter writer({{"path", "/dev/full"}, {"flush", "0ms"}, {"buffer", "8"}, {"retry", "5ms"}});
  writer.start();
  EXPECT_EQ(writer.deliver(writer.message({"one"})), BP_TAKEN);
  EXPECT_EQ(writer.deliver(writer.message({"two"})), BP_TAKEN);
  EXPECT_EQ(writer.deliver(writer.message({"three"})), BP_BUSY);
  EXPECT_TRUE(writer.logged("No space left on device"));
  ASSERT_TRUE(writer.run_until([&] { return writer.metric("write_errors") > 2; }));
  EXPECT_FALSE(writer.failure().has_value());

  writer.stop();
  EXPECT_TRUE(writer.logged("2 messages were not written"));
  EXPECT_EQ(writer.metric("messages_lost"), 2);
}

TEST_F(FileWriterTest, WritingWorksAgainWhenTheDiskHasRoom) {
  const auto link = folder_.file("link");
  std::filesystem::create_symlink("/dev/full", link);
  FakeWriter writer({{"path", link}, {"flush", "0ms"}, {"buffer", "4"}, {"retry", "5ms"}});
  writer.start();
  writer.deliver(writer.message({"one"}));
  EXPECT_EQ(writer.deliver(writer.message({"two"})), BP_BUSY);
  const auto good = Descriptor::open(out_, O_WRONLY | O_CREAT, "writing");
  ASSERT_GE(::dup2(good.number(), writer->descriptor()), 0);
  ASSERT_TRUE(writer.run_until([&] { return read_file(out_) == "one\ntwo\n"; }));
  EXPECT_TRUE(writer.logged("can be written again"));
  EXPECT_EQ(writer.holding(), 0u);
}

TEST_F(FileWriterTest, AFullDiskDropsMessagesWhenTold) {
  FakeWriter writer({{"path", "/dev/full"}, {"flush", "0ms"}, {"on_error", "drop"}, {"retry", "1h"}});
  writer.start();
  EXPECT_EQ(writer.deliver(writer.message({"one"})), BP_TAKEN);
  EXPECT_EQ(writer.metric("messages_lost"), 1);
  EXPECT_EQ(writer.deliver(writer.message({"two"})), BP_FAILED);
  EXPECT_STREQ(writer.error().type, "FileError");
}

TEST_F(FileWriterTest, AFileThatCannotBeOpenedRefusesTheStartByName) {
  FakeWriter writer({{"path", "/nowhere/at/all"}});
  try {
    writer.start();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/at/all"));
  }
}

}  // namespace
}  // namespace backplane::basic
