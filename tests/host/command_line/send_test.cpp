// `backplane send` against raw sockets.
#include <zmq.h>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Send : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(Send, MakesAMessageOfEveryLine) {
  Peer pull(ZMQ_PULL);
  const auto endpoint = pull.bind();
  const auto outcome = command({"send", endpoint, folder_.file("lines", "one\n\nthree\nno break").string()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(pull.receive_texts(4), ElementsAre("one", "", "three", "no break"));
  EXPECT_EQ(outcome.output + outcome.errors, "");
}

TEST_F(Send, ReadsStandardInputAndSeveralFiles) {
  Peer pull(ZMQ_PULL);
  const auto endpoint = pull.bind();
  EXPECT_EQ(command({"send", endpoint}, "from input\n").exit_code, 0);
  const auto first = folder_.file("1", "a\n").string();
  const auto second = folder_.file("2", "b\n").string();
  EXPECT_EQ(command({"send", endpoint, first, "-", second}, "between\n").exit_code, 0);
  EXPECT_THAT(pull.receive_texts(4), ElementsAre("from input", "a", "between", "b"));
}

TEST_F(Send, MakesOneMessageOfAWholeFile) {
  Peer pull(ZMQ_PULL);
  const std::string bytes("a\nb\0\xff", 5);
  EXPECT_EQ(command({"send", pull.bind(), "--whole", folder_.file("all", bytes).string()}).exit_code, 0);
  EXPECT_THAT(pull.receive_texts(1), ElementsAre(bytes));
}

TEST_F(Send, ReadsFramesInJson) {
  Peer pull(ZMQ_PULL);
  EXPECT_EQ(command({"send", pull.bind(), "--frames"}, "[\"a\", {\"hex\": \"00ff\"}, \"\"]\n").exit_code, 0);
  EXPECT_EQ(pull.receive(), (Frames{"a", std::string("\0\xff", 2), ""}));
}

TEST_F(Send, PutsTheTopicFirst) {
  Peer pull(ZMQ_PULL);
  EXPECT_EQ(command({"send", pull.bind(), "--topic", "weather"}, "sunny\n").exit_code, 0);
  EXPECT_EQ(pull.receive(), (Frames{"weather", "sunny"}));
}

TEST_F(Send, StopsAfterTheCount) {
  Peer pull(ZMQ_PULL);
  EXPECT_EQ(command({"send", pull.bind(), "--count", "2"}, "1\n2\n3\n").exit_code, 0);
  EXPECT_THAT(pull.receive_texts(3, milliseconds(200)), ElementsAre("1", "2"));
}

TEST_F(Send, BindsAndWaitsForAPeer) {
  const auto endpoint = free_endpoint();
  auto sending = begin({"send", endpoint, "--bind"}, "hello\n");
  Peer pull(ZMQ_PULL);
  pull.connect(endpoint);
  EXPECT_THAT(pull.receive_texts(1), ElementsAre("hello"));
  const auto outcome = sending.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.errors, "bound to " + endpoint + "\n");
}

TEST_F(Send, PublishesWhenTheFirstSubscriberIsThere) {
  const auto endpoint = free_endpoint();
  auto sending = begin({"send", endpoint, "--socket", "pub", "--bind"}, "a\nb\n");
  Peer sub(ZMQ_SUB);
  sub.subscribe().connect(endpoint);
  EXPECT_THAT(sub.receive_texts(2), ElementsAre("a", "b"));
  EXPECT_EQ(sending.get().exit_code, 0);
}

TEST_F(Send, LosesNothingAsAPublisherWithASlowSubscriber) {
  const auto endpoint = free_endpoint();
  std::string lines;
  constexpr int kMessages = 20'000;
  for (int i = 0; i < kMessages; ++i) lines += std::to_string(i) + "\n";
  auto sending = begin({"send", endpoint, "--socket", "pub", "--bind"}, lines);
  Peer sub(ZMQ_SUB);
  sub.set(ZMQ_RCVHWM, 10).subscribe().connect(endpoint);
  const auto received = sub.receive_texts(kMessages);
  ASSERT_EQ(received.size(), kMessages);
  EXPECT_EQ(received.back(), std::to_string(kMessages - 1));
  EXPECT_EQ(sending.get().exit_code, 0);
}

TEST_F(Send, WaitsForASlowPullerAndLosesNothing) {
  const auto endpoint = free_endpoint();
  std::string lines;
  constexpr int kMessages = 20'000;
  for (int i = 0; i < kMessages; ++i) lines += std::to_string(i) + "\n";
  auto sending = begin({"send", endpoint}, lines);
  Peer pull(ZMQ_PULL);
  pull.set(ZMQ_RCVHWM, 10).bind(endpoint);
  EXPECT_EQ(pull.receive_many(kMessages).size(), kMessages);
  EXPECT_EQ(sending.get().exit_code, 0);
}

TEST_F(Send, PrintsTheAnswersToARequest) {
  Peer rep(ZMQ_REP);
  auto sending = begin({"send", rep.bind(), "--socket", "req"}, "one\ntwo\n");
  for (const auto* answer : {"first", "second"}) {
    ASSERT_TRUE(rep.receive());
    ASSERT_TRUE(rep.send({answer, "more"}));
  }
  const auto outcome = sending.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, "first\tmore\nsecond\tmore\n");
}

