// `backplane listen` against raw sockets.
#include <zmq.h>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Listen, PrintsALinePerMessage) {
  Peer push(ZMQ_PUSH);
  auto listening = begin({"listen", push.bind(), "--count", "3"});
  push.send({"one"});
  push.send({"two", "", "frames"});
  push.send({""});
  const auto outcome = listening.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, "one\ntwo\t\tframes\n\n");
  EXPECT_EQ(outcome.errors, "");
}

TEST(Listen, PrintsFramesInJson) {
  Peer push(ZMQ_PUSH);
  auto listening = begin({"listen", push.bind(), "--frames", "--count", "1"});
  push.send({"t\"x", std::string("\0\xff", 2)});
  EXPECT_EQ(listening.get().output, "[\"t\\\"x\",{\"base64\":\"AP8=\"}]\n");
}

TEST(Listen, PrintsWhatSendReads) {
  const Frames frames{"topic", std::string("\0\t\n\xff", 4), ""};
  Peer push(ZMQ_PUSH);
  auto listening = begin({"listen", push.bind(), "--frames", "--count", "1"});
  push.send(frames);
  Peer pull(ZMQ_PULL);
  ASSERT_EQ(command({"send", pull.bind(), "--frames"}, listening.get().output).exit_code, 0);
  EXPECT_EQ(pull.receive(), frames);
}

TEST(Listen, BindsAndTellsThePortTheSystemChose) {
  Child listening({backplane_program(), "listen", "tcp://127.0.0.1:*", "--bind", "--count", "1"});
  ASSERT_TRUE(eventually([&] { return listening.errors().ends_with('\n'); }));
  ASSERT_THAT(listening.errors(), StartsWith("bound to tcp://127.0.0.1:"));
  const auto endpoint = listening.errors().substr(9, listening.errors().size() - 10);
  Peer push(ZMQ_PUSH);
  push.connect(endpoint).send({"hello"});
  EXPECT_EQ(listening.wait(), 0);
  EXPECT_EQ(listening.output(), "hello\n");
}

TEST(Listen, SubscribesToTopics) {
  Peer pub(ZMQ_XPUB);
  auto listening =
      begin({"listen", pub.bind(), "--socket", "sub", "--topic", "a", "--topic", "b", "--count", "2"});
  ASSERT_TRUE(pub.receive());  // the two subscriptions
  ASSERT_TRUE(pub.receive());
  for (const auto* topic : {"a1", "c", "b"}) pub.send({topic, "x"});
  EXPECT_EQ(listening.get().output, "a1\tx\nb\tx\n");
}

TEST(Listen, SubscribesToEverythingWhenNoTopicIsGiven) {
  Peer pub(ZMQ_XPUB);
  auto listening = begin({"listen", pub.bind(), "--socket", "sub", "--count", "1"});
  ASSERT_TRUE(pub.receive());
  pub.send({"anything"});
  EXPECT_EQ(listening.get().output, "anything\n");
}

TEST(Listen, AnswersRequests) {
  Peer req(ZMQ_REQ);
  const auto endpoint = free_endpoint();
  auto listening =
      begin({"listen", endpoint, "--bind", "--socket", "rep", "--reply", "thanks", "--count", "2"});
  req.connect(endpoint);
  for (int i = 0; i < 2; ++i) {
    req.send({"please"});
    EXPECT_EQ(req.receive(), (Frames{"thanks"}));
  }
  EXPECT_EQ(listening.get().output, "please\nplease\n");
}

TEST(Listen, ShowsTheIdentityOfARoutersPeer) {
  Peer dealer(ZMQ_DEALER);
  dealer.set(ZMQ_ROUTING_ID, "me");
  const auto endpoint = free_endpoint();
  auto listening = begin({"listen", endpoint, "--bind", "--socket", "router", "--count", "1"});
  dealer.connect(endpoint).send({"hello"});
  EXPECT_EQ(listening.get().output, "me\thello\n");
}

// ---- how it ends ----

