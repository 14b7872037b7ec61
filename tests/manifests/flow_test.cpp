// Stories in which messages flow one way: fan-out, gather, conditions, dead letters, templates.
#include <set>

#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

class Flow : public ManifestTest {
 protected:
  // A published message is lost before the subscription has arrived: sends `probe` until one comes through.
  static void wait_for_subscription(Peer& sender, Peer& receiver) {
    ASSERT_TRUE(eventually([&] {
      sender.send({"probe"});
      return receiver.receive(milliseconds(50)).has_value();
    }));
  }
  // The next `count` texts that are no probes.
  static std::vector<std::string> texts(Peer& peer, std::size_t count) {
    std::vector<std::string> all;
    while (all.size() < count) {
      const auto frames = peer.receive();
      if (!frames) break;
      if (frames->front() != "probe") all.push_back(frames->front());
    }
    return all;
  }
};

TEST_F(Flow, FanOutGivesEveryMessageToAll) {
  const auto source = free_endpoint();
  const auto queue = free_endpoint();
  const auto broadcast = free_endpoint();
  const auto record = folder_.file("record");
  auto& host = run("fan_out.yaml",
                   {{"SOURCE", source}, {"QUEUE", queue}, {"BROADCAST", broadcast}, {"RECORD", record}});
  Peer sender(ZMQ_PUSH);
  Peer puller(ZMQ_PULL);
  Peer subscriber(ZMQ_SUB);
  sender.connect(source);
  puller.connect(queue);
  subscriber.connect(broadcast).subscribe();
  wait_for_subscription(sender, subscriber);

  const auto sent = numbered(500);
  ASSERT_TRUE(send_all(sender, sent));
  EXPECT_THAT(texts(puller, 500), ElementsAreArray(sent));
  EXPECT_THAT(texts(subscriber, 500), ElementsAreArray(sent));
  expect_clean_stop(host);
  EXPECT_TRUE(read_file(record).ends_with("\n498\n499\n"));
}

TEST_F(Flow, GatherKeepsTheOrderOfEverySource) {
  const auto pushed = free_endpoint();
  const auto published = free_endpoint();
  const auto all = free_endpoint();
  auto& host =
      run("gather.yaml", {{"PUSHED", pushed}, {"PUBLISHED", published}, {"ALL", all}, {"EVERY", "20ms"}});
  Peer receiver(ZMQ_PULL);
  Peer pusher(ZMQ_PUSH);
  Peer publisher(ZMQ_XPUB);  // as PUB, and it tells when a subscriber is there
  receiver.connect(all);
  pusher.connect(pushed);
  publisher.connect(published);
  ASSERT_TRUE(publisher.receive().has_value()) << "nobody subscribed";

  std::vector<std::string> from_pusher;
  std::vector<std::string> from_publisher;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(pusher.send({"pushed " + std::to_string(i)}));
    ASSERT_TRUE(publisher.send({"published " + std::to_string(i)}));
  }
  int ticks = 0;
  ASSERT_TRUE(eventually([&] {
    while (const auto frames = receiver.receive_now()) {
      const auto& text = frames->front();
      if (text.starts_with("pushed ")) from_pusher.push_back(text);
      if (text.starts_with("published ")) from_publisher.push_back(text);
      if (text.starts_with("alive ")) {
        EXPECT_EQ(text, "alive " + std::to_string(++ticks));
      }
    }
    return from_pusher.size() >= 200 && from_publisher.size() >= 200 && ticks >= 3;
  }));
  for (int i = 0; i < 200; ++i) {
    const auto place = static_cast<std::size_t>(i);
    EXPECT_EQ(from_pusher[place], "pushed " + std::to_string(i));
    EXPECT_EQ(from_publisher[place], "published " + std::to_string(i));
  }
  // Ticks on their way when the test stops reading are delivered by the drain, or told as undelivered.
  ASSERT_EQ(host.stop(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(Flow, TheFirstConditionThatMatchesTakesAMessage) {
  const Environment environment{{"READINGS", free_endpoint()},
                                {"ALARMS", free_endpoint()},
                                {"TEMPERATURES", free_endpoint()},
                                {"OTHERS", free_endpoint()}};
  auto& host = run("conditions.yaml", environment);
  Peer sender(ZMQ_PUSH);
  sender.connect(environment.at("READINGS"));
  Peer alarms(ZMQ_PULL);
  alarms.connect(environment.at("ALARMS"));
  Peer temperatures(ZMQ_PULL);
  temperatures.connect(environment.at("TEMPERATURES"));
  Peer others(ZMQ_PULL);
  others.connect(environment.at("OTHERS"));

  for (const auto* topic :
       {"alarm.oven", "sensor.3.temperature", "sensor.33.temperature", "alarm", "alarm.", ""})
    ASSERT_TRUE(sender.send({topic, "reading"}));
  EXPECT_THAT(alarms.receive_texts(2), ElementsAre("alarm.oven", "alarm."));
  EXPECT_THAT(temperatures.receive_texts(1), ElementsAre("sensor.3.temperature"));
  EXPECT_THAT(others.receive_texts(3), ElementsAre("sensor.33.temperature", "alarm", ""));
  expect_clean_stop(host);
}

TEST_F(Flow, WhatIsTooLateGoesToTheDeadLetters) {
  const Environment environment{
      {"JOBS", free_endpoint()}, {"RESULTS", free_endpoint()}, {"LATE", free_endpoint()}};
  auto& host = run("dead_letters.yaml", environment);
  Peer results(ZMQ_PULL);
  results.connect(environment.at("RESULTS"));
  Peer late(ZMQ_PULL);
  late.connect(environment.at("LATE"));
  Peer sender(ZMQ_PUSH);
  sender.connect(environment.at("JOBS"));
  ASSERT_TRUE(send_all(sender, numbered(30)));

  std::set<std::string> in_time;
  std::set<std::string> too_late;
  ASSERT_TRUE(eventually([&] {
    while (const auto frames = results.receive_now()) in_time.insert(frames->front());
    while (const auto frames = late.receive_now()) too_late.insert(frames->front());
    return in_time.size() + too_late.size() >= 30;
  }));
  EXPECT_TRUE(in_time.contains("0"));
  EXPECT_GE(too_late.size(), 20u) << "a worker of 100 ms did more than ten jobs in 350 ms";
  for (const auto& text : numbered(30)) EXPECT_NE(in_time.contains(text), too_late.contains(text)) << text;
  expect_clean_stop(host);
  const auto expired = [&](const char* account) { return host.ledger_count(account, "expired").value_or(0); };
  EXPECT_EQ(expired("received by worker") + expired("received by results") + expired("route jobs -> worker") +
                expired("route worker -> results"),
            too_late.size());
}

TEST_F(Flow, ATemplateIsUsedTwice) {
  const Environment environment{
      {"FAST", free_endpoint()}, {"SLOW", free_endpoint()}, {"RESULTS", free_endpoint()}};
  auto& host = run("templates.yaml", environment);
  Peer results(ZMQ_PULL);
  results.connect(environment.at("RESULTS"));
  for (const auto* stage : {"FAST", "SLOW"}) {
    Peer sender(ZMQ_PUSH);
    sender.connect(environment.at(stage));
    ASSERT_TRUE(sender.send({stage}));
    EXPECT_EQ(results.receive(), Frames{stage});
  }
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count("route fast.worker -> results", "out"), 1u);
  EXPECT_EQ(host.ledger_count("route slow.worker -> results", "out"), 1u);
}

}  // namespace
}  // namespace backplane::test