TEST_F(Send, KeepsManyRequestsInFlightAndPrintsAllAnswers) {
  Peer router(ZMQ_ROUTER);
  std::string lines;
  constexpr int kMessages = 5'000;
  for (int i = 0; i < kMessages; ++i) lines += std::to_string(i) + "\n";
  auto sending = begin({"send", router.bind(), "--socket", "dealer", "--replies", "--json"}, lines);
  for (int i = 0; i < kMessages; ++i) {
    auto frames = router.receive();
    ASSERT_TRUE(frames) << i;
    ASSERT_TRUE(router.send(*frames)) << i;
  }
  const auto outcome = sending.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), kMessages);
  EXPECT_THAT(outcome.output, StartsWith("[\"0\"]\n[\"1\"]\n"));
}

TEST_F(Send, ShowsABarWithTheRateOnATerminal) {
  Peer pull(ZMQ_PULL);
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  host::Console console{in, out, err, false, false, true};
  EXPECT_EQ(host::command_line({"send", pull.bind(), folder_.file("lines", "a\nb\n").string()}, console), 0);
  EXPECT_THAT(err.str(), HasSubstr("100 %  sent 2 messages"));
}

// ---- every error path ----

TEST_F(Send, GivesUpWhenNobodyTakesAnything) {
  const auto outcome = command({"send", free_endpoint(), "--timeout", "100ms"}, "lost\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("the last messages were not taken within 100ms; 1 messages sent"));
}

TEST_F(Send, GivesUpWhenABoundSocketHasNoPeer) {
  const auto outcome = command({"send", free_endpoint(), "--bind", "--timeout", "100ms"}, "lost\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("no peer took a message within 100ms; 0 messages sent"));
}

TEST_F(Send, GivesUpWhenNobodySubscribes) {
  const auto outcome =
      command({"send", free_endpoint(), "--socket", "pub", "--bind", "--timeout", "100ms"}, "lost\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("nobody subscribed within 100ms"));
}

TEST_F(Send, GivesUpWhenNoAnswerComes) {
  Peer rep(ZMQ_REP);
  const auto outcome = command({"send", rep.bind(), "--socket", "req", "--timeout", "100ms"}, "hello?\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("no answer came within 100ms; 1 messages sent, 0 answers"));
}

TEST_F(Send, NamesTheLineThatIsNoMessageAndDeliversThoseBefore) {
  Peer pull(ZMQ_PULL);
  const auto outcome = command({"send", pull.bind(), "--frames"}, "[\"good\"]\nbad\n[\"never\"]\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("standard input:2: expected a list of frames"));
  EXPECT_THAT(outcome.errors, HasSubstr("1 messages were sent before it"));
  EXPECT_THAT(pull.receive_texts(2, milliseconds(200)), ElementsAre("good"));
}

TEST_F(Send, NamesTheFileItCannotOpenAndSendsNothing) {
  Peer pull(ZMQ_PULL);
  const auto endpoint = pull.bind();
  const auto good = folder_.file("good", "a\n").string();
  const auto missing = command({"send", endpoint, good, folder_.file("missing").string()});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("missing: No such file"));
  const auto is_folder = command({"send", endpoint, folder_.path().string()});
  EXPECT_EQ(is_folder.exit_code, 2);
  EXPECT_THAT(is_folder.errors, HasSubstr("is a folder"));
  EXPECT_EQ(pull.receive(milliseconds(100)), std::nullopt);
}

TEST_F(Send, NamesTheAddressThatIsTaken) {
  Peer other(ZMQ_PULL);
  const auto endpoint = other.bind();
  const auto outcome = command({"send", endpoint, "--bind"}, "x\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.errors, "backplane: cannot bind " + endpoint + ": Address already in use\n");
}

TEST_F(Send, RefusesWhatIsNoEndpoint) {
  for (const auto* endpoint :
       {"127.0.0.1:5555", "http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:*"}) {
    const auto outcome = command({"send", endpoint}, "x\n");
    EXPECT_EQ(outcome.exit_code, 2) << endpoint;
    EXPECT_THAT(outcome.errors, HasSubstr(endpoint));
  }
  EXPECT_THAT(command({"send", "inproc://here"}, "x\n").errors, HasSubstr("exists only inside one process"));
}

TEST_F(Send, RefusesRepliesWhereNoneCome) {
  const auto outcome = command({"send", "tcp://127.0.0.1:1", "--replies"}, "x\n");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("a push socket gets none"));
}

TEST_F(Send, SaysWhenARouterDoesNotKnowThePeer) {
  const auto outcome =
      command({"send", free_endpoint(), "--bind", "--socket", "router", "--frames"}, "[\"nobody\", \"x\"]\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("no peer has the identity \"nobody\""));
}

TEST_F(Send, SendsALargeFileThroughTheProgram) {
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "line " + std::to_string(i) + "\n";
  const auto file = folder_.file("lines", lines);
  const auto endpoint = free_endpoint();
  Child listening({backplane_program(), "listen", endpoint, "--bind", "--count", "100000"});
  EXPECT_EQ(run_backplane({"send", endpoint, file.string()}).exit_code, 0);
  EXPECT_EQ(listening.wait(), 0);
  EXPECT_EQ(listening.output(), lines);
}

}  // namespace
}  // namespace backplane::test
