// `backplane job`, with a client whose server is itself, and with PALM servers made of raw sockets.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command_fixture.hpp"
#include "support/palm_server.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;

class Job : public ::testing::Test {
 protected:
  Arguments job(Arguments arguments) const {
    arguments.insert(arguments.begin(), {"--plugin-path", SAMPLE_PLUGINS, "job"});
    return arguments;
  }
  Outcome run(const Arguments& arguments) const { return run_backplane(job(arguments)); }
  // The program with the lines on its standard input.
  Outcome run_with_input(const Arguments& arguments, const std::string& input) const {
    auto all = job(arguments);
    all.insert(all.begin(), backplane_program());
    Child child(all, {}, folder_.file("input", input));
    const auto exit_code = child.wait();
    return {exit_code.value_or(-1), child.output(), child.errors()};
  }
  std::string lines(const std::string& content) const { return folder_.file("lines", content).string(); }

  TemporaryFolder folder_;
};

TEST_F(Job, CallsForEveryLine) {
  const auto outcome = run({"sample+x", "f", lines("one\n\nthree\nno break")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, "ONE\n\nTHREE\nNO BREAK\n");
  EXPECT_EQ(outcome.errors, "");
}

TEST_F(Job, ReadsStandardInputAndSeveralFiles) {
  EXPECT_EQ(run_with_input({"sample+x", "f"}, "a\nb\n").output, "A\nB\n");
  const auto first = folder_.file("first", "1st").string();
  const auto second = folder_.file("second", "2nd\n").string();
  EXPECT_EQ(run_with_input({"sample+x", "f", first, "-", second}, "between\n").output, "1ST\nBETWEEN\n2ND\n");
}

TEST_F(Job, PrintsJsonLines) {
  const auto outcome = run({"sample+x", "f", lines("a\nbad\n\xff\n"), "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            "{\"index\":0,\"result\":\"A\"}\n"
            "{\"index\":1,\"error\":{\"type\":\"BadItem\",\"message\":\"it is bad\"}}\n"
            "{\"index\":2,\"result\":{\"$bin\":\"/w==\"}}\n");
}

TEST_F(Job, TellsOfItemsThatFailAndGoesOn) {
  const auto outcome = run({"sample+x", "f", lines("a\nbad\nc\n")});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "A\nC\n");
  EXPECT_EQ(outcome.errors, "item 1: BadItem: it is bad\nbackplane: 1 of 3 items failed\n");
}

TEST_F(Job, EndsWithASignalAndSaysHowFarItCame) {
  auto arguments = job({"sample+x", "f", lines("a\nwait\nb\n")});
  arguments.insert(arguments.begin(), backplane_program());
  Child child(arguments);
  ASSERT_TRUE(eventually([&] { return child.output() == "A\n"; })) << child.errors();
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), 1);
  EXPECT_EQ(child.errors(), "backplane: interrupted; 3 items read, 1 result, 0 failed\n");
}

TEST_F(Job, PrintsResultsWhileItsInputIsOpen) {
  const auto pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int writer = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  auto arguments = job({"sample+x", "f"});
  arguments.insert(arguments.begin(), backplane_program());
  Child child(arguments, {}, pipe);
  for (const std::string word : {"one", "two"}) {
    const auto line = word + "\n";
    ASSERT_EQ(::write(writer, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    EXPECT_TRUE(eventually([&] { return child.output() == (word == "one" ? "ONE\n" : "ONE\nTWO\n"); }))
        << child.errors();
  }
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 1);
  ::close(writer);
}

TEST_F(Job, RefusesWhatIsNoJob) {
  const auto refused = [&](const Arguments& arguments) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    return outcome.errors;
  };
  EXPECT_THAT(refused({"one_by_one+x", "f", lines("a\n"), "--option", "key=k"}),
              HasSubstr("there are no jobs"));
  EXPECT_THAT(refused({"sample+x", "f", "/no/such/file"}), HasSubstr("cannot open /no/such/file"));
  EXPECT_THAT(refused({"sample+x", "f", folder_.path().string()}), HasSubstr("is a folder"));
  EXPECT_THAT(refused({"sample+x", "f", lines("a\n"), "--messages", "2"}),
              HasSubstr("no option \"messages\""));
  EXPECT_THAT(refused({"sample+x", "f", lines("a\n"), "--window", "0"}), HasSubstr("--window"));
  EXPECT_THAT(refused({"sample+x"}), HasSubstr("FUNCTION"));
}

