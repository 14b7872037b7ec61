// A plugin is described by a helper process; whatever the plugin does there becomes a reason.
#include "loader/describe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>

#include "loader/helper.hpp"
#include "loader/plugin_json.hpp"
#include "support/eventually.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

std::filesystem::path plugin(const std::string& name) {
  return std::string(LOADER_PLUGINS) + "/" + name + ".so";
}

class Helper : public testing::Test {
 protected:
  static Description describe(const std::string& name, std::chrono::milliseconds limit = loading_limit) {
    return describe_in_helper(plugin(name), plugin(name), limit);
  }
  static std::string reason_of(const std::string& name) { return describe(name).reason; }

  test::TemporaryFolder folder_;
};

TEST_F(Helper, DescribesAPluginCompletely) {
  const auto description = describe("plain");
  ASSERT_EQ(description.reason, "");
  const auto& info = *description.plugin;
  EXPECT_EQ(info.name, "plain");
  EXPECT_EQ(info.version, "1.2.3");
  EXPECT_EQ(info.compiler, "a C compiler");
  EXPECT_EQ(info.file, plugin("plain"));
  EXPECT_EQ(info.abi_major, BP_ABI_MAJOR);
  ASSERT_EQ(info.kinds.size(), 1u);

  const auto& kind = info.kinds[0];
  EXPECT_EQ(kind.name, "plain.echo");
  EXPECT_EQ(kind.plugin, "plain");
  EXPECT_EQ(kind.properties, BP_OUTBOUND | BP_FUNCTIONS);
  EXPECT_EQ(kind.table, nullptr);
  ASSERT_EQ(kind.options.size(), 3u);
  EXPECT_EQ(kind.options[0].default_text, "> ");
  EXPECT_THAT(kind.options[1].choices, ElementsAre("upper", "lower"));
  EXPECT_TRUE(kind.options[2].required);
  EXPECT_EQ(kind.options[2].default_text, std::nullopt);
  EXPECT_EQ(kind.options[2].maximum, 1000);

  ASSERT_TRUE(kind.functions);
  const auto& repeat = kind.functions->at(0);
  EXPECT_EQ(repeat.name, "repeat");
  EXPECT_EQ(repeat.manner, BP_IMMEDIATE);
  EXPECT_EQ(repeat.parameters.at(0).default_json, std::nullopt);
  EXPECT_EQ(repeat.parameters.at(1).default_json, "1");
}

TEST_F(Helper, LeavesOutOptionTablesWhenAsked) {
  const auto brief =
      describe_in_helper(plugin("plain"), plugin("plain"), loading_limit, OptionTables::leave_out);
  EXPECT_THAT(brief.plugin->kinds.at(0).options, IsEmpty());
  EXPECT_EQ(brief.plugin->kinds.at(0).functions->size(), 1u);
}

TEST_F(Helper, SurvivesACrash) {
  EXPECT_THAT(reason_of("crash"), StartsWith("crashed while loading: segmentation fault (signal 11)"));
}

TEST_F(Helper, RepeatsWhatAPluginSaidBeforeItCrashedInOneLine) {
  EXPECT_EQ(reason_of("complain_and_abort"),
            "crashed while loading: aborted (signal 6); it said: licence\\x1b[2J server\\nis down");
}

TEST_F(Helper, SaysThatACrashCameAfterLoading) {
  EXPECT_THAT(reason_of("crash_in_functions"),
              StartsWith("crashed while telling what it offers: aborted (signal 6)"));
}

TEST_F(Helper, DoesNotWaitForEver) {
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(describe("hang", 500ms).reason, "did not finish loading within 500 ms");
  EXPECT_LT(std::chrono::steady_clock::now() - before, loading_limit);
}

TEST_F(Helper, EndsWhatAHangingPluginHasStarted) {
  const auto file = folder_.file("process");
  ::setenv("LOADER_TEST_FILE", file.c_str(), 1);
  EXPECT_THAT(describe("hang_in_company", 1000ms).reason, StartsWith("did not finish"));
  const auto process = test::read_file(file);
  ASSERT_NE(process, "");
  const auto status = "/proc/" + process.substr(0, process.find('\n')) + "/status";
  EXPECT_TRUE(test::eventually([&] {
    const auto text = test::read_file(status);
    return text.empty() || text.find("State:\tZ") != text.npos;
  }));
}

