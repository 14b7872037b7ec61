// The host's log: formats, levels, what a peer can put into it, and sinks that fail.
#include "log/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

class LogTest : public testing::Test {
 protected:
  void to_file(LogFormat format = LogFormat::text, LogLevel level = LogLevel::info) {
    log_.configure(settings(format, level));
  }
  HostSettings settings(LogFormat format, LogLevel level) const {
    HostSettings settings;
    settings.log_file = file_.string();
    settings.log_format = format;
    settings.log_level = level;
    return settings;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream in(test::read_file(file_));
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  // The lines without their time, which is as long in each.
  std::vector<std::string> said() const {
    std::vector<std::string> all;
    for (const auto& line : lines())
      all.push_back(line.substr(std::string_view("2026-01-31T23:59:59.123Z ").size()));
    return all;
  }

  test::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.file("host.log");
  Log log_;
};

TEST_F(LogTest, WritesTimeLevelComponentAndText) {
  to_file();
  log_.info("ready");
  log_.write(LogLevel::warning, "jobs#2", "slow");
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_TRUE(
      std::regex_match(lines()[0], std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    ready)")))
      << lines()[0];
  EXPECT_THAT(said(), ElementsAre("info    ready", "warning [jobs#2] slow"));
}

TEST_F(LogTest, WritesOneJsonObjectPerLine) {
  to_file(LogFormat::json);
  log_.write(LogLevel::error, "jobs", "said \"no\"\n\\ twice");
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_THAT(lines()[0], StartsWith("{\"time\":"));
  const auto line = json::parse(lines()[0]);
  EXPECT_EQ(line.size(), 4u);
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["component"], "jobs");
  EXPECT_EQ(line["message"], "said \"no\"\n\\ twice");
  EXPECT_TRUE(std::regex_match(line["time"].get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
}

TEST_F(LogTest, WritesValidJsonForAnyBytes) {
  to_file(LogFormat::json);
  for (int byte = 0; byte < 256; ++byte) log_.info(std::string("<") + static_cast<char>(byte) + ">");
  ASSERT_EQ(lines().size(), 256u);
  for (const auto& line : lines()) EXPECT_TRUE(json::accept(line)) << line;
  EXPECT_EQ(json::parse(lines()[0xe9])["message"], "<\ufffd>");
}

TEST_F(LogTest, LetsNobodyForgeALine) {
  to_file();
  log_.write(LogLevel::info, "a\nb",
             "refused \"x\n2026-01-01T00:00:00.000Z error   [admin] all is lost\x1b[1A\xff\"");
  EXPECT_THAT(said(), ElementsAre("info    [a\\nb] refused \"x\\n2026-01-01T00:00:00.000Z error   [admin] "
                                  "all is lost\\x1b[1A\\xff\""));
}

TEST_F(LogTest, ShortensAHugeTextAndSaysSo) {
  to_file();
  log_.info(std::string(1 << 20, 'x'));
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_LT(lines()[0].size(), 17u * 1024);
  EXPECT_THAT(lines()[0], EndsWith("xxx ... and 1032192 bytes more"));
}

TEST_F(LogTest, ShortensBetweenCharacters) {
  to_file();
  std::string text = "x";
  while (text.size() < 20000) text += "\u20ac";
  log_.info(text);
  EXPECT_THAT(lines()[0], testing::Not(HasSubstr("\\x")));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  to_file(LogFormat::text, LogLevel::warning);
  EXPECT_FALSE(log_.enabled(LogLevel::info));
  EXPECT_TRUE(log_.enabled(LogLevel::error));
  log_.debug("no");
  log_.info("no");
  log_.warning("yes");
  log_.error("yes");
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(LogTest, KnowsAllLevels) {
  to_file(LogFormat::text, LogLevel::trace);
  for (const auto level :
       {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error, LogLevel::off})
    log_.write(level, {}, "x");
  EXPECT_THAT(said(), ElementsAre("trace   x", "debug   x", "info    x", "warning x", "error   x"));
}

TEST_F(LogTest, CanBeOff) {
  to_file(LogFormat::text, LogLevel::off);
  log_.error("no");
  EXPECT_FALSE(log_.enabled(LogLevel::error));
  EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(LogTest, AddsToTheFileThatIsThere) {
  test::write_file(file_, "earlier\n");
  to_file();
  log_.info("later");
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(lines()[0], "earlier");
}

TEST_F(LogTest, RefusesAFileThatCannotBeOpenedNamingIt) {
  HostSettings settings;
  settings.log_file = "/nonexistent/host.log";
  try {
    log_.configure(settings);
    FAIL() << "configured";
  } catch (const std::runtime_error& failure) {
    EXPECT_THAT(failure.what(),
                testing::AllOf(HasSubstr("/nonexistent/host.log"), HasSubstr("No such file")));
  }
}

TEST_F(LogTest, SpeaksToStandardErrorBeforeItIsConfigured) {
  testing::internal::CaptureStderr();
  log_.debug("no");
  log_.info("yes");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), EndsWith("Z info    yes\n"));
}

TEST_F(LogTest, KeepsLinesOfManyThreadsApart) {
  to_file();
  constexpr int threads = 4, each = 500;
  std::vector<std::thread> all;
  for (int thread = 0; thread < threads; ++thread)
    all.emplace_back([&, thread] {
      for (int i = 0; i < each; ++i)
        log_.write(LogLevel::info, "t" + std::to_string(thread), std::string(100, 'x'));
    });
  for (auto& thread : all) thread.join();
  const auto written = said();
  ASSERT_EQ(written.size(), std::size_t{threads * each});
  const std::regex whole("info    \\[t[0-3]\\] x{100}");
  for (const auto& line : written) ASSERT_TRUE(std::regex_match(line, whole)) << line;
  EXPECT_EQ(log_.lost_lines(), 0u);
}

// ---- sinks that fail ---------------------------------------------------------------------------------

TEST_F(LogTest, LosesLinesOnAFullDiskCountsThemAndSaysSoOnce) {
  file_ = "/dev/full";
  to_file();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) log_.info("lost");
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "the log cannot be written to /dev/full: No space left on device; lines are lost and counted, the host "
      "goes on\n");
  EXPECT_EQ(log_.lost_lines(), 3u);
}

// A limit on the file's size stands for a disk that fills up in the middle of a line, then has room again.
TEST_F(LogTest, GoesOnInANewLineWhenThereIsRoomAgain) {
  to_file();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit little{60, before.rlim_max};
  testing::internal::CaptureStderr();
  log_.info("whole");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  log_.info(std::string(100, 'x'));
  log_.info("nothing of this");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  log_.info("whole again");
  testing::internal::GetCapturedStderr();
  ASSERT_EQ(lines().size(), 3u);
  EXPECT_THAT(lines()[0], EndsWith(" whole"));
  EXPECT_THAT(lines()[2], EndsWith("Z info    whole again"));
  EXPECT_EQ(log_.lost_lines(), 2u);
}

// Standard error replaced by a descriptor for the life of this object.
class StandardError {
 public:
  explicit StandardError(int descriptor) : before_(::dup(STDERR_FILENO)) {
    ::dup2(descriptor, STDERR_FILENO);
  }
  ~StandardError() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

TEST_F(LogTest, SurvivesAStandardErrorThatNobodyReads) {
  ::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ::close(pipe[0]);
  {
    const StandardError closed(pipe[1]);
    log_.info("nobody hears this");
  }
  ::close(pipe[1]);
  EXPECT_EQ(log_.lost_lines(), 1u);
}

TEST_F(LogTest, DoesNotWaitLongForAReaderThatIsStuck) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_NONBLOCK), 0);
  {
    const StandardError stuck(pipe[1]);
    const std::string text(16 * 1024, 'x');
    while (log_.lost_lines() == 0) log_.info(text);
  }
  ::close(pipe[0]);
  ::close(pipe[1]);
  EXPECT_EQ(log_.lost_lines(), 1u);
}