// ---- PALM ----

TEST_F(Job, OfPalmHasAResultForEveryLine) {
  PalmServer server(PalmServer::foo);
  std::string input;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    input += std::to_string(i) + "\n";
    expected += "you sent me " + std::to_string(i) + "\n";
  }
  const auto outcome = run_with_input({"palm+" + server.db_address(), "server.foo", "--ordered"}, input);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, expected);
}

TEST_F(Job, OfPalmPrintsResultsAsTheyComeOrInOrder) {
  const auto backwards = [] {
    return [kept = std::make_shared<PalmServer::Replies>()](const PalmMessage& message) {
      kept->insert(kept->begin(), message);
      return kept->size() < 3 ? PalmServer::Replies{} : std::exchange(*kept, {});
    };
  };
  PalmServer server(backwards());
  EXPECT_EQ(run({"palm+" + server.db_address(), "server.foo", lines("1\n2\n3\n")}).output, "3\n2\n1\n");
  EXPECT_EQ(run({"palm+" + server.db_address(), "server.foo", lines("1\n2\n3\n"), "--ordered"}).output,
            "1\n2\n3\n");
}

TEST_F(Job, OfPalmTakesSeveralResultsForALine) {
  PalmServer server([](const PalmMessage& message) { return PalmServer::Replies{message, message}; });
  const auto outcome =
      run({"palm+" + server.db_address(), "server.foo", lines("1\n2\n"), "--messages", "2", "--window", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, "1\n1\n2\n2\n");
}

TEST_F(Job, OfPalmEndsWithASignalWhileNobodyAnswers) {
  Peer silent(ZMQ_ROUTER);
  auto arguments = job({"palm+" + silent.bind(), "server.foo", lines("1\n"), "--timeout", "0s"});
  arguments.insert(arguments.begin(), backplane_program());
  Child child(arguments);
  ASSERT_TRUE(silent.receive());
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), 1);
  EXPECT_THAT(child.errors(), HasSubstr("Interrupted: "));
}

TEST_F(Job, ReadsANamedPipeAndPrintsResultsMeanwhile) {
  const auto pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int writer = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  PalmServer server(PalmServer::foo);
  auto arguments = job({"palm+" + server.db_address(), "server.foo", lines("first\n"), pipe.string()});
  arguments.insert(arguments.begin(), backplane_program());
  Child child(arguments);
  EXPECT_TRUE(eventually([&] { return child.output() == "you sent me first\n"; })) << child.errors();
  ASSERT_EQ(::write(writer, "x\n", 2), 2);
  EXPECT_TRUE(eventually([&] { return child.output() == "you sent me first\nyou sent me x\n"; }));
  ::close(writer);
  EXPECT_EQ(child.wait(), 0) << child.errors();
}

TEST_F(Job, OfPalmTellsOfWhatFailsOrIsNotAnswered) {
  PalmServer server([](const PalmMessage& message) {
    if (message.payload == "2") return PalmServer::Replies{};
    if (message.payload == "3")
      return PalmServer::Replies{PalmServer::failing(message, "function_failed: no")};
    return PalmServer::Replies{message};
  });
  const auto outcome = run({"palm+" + server.db_address(), "server.foo", lines("1\n2\n3\n4\n"), "--timeout",
                            "300ms", "--ordered"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "1\n4\n");
  EXPECT_EQ(outcome.errors,
            "item 1: TimeoutExpired: no reply to \"server.foo\"\n"
            "item 2: function_failed: no\nbackplane: 2 of 4 items failed\n");
}

}  // namespace
}  // namespace backplane::test
