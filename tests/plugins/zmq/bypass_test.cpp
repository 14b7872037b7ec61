#include "bypass.hpp"

#include "verbs.hpp"

namespace backplane::zmq {
namespace {

FakeSettings named() {
  FakeSettings settings;
  settings.component = "pulse";
  settings.host_name = "lab";
  return settings;
}

TEST(PushBypass, SendsItsTextAtItsPace) {
  Peer listener(ZMQ_PULL);
  FakeComponent<PushBypass> pulse({{"connect", listener.bind()}, {"every", "5ms"}}, named());
  pulse.start();
  EXPECT_EQ(receives(pulse, listener), Frames{"lab pulse 1"});
  EXPECT_EQ(receives(pulse, listener), Frames{"lab pulse 2"});
  EXPECT_TRUE(pulse.sent().empty());
}

TEST(PushBypass, SkipsAndCountsWhatNobodyTakes) {
  FakeComponent<PushBypass> pulse({{"bind", any_port}, {"every", "5ms"}}, named());
  pulse.start();
  EXPECT_TRUE(pulse.run_until([&] { return pulse.metric("skipped") >= 3; }, kPatience));
  Peer listener(ZMQ_PULL);
  listener.connect(endpoint_of(pulse));
  EXPECT_TRUE(receives(pulse, listener).front().starts_with("lab pulse "));
}

TEST(PushBypass, FillsInWhatItKnowsAndLeavesTheRest) {
  FakeComponent<PushBypass> pulse({{"bind", any_port}}, named());
  EXPECT_EQ(fill_in("{host}/{component} {count} {time} {what}{host}", pulse.host(), 7, 99),
            "lab/pulse 7 99 {what}lab");
}

TEST(PullBypass, WritesMessagesToTheLog) {
  FakeComponent<PullBypass> log({{"bind", any_port}, {"level", "warning"}, {"show", "20B"}});
  log.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(log));
  peer.send({"hello", std::string("\n\0", 2)});
  peer.send({std::string(1000, 'x')});
  ASSERT_TRUE(log.run_until([&] { return log.metric("received") == 2; }, kPatience));
  EXPECT_TRUE(log.logged("hello | \\x0a\\x00"));
  EXPECT_TRUE(log.logged(std::string(20, 'x') + "..."));
  EXPECT_EQ(log.log_lines().back().severity, Severity::warning);
  EXPECT_TRUE(log.sent().empty());
}

TEST(RepBypass, EchoesByDefault) {
  FakeComponent<RepBypass> echo({{"bind", any_port}});
  echo.start();
  Peer asker(ZMQ_REQ);
  asker.connect(endpoint_of(echo));
  asker.send({"one", "", "three"});
  EXPECT_EQ(receives(echo, asker), (Frames{"one", "", "three"}));
  EXPECT_TRUE(echo.sent().empty());
}

TEST(RepBypass, AnswersAFixedText) {
  FakeComponent<RepBypass> fixed({{"bind", any_port}, {"reply", "alive"}});
  fixed.start();
  Peer asker(ZMQ_REQ);
  asker.connect(endpoint_of(fixed));
  asker.send({"ping"});
  EXPECT_EQ(receives(fixed, asker), Frames{"alive"});
}

TEST(RepBypass, MalformedRequestsStopNothing) {
  FakeComponent<RepBypass> echo({{"bind", any_port}, {"max_frames", "4"}});
  echo.start();
  Peer bad(ZMQ_DEALER);
  bad.connect(endpoint_of(echo));
  bad.send({"no delimiter"});
  bad.send({"", "too", "many", "frames"});
  ASSERT_TRUE(echo.run_until([&] { return echo.metric("malformed") == 2; }, kPatience));
  Peer asker(ZMQ_REQ);
  asker.connect(endpoint_of(echo));
  asker.send({"hello"});
  EXPECT_EQ(receives(echo, asker), Frames{"hello"});
}

}  // namespace
}  // namespace backplane::zmq