TEST_F(Helper, SurvivesAPluginThatEndsTheProcess) {
  EXPECT_THAT(reason_of("leave"), StartsWith("ended its process (exit code 7) while loading"));
}

TEST_F(Helper, TellsWhatAConstructorThrew) { EXPECT_THAT(reason_of("fail"), HasSubstr("no licence found")); }

TEST_F(Helper, IsNotTakenInByGarbage) {
  EXPECT_THAT(reason_of("write_garbage"), StartsWith("wrote garbage to the loader"));
}

TEST_F(Helper, NoticesThatItWillHearNothingMore) {
  EXPECT_THAT(reason_of("close_everything"), StartsWith("ended its process (exit code 0)"));
}

TEST_F(Helper, MayNotTakeAllMemory) {
  EXPECT_THAT(reason_of("take_memory"), StartsWith("ended its process"));
}

TEST_F(Helper, NamesEveryMissingSymbol) {
  const auto description = describe("missing_symbols");
  EXPECT_THAT(description.reason, AnyOf(HasSubstr("undefined symbol: loader_test_first"),
                                        HasSubstr("undefined symbol: loader_test_second")));
  EXPECT_THAT(description.missing_symbols,
              testing::UnorderedElementsAre("loader_test_first", "loader_test_second"));
  EXPECT_THAT(description.missing_libraries, IsEmpty());
}

TEST_F(Helper, NamesAMissingLibrary) {
  const auto description = describe("orphan");
  EXPECT_THAT(description.reason, HasSubstr("libloader_test_absent.so"));
  EXPECT_THAT(description.missing_libraries, ElementsAre("libloader_test_absent.so"));
}

TEST_F(Helper, FindsALibraryBesideTheOriginalOfACopy) {
  const auto copy = folder_.file("copy.so", test::read_file(plugin("dependent")));
  EXPECT_EQ(describe_in_helper(copy, plugin("dependent")).reason, "");
}

TEST_F(Helper, TellsWhatItReadOfARefusedTable) {
  const auto description = describe("no_on_message");
  EXPECT_THAT(description.reason, HasSubstr("on_message is null"));
  ASSERT_TRUE(description.plugin);
  EXPECT_EQ(description.plugin->name, "plain");
  EXPECT_EQ(description.plugin->version, "1.2.3");
}

// Loading what was cut off may end in a bus error: in the helper, not here.
TEST_F(Helper, SurvivesATruncatedFile) {
  const auto whole = test::read_file(plugin("plain"));
  for (std::size_t part = 1; part < 12; ++part) {
    const auto cut = folder_.file("cut.so", whole.substr(0, whole.size() * part / 12));
    const auto description = describe_in_helper(cut, cut);
    EXPECT_TRUE(description.reason.empty() != !description.plugin) << part << ": " << description.reason;
  }
}

TEST_F(Helper, ReportsAStageAndAResult) {
  const auto outcome = run_helper(
      [](HelperReport& report) {
        report.stage("thinking");
        report.result(std::string(1 << 20, 'x'));
      },
      loading_limit);
  EXPECT_EQ(outcome.failure, "");
  EXPECT_EQ(outcome.result.size(), std::size_t{1} << 20);
}

TEST_F(Helper, HasTheSignalsOfAFreshProcess) {
  ::signal(SIGSEGV, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const auto outcome = run_helper([](HelperReport&) { ::raise(SIGTERM); }, loading_limit);
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGSEGV, SIG_DFL);
  EXPECT_EQ(outcome.failure, "crashed while loading: terminated (signal 15)");
}

TEST(PluginJson, SaysAgainWhatItRead) {
  Description description;
  description.reason = "because";
  description.missing_symbols = {"a", "b"};
  description.missing_libraries = {"libc++.so.1"};
  description.plugin = *describe_in_helper(plugin("plain"), plugin("plain")).plugin;
  EXPECT_EQ(to_json(from_json(to_json(description))), to_json(description));
}

TEST(PluginJson, RefusesWhatItHasNotWritten) {
  for (const char* text : {"", "{", "7", "{}", "[]", "{\"reason\": 7}",
                           R"({"reason":"","missing_symbols":[],"missing_libraries":[],"plugin":null})",
                           R"({"reason":"","missing_symbols":[],"missing_libraries":[],"plugin":{}})"})
    EXPECT_ANY_THROW(from_json(text)) << text;
}

}  // namespace
}  // namespace backplane::host