// ---- colour ------------------------------------------------------------------------------------------

class LogOnTerminal : public LogTest {
 protected:
  LogOnTerminal() : terminal_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "xterm", 1);
  }
  ~LogOnTerminal() override { ::close(terminal_); }

  // What a log that is new on a terminal shows of one warning.
  std::string shown(LogFormat format = LogFormat::text) {
    ::grantpt(terminal_);
    ::unlockpt(terminal_);
    const int user = ::open(::ptsname(terminal_), O_RDWR | O_NOCTTY);
    {
      const StandardError on(user);
      Log log;
      HostSettings settings;
      settings.log_format = format;
      log.configure(settings);
      log.warning("hot");
    }
    std::array<char, 1000> buffer{};
    const auto size = ::read(terminal_, buffer.data(), buffer.size());
    ::close(user);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }

  int terminal_;
};

TEST_F(LogOnTerminal, IsColoured) { EXPECT_THAT(shown(), HasSubstr("\033[33mwarning \033[0mhot")); }

TEST_F(LogOnTerminal, IsPlainWithNoColor) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_THAT(shown(), EndsWith(" warning hot\r\n"));
}

TEST_F(LogOnTerminal, IsPlainOnADumbOne) {
  ::setenv("TERM", "dumb", 1);
  EXPECT_THAT(shown(), testing::Not(HasSubstr("\033")));
}

TEST_F(LogOnTerminal, IsPlainAsJson) { EXPECT_THAT(shown(LogFormat::json), testing::Not(HasSubstr("\033"))); }

}  // namespace
}  // namespace backplane::host