TEST(Listen, EndsWhenNothingComesWithinTheTimeout) {
  Peer push(ZMQ_PUSH);
  const auto outcome = command({"listen", push.bind(), "--timeout", "50ms"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "");
}

TEST(Listen, FailsWhenTheCountIsNotReachedWithinTheTimeout) {
  Peer push(ZMQ_PUSH);
  const auto endpoint = push.bind();
  auto listening = begin({"listen", endpoint, "--count", "2", "--timeout", "500ms"});
  push.send({"only one"});
  const auto outcome = listening.get();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "only one\n");
  EXPECT_EQ(outcome.errors,
            "backplane: " + endpoint + ": nothing more came within 500ms; 1 of 2 messages received\n");
}

TEST(Listen, EndsInOrderOnASignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Peer push(ZMQ_PUSH);
    Child listening({backplane_program(), "listen", push.bind()});
    push.send({"hello"});
    ASSERT_TRUE(eventually([&] { return listening.output() == "hello\n"; }));
    listening.signal(signal);
    EXPECT_EQ(listening.wait(), 0) << listening.errors();
  }
}

TEST(Listen, EndsOnASignalWhenMessagesNeverStop) {
  Peer push(ZMQ_PUSH);
  Child listening({backplane_program(), "listen", push.bind()});
  bool signalled = false;
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 1000 && push.send({"more"}, milliseconds(1)); ++i) {
    }
    if (!signalled && !listening.output().empty()) {
      listening.signal(SIGTERM);
      signalled = true;
    }
    return listening.exit_code().has_value();
  }));
  EXPECT_EQ(listening.exit_code(), 0);
}

TEST(Listen, FailsWhenInterruptedBeforeTheCount) {
  Peer push(ZMQ_PUSH);
  Child listening({backplane_program(), "listen", push.bind(), "--count", "2"});
  push.send({"hello"});
  ASSERT_TRUE(eventually([&] { return listening.output() == "hello\n"; }));
  listening.signal(SIGINT);
  EXPECT_EQ(listening.wait(), 1);
  EXPECT_THAT(listening.errors(), HasSubstr("interrupted; 1 of 2 messages received"));
}

TEST(Listen, FailsWhenTheOutputCannotBeWritten) {
  Peer push(ZMQ_PUSH);
  const auto line = backplane_program().string() + " listen " + push.bind() + " > /dev/full";
  Child listening({"/bin/sh", "-c", line});
  push.send({"hello"});
  EXPECT_EQ(listening.wait(), 1);
  EXPECT_THAT(listening.errors(), HasSubstr("cannot write to standard output"));
}

TEST(Listen, DisconnectsAPeerWhoseFramesAreTooLarge) {
  const auto endpoint = free_endpoint();
  auto listening = begin({"listen", endpoint, "--bind", "--max-frame", "1kB", "--count", "1"});
  Peer large(ZMQ_PUSH);
  large.connect(endpoint).send({std::string(1001, 'x')});
  Peer small(ZMQ_PUSH);
  small.connect(endpoint).send({std::string(1000, 'y')});
  EXPECT_EQ(listening.get().output, std::string(1000, 'y') + "\n");
}

// ---- every error path ----

TEST(Listen, NamesTheAddressThatIsTaken) {
  Peer other(ZMQ_PULL);
  const auto endpoint = other.bind();
  const auto outcome = command({"listen", endpoint, "--bind"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.errors, "backplane: cannot bind " + endpoint + ": Address already in use\n");
}

TEST(Listen, RefusesWhatIsNoEndpoint) {
  const auto outcome = command({"listen", "tcp//127.0.0.1:1"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("tcp//127.0.0.1:1"));
}

TEST(Listen, RefusesTopicsWhereNoneAre) {
  const auto outcome = command({"listen", "tcp://127.0.0.1:1", "--topic", "a"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("a pull socket has no subscriptions; use --socket sub"));
}

}  // namespace
}  // namespace backplane::test
