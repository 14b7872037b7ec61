// What a running host promises: order, backpressure, policies, requests, the ledger, orderly stops.
#include "runtime/runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <backplane/published.hpp>

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "host/runtime/harness.hpp"

namespace backplane::test {
namespace {

using host::AccountOf;
using host::Dropped;
using host::Overflow;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> numbers(int count, int first = 0) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(first + i));
  return all;
}

// One source, one sink; on one loop or two.
class Hop : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    host_.component("source", "test.source").loop = "a";
    host_.component("sink", "test.sink").loop = GetParam() ? "b" : "a";
    route_ = &host_.route("source", {"sink"});
  }
  TestHost host_;
  host::RouteSettings* route_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(OnOneLoopAndAcrossTwo, Hop, testing::Bool(),
                         [](const auto& test) { return test.param ? "TwoLoops" : "OneLoop"; });

TEST_P(Hop, BringsEveryMessageInOrder) {
  host_.start();
  host_.send_many("source", 5000);
  ASSERT_TRUE(probe("sink").waits_for(5000));
  EXPECT_EQ(probe("sink").received(), numbers(5000));
}

TEST_P(Hop, LedgerBalancesAtEveryMomentUnderLoad) {
  route_->window = 8;
  host_.start();
  std::thread reader([&] {
    for (int i = 0; i < 300; ++i) EXPECT_TRUE(host_.balances());
  });
  host_.send_many("source", 3000);
  reader.join();
  ASSERT_TRUE(probe("sink").waits_for(3000));
  const auto report = host_.stop();
  EXPECT_TRUE(report.drained);
  EXPECT_TRUE(report.ledger.balances());
  for (const auto& line : report.ledger.lines) {
    EXPECT_EQ(line.account.in, 3000u) << line.name;
    EXPECT_EQ(line.account.out, 3000u) << line.name;
  }
}

TEST_P(Hop, AFullDestinationPausesItsOriginAndResumesIt) {
  route_->window = 10;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(host_.send("source", std::to_string(i)), Sent::yes);
  EXPECT_EQ(host_.send("source", "10"), Sent::pause);
  EXPECT_EQ(host_.account(AccountOf::route, "source -> sink").held, 11u);
  EXPECT_EQ(probe("source").resumed, 0);
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(11));
  EXPECT_TRUE(eventually([] { return probe("source").resumed == 1; }));
  EXPECT_EQ(probe("sink").received(), numbers(11));
}

TEST_P(Hop, DropOldestKeepsTheNewest) {
  route_->overflow = Overflow::drop_oldest;
  route_->window = 5;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(host_.send("source", std::to_string(i)), Sent::yes);
  auto account = host_.account(AccountOf::route, "source -> sink");
  EXPECT_EQ(account.dropped_for(Dropped::overflow_oldest), 10u);
  EXPECT_EQ(account.held, 10u);
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(10));
  // Five were under way when it filled up, the last five waited.
  EXPECT_THAT(probe("sink").received(), ElementsAre("0", "1", "2", "3", "4", "15", "16", "17", "18", "19"));
}

TEST_P(Hop, DropNewestKeepsTheOldest) {
  route_->overflow = Overflow::drop_newest;
  route_->window = 5;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(host_.send("source", std::to_string(i)), Sent::yes);
  EXPECT_EQ(host_.account(AccountOf::route, "source -> sink").dropped_for(Dropped::overflow_newest), 15u);
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(5));
  EXPECT_EQ(probe("sink").received(), numbers(5));
}

TEST_P(Hop, RejectSaysSoToTheOrigin) {
  route_->overflow = Overflow::reject;
  route_->window = 5;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(host_.send("source", std::to_string(i)), Sent::yes);
  EXPECT_EQ(host_.send("source", "5"), Sent::rejected);
  const auto account = host_.account(AccountOf::route, "source -> sink");
  EXPECT_EQ(account.refused, 1u);
  EXPECT_TRUE(account.balances());
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(5));
}

TEST_P(Hop, SpillKeepsTheOverflowOnDiskInOrder) {
  route_->overflow = Overflow::spill;
  route_->window = 5;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(host_.send("source", std::to_string(i)), Sent::yes);
  EXPECT_EQ(host_.account(AccountOf::route, "source -> sink").held, 2000u);
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(2000));
  EXPECT_EQ(probe("sink").received(), numbers(2000));
}

TEST_P(Hop, SpillThatIsFullPausesItsOriginAndLosesNothing) {
  route_->overflow = Overflow::spill;
  route_->window = 2;
  route_->spill_limit = 1000;
  host_.start();
  probe("sink").busy = true;
  int sent = 0;
  while (host_.send("source", std::to_string(sent++)) == Sent::yes) ASSERT_LT(sent, 100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(host_.send("source", std::to_string(sent++)), Sent::pause);
  probe("sink").busy = false;
  ASSERT_TRUE(probe("sink").waits_for(static_cast<std::size_t>(sent)));
  EXPECT_EQ(probe("sink").received(), numbers(sent));
}

TEST_P(Hop, AMessagePastItsTimeToLiveExpiresWhileItWaits) {
  route_->ttl = 20ms;
  route_->window = 2;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 5; ++i) host_.send("source", std::to_string(i));
  EXPECT_TRUE(eventually([&] {
    return host_.account(AccountOf::route, "source -> sink").expired +
               host_.account(AccountOf::received, "sink").expired ==
           5;
  }));
  EXPECT_TRUE(host_.balances());
  EXPECT_THAT(probe("sink").received(), IsEmpty());
}

TEST_P(Hop, ARateHoldsMessagesBack) {
  route_->rate = 200.0;
  host_.start();
  const auto began = std::chrono::steady_clock::now();
  host_.send_many("source", 60);
  ASSERT_TRUE(probe("sink").waits_for(60));
  // 20 tokens are there at once, 40 more come in 200 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - began, 190ms);
  EXPECT_EQ(probe("sink").received(), numbers(60));
}

TEST_P(Hop, OtherThreadsMaySend) {
  host_.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      Host& source = *probe("source").host;
      for (int i = 0; i < 500; ++i) source.send(source.message({"x"}));
    });
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(probe("sink").waits_for(2000));
  EXPECT_TRUE(host_.stop().ledger.balances());
}

TEST_P(Hop, StopDrainsWhatIsUnderWay) {
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 500; ++i) host_.send("source", std::to_string(i));
  std::thread later([] {
    std::this_thread::sleep_for(50ms);
    probe("sink").busy = false;
  });
  const auto report = host_.stop();
  later.join();
  EXPECT_TRUE(report.drained);
  EXPECT_EQ(probe("sink").count(), 500u);
  EXPECT_TRUE(report.ledger.balances());
}

TEST_P(Hop, StopTellsWhatItCouldNotDrain) {
  host_.settings().shutdown_timeout = 50ms;
  host_.start();
  probe("sink").busy = true;
  for (int i = 0; i < 7; ++i) host_.send("source", std::to_string(i));
  const auto report = host_.stop();
  EXPECT_FALSE(report.drained);
  EXPECT_THAT(report.undrained, testing::Contains(HasSubstr("7 messages")));
  EXPECT_TRUE(report.ledger.balances());
  std::uint64_t dropped = 0;
  for (auto line : report.ledger.lines)
    if (line.of == AccountOf::received) dropped += line.account.dropped_for(Dropped::stopped);
  EXPECT_EQ(dropped, 7u);
}

TEST_P(Hop, ASecondSignalEndsTheDrainAtOnce) {
  host_.settings().shutdown_timeout = 60s;
  host_.start();
  probe("sink").busy = true;
  host_.send("source", "0");
  const auto began = std::chrono::steady_clock::now();
  const auto report = host_.stop([] { return true; });
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  EXPECT_FALSE(report.drained);
  EXPECT_TRUE(report.ledger.balances());
}

// A component that still holds something when the manifest's timeout has passed, and lets go of it later.
class Draining : public testing::Test {
 protected:
  Draining() {
    host_.settings().shutdown_timeout = 20ms;
    host_.component("source", "test.source");
    host_.component("keeper", "test.keeper");
    host_.route("source", {"keeper"});
    host_.start();
    probe("keeper").busy = true;
    host_.send("source", "x");
    EXPECT_TRUE(probe("keeper").waits_for(1));
  }
  host::StopReport stop(std::chrono::nanoseconds lets_go_after) {
    began_ = std::chrono::steady_clock::now();
    return host_.stop([=, this] {
      if (took() >= lets_go_after) probe("keeper").busy = false;
      return false;
    });
  }
  std::chrono::nanoseconds took() const { return std::chrono::steady_clock::now() - began_; }

  TestHost host_;
  std::chrono::steady_clock::time_point began_;
};

TEST_F(Draining, EndsWithTheTimeoutOfTheManifest) {
  EXPECT_EQ(host_.runtime().drain_limit(), 20ms);
  const auto report = stop(1h);
  EXPECT_FALSE(report.drained);
  EXPECT_THAT(report.undrained, testing::Contains(HasSubstr("held by keeper")));
}

TEST_F(Draining, WaitsAsLongAsAComponentMayTake) {
  host_.on_loop("keeper", [](Host& keeper) { keeper.drain_time(60s); });
  EXPECT_EQ(host_.runtime().drain_limit(), 61s);
  probe("keeper").drain_time = 60s;
  const auto report = stop(200ms);
  EXPECT_TRUE(report.drained);
  EXPECT_GE(took(), 200ms);
}

TEST_F(Draining, AComponentMayTellWhenItBeginsToDrain) {
  probe("keeper").drain_time = 60s;
  EXPECT_EQ(host_.runtime().drain_limit(), 20ms);
  EXPECT_TRUE(stop(200ms).drained);
}

TEST_F(Draining, EndsASecondAfterTheTimeThatAComponentMayTake) {
  probe("keeper").drain_time = 1ns;
  const auto report = stop(1h);
  EXPECT_FALSE(report.drained);
  EXPECT_GE(took(), 1s);
}

TEST_F(Draining, TheLongestTimeCounts) {
  host_.on_loop("source", [](Host& source) { source.drain_time(60s); });
  host_.on_loop("keeper", [](Host& keeper) { keeper.drain_time(30s); });
  EXPECT_EQ(host_.runtime().drain_limit(), 61s);
  host_.on_loop("source", [](Host& source) { source.drain_time(std::chrono::nanoseconds::max()); });
  EXPECT_EQ(host_.runtime().drain_limit(), 365 * 24h + 1s) << "and does not overflow";
  host_.on_loop("source", [](Host& source) { source.drain_time(-1s); });
  host_.on_loop("keeper", [](Host& keeper) { keeper.drain_time(0s); });
  EXPECT_EQ(host_.runtime().drain_limit(), 20ms);
}

TEST_F(Draining, ASecondSignalEndsItAtOnce) {
  probe("keeper").drain_time = 60s;
  began_ = std::chrono::steady_clock::now();
  EXPECT_FALSE(host_.stop([] { return true; }).drained);
  EXPECT_LT(took(), 10s);
}

TEST_F(Draining, IsNotWaitedForWhenTheManifestSaysStop) {
  host_.settings().shutdown_strategy = host::ShutdownStrategy::stop;
  host_.on_loop("keeper", [](Host& keeper) { keeper.drain_time(60s); });
  EXPECT_EQ(host_.runtime().drain_limit(), 20ms);
  EXPECT_FALSE(stop(1h).drained);
  EXPECT_LT(took(), 10s);
}

TEST(Routes, FanOutGivesEveryDestinationEveryMessage) {
  TestHost host;
  host.component("source", "test.source");
  for (const auto* name : {"a", "b", "c"}) host.component(name, "test.sink").loop = name;
  host.route("source", {"a", "b", "c"});
  host.start();
  host.send_many("source", 1000);
  for (const auto* name : {"a", "b", "c"}) {
    ASSERT_TRUE(probe(name).waits_for(1000));
    EXPECT_EQ(probe(name).received(), numbers(1000));
  }
}

TEST(Routes, AFullDestinationSlowsOnlyTheOriginsThatRouteToIt) {
  TestHost host;
  host.component("one", "test.source");
  host.component("other", "test.source");
  host.component("slow", "test.sink");
  host.component("quick", "test.sink");
  host.route("one", {"slow"}).window = 2;
  host.route("other", {"quick"}).window = 2;
  host.start();
  probe("slow").busy = true;
  for (int i = 0; i < 3; ++i) host.send("one", "x");
  host.send_many("other", 500);
  EXPECT_TRUE(probe("quick").waits_for(500));
  EXPECT_EQ(probe("slow").count(), 0u);
  EXPECT_EQ(host.account(AccountOf::route, "one -> slow").held, 3u);
  probe("slow").busy = false;
}

TEST(Routes, TheFirstMatchingConditionWins) {
  TestHost host;
  host.component("source", "test.source");
  for (const auto* name : {"hot", "numbers", "rest"}) host.component(name, "test.sink");
  host.route("source", {"hot"}).when = host::When{{}, "alarm*", {}};
  host.route("source", {"numbers"}).when = host::When{{}, "a*", {}};
  host.route("source", {"rest"});
  host.start();
  for (const auto* text : {"alarm 7", "abacus", "zebra", "alarm 8"}) host.send("source", text);
  ASSERT_TRUE(probe("hot").waits_for(2) && probe("numbers").waits_for(1) && probe("rest").waits_for(1));
  EXPECT_THAT(probe("hot").received(), ElementsAre("alarm 7", "alarm 8"));
  EXPECT_THAT(probe("numbers").received(), ElementsAre("abacus"));
  EXPECT_THAT(probe("rest").received(), ElementsAre("zebra"));
}

TEST(Routes, FunctionAndHeaderAreConditionsToo) {
  TestHost host;
  host.component("source", "test.source");
  for (const auto* name : {"adders", "urgent", "rest"}) host.component(name, "test.sink");
  host.route("source", {"adders"}).when = host::When{"add*", {}, {}};
  host.route("source", {"urgent"}).when = host::When{{}, {}, {{"priority", "high"}}};
  host.route("source", {"rest"});
  host.start();
  host.on_loop("source", [](Host& source) {
    auto call = source.message({"1"});
    call.set_function("add_all");
    source.send(std::move(call));
    auto urgent = source.message({"2"});
    urgent.add_header("priority", "high");
    source.send(std::move(urgent));
    source.send(source.message({"3"}));
  });
  ASSERT_TRUE(probe("adders").waits_for(1) && probe("urgent").waits_for(1) && probe("rest").waits_for(1));
  EXPECT_THAT(probe("urgent").received(), ElementsAre("2"));
}

TEST(Routes, AMessageWithoutARouteIsDroppedAndCounted) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink");
  host.route("source", {"sink"}).when = host::When{{}, "never", {}};
  host.start();
  EXPECT_EQ(host.send("source", "x"), Sent::no_route);
  auto account = host.account(AccountOf::sent, "source");
  EXPECT_EQ(account.dropped_for(Dropped::no_route), 1u);
  EXPECT_TRUE(account.balances());
}

TEST(Routes, RoundRobinTakesInstancesInTurn) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink").instances = 3;
  host.route("source", {"sink"});
  host.start();
  host.send_many("source", 300);
  for (const auto* name : {"sink#1", "sink#2", "sink#3"}) {
    ASSERT_TRUE(probe(name).waits_for(100));
    EXPECT_EQ(probe(name).count(), 100u);
  }
}

TEST(Routes, RoundRobinPassesAFullInstanceBy) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink").instances = 2;
  host.route("source", {"sink"}).window = 4;
  host.start();
  probe("sink#1").busy = true;
  host.send_many("source", 100);
  EXPECT_TRUE(probe("sink#2").waits_for(96));
  probe("sink#1").busy = false;
  EXPECT_TRUE(probe("sink#1").waits_for(4));
}

TEST(Routes, LeastLoadedPrefersWhoHasLeastUnderWay) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink").instances = 2;
  auto& route = host.route("source", {"sink"});
  route.balance = host::Balance::least_loaded;
  route.window = 100;
  host.start();
  probe("sink#1").busy = true;
  for (int i = 0; i < 50; ++i) {
    host.send("source", std::to_string(i));
    // Wait until all but what the busy one keeps has been taken.
    ASSERT_TRUE(eventually([&] { return host.account(AccountOf::route, "source -> sink").held <= 1; }));
  }
  EXPECT_GE(probe("sink#2").count(), 49u);
  probe("sink#1").busy = false;
}

TEST(Routes, HashKeepsAKeyOnOneInstanceAndInOrder) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink").instances = 4;
  auto& route = host.route("source", {"sink"});
  route.balance = host::Balance::hash;
  route.hash_field = "topic";
  host.start();
  for (int i = 0; i < 50; ++i)
    for (const auto* key : {"apple", "pear", "plum", "fig", "date"}) host.send("source", key);
  std::size_t total = 0;
  ASSERT_TRUE(eventually([&] {
    total = 0;
    for (const auto* name : {"sink#1", "sink#2", "sink#3", "sink#4"}) total += probe(name).count();
    return total == 250;
  }));
  for (const auto* key : {"apple", "pear", "plum", "fig", "date"}) {
    int homes = 0;
    for (const auto* name : {"sink#1", "sink#2", "sink#3", "sink#4"}) {
      const auto received = probe(name).received();
      homes += std::count(received.begin(), received.end(), key) > 0 ? 1 : 0;
    }
    EXPECT_EQ(homes, 1) << key;
  }
}

TEST(Routes, DeadLettersGetWhatWasDroppedAndWhy) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sink", "test.sink");
  host.component("dead", "test.sink").loop = "elsewhere";
  auto& route = host.route("source", {"sink"});
  route.overflow = Overflow::drop_newest;
  route.window = 1;
  route.dead_letters = "dead";
  host.start();
  probe("sink").busy = true;
  host.send("source", "first");
  host.send("source", "second");
  ASSERT_TRUE(probe("dead").waits_for(1));
  EXPECT_THAT(probe("dead").received(), ElementsAre("second overflow_newest"));
  probe("sink").busy = false;
}

TEST(Routes, DeadLettersGetWhatAComponentFailedOn) {
  TestHost host;
  host.component("source", "test.source");
  host.component("thrower", "test.thrower");
  host.component("dead", "test.sink");
  host.route("source", {"thrower"}).dead_letters = "dead";
  host.start();
  for (const auto* text : {"std", "int", "malformed"}) host.send("source", text);
  ASSERT_TRUE(probe("dead").waits_for(3));
  EXPECT_THAT(probe("dead").received(),
              ElementsAre(HasSubstr("no luck today"), HasSubstr("int"), HasSubstr("three bytes")));
  auto account = host.account(AccountOf::received, "thrower");
  EXPECT_EQ(account.dropped_for(Dropped::failed), 2u);
  EXPECT_EQ(account.refused, 1u);
  EXPECT_TRUE(account.balances());
}

// Requests and replies, on one loop and across two.
class Asking : public testing::TestWithParam<bool> {
 protected:
  const char* other() const { return GetParam() ? "b" : "a"; }
  Sent ask(std::string_view text, std::uint64_t cookie = 0, std::chrono::nanoseconds timeout = {}) {
    Sent sent{};
    host_.on_loop("source",
                  [&](Host& source) { sent = source.request(source.message({text}), cookie, timeout); });
    return sent;
  }
  TestHost host_;
};
INSTANTIATE_TEST_SUITE_P(OnOneLoopAndAcrossTwo, Asking, testing::Bool(),
                         [](const auto& test) { return test.param ? "TwoLoops" : "OneLoop"; });

TEST_P(Asking, EveryRequestGetsItsReply) {
  host_.component("source", "test.source").loop = "a";
  host_.component("echo", "test.echo").loop = other();
  host_.route("source", {"echo"});
  host_.start();
  for (int i = 0; i < 1000; ++i) ask(std::to_string(i));
  ASSERT_TRUE(probe("source").waits_for(1000));
  EXPECT_EQ(probe("source").received()[999], "re:999");
  EXPECT_TRUE(host_.stop().ledger.balances());
}

TEST_P(Asking, LoopsThatSpinAnswerAndExpireAsOthersDo) {
  host_.settings().spin = 10ms;
  host_.component("source", "test.source").loop = "a";
  host_.component("echo", "test.echo").loop = other();
  host_.component("silent", "test.silent").loop = other();
  host_.route("source", {"echo"}).when = host::When{"echo", {}, {}};
  host_.route("source", {"silent"}).when = host::When{"other", {}, {}};
  host_.start();
  host_.on_loop("source", [](Host& source) {
    for (const auto* function : {"echo", "other"}) {
      auto request = source.message({function});
      request.set_function(function);
      source.request(std::move(request), 0, 30ms);
    }
  });
  ASSERT_TRUE(probe("source").waits_for(2));
  EXPECT_THAT(probe("source").received(), ElementsAre("re:echo", "error TimeoutExpired"));
  EXPECT_TRUE(host_.stop().ledger.balances());
}

TEST_P(Asking, ARequestThatIsSentOnIsAnsweredToItsAsker) {
  host_.component("source", "test.source").loop = "a";
  host_.component("first", "test.echo").loop = other();
  host_.component("last", "test.echo").loop = "c";
  host_.route("source", {"first"});
  host_.route("first", {"last"});
  host_.start();
  ask("x");
  ASSERT_TRUE(probe("source").waits_for(1));
  EXPECT_THAT(probe("source").received(), ElementsAre("re:x"));
}

TEST_P(Asking, WithoutAnAnswerTheDeadlineIsTheOutcomeAndTheCalleeIsTold) {
  host_.component("source", "test.source").loop = "a";
  host_.component("silent", "test.silent").loop = other();
  host_.route("source", {"silent"});
  host_.start();
  ask("x", 0, 30ms);
  ASSERT_TRUE(probe("source").waits_for(1));
  EXPECT_THAT(probe("source").received(), ElementsAre("error TimeoutExpired"));
  ASSERT_TRUE(probe("silent").waits_for(2));
  EXPECT_THAT(probe("silent").received(), ElementsAre("x", "cancel"));
}

// Notices do not wait in line behind messages, so these come before their requests.
TEST_P(Asking, CreditAndCancellationThatOvertakeTheirRequestsAreHeeded) {
  host_.component("source", "test.source").loop = "a";
  host_.component("silent", "test.silent").loop = other();
  host_.route("source", {"silent"});
  host_.start();
  host_.on_loop("source", [](Host& source) {
    const auto ask = [&](std::string_view text) {
      auto request = source.message({text});
      request.envelope().flags |= BP_STREAM;
      request.envelope().credit = 1;
      source.request(std::move(request), 0);
      return source.last_request();
    };
    source.grant(ask("given credit"), 3);
    source.cancel(ask("cancelled"));
    ask("neither");
  });
  ASSERT_TRUE(probe("silent").waits_for(2));
  const auto report = host_.stop([] { return true; });
  EXPECT_THAT(probe("silent").received(), ElementsAre("given credit for 4", "neither for 1"));
  EXPECT_TRUE(report.ledger.balances());
}

TEST_P(Asking, ADroppedRequestIsAnsweredWithTheReason) {
  host_.component("source", "test.source").loop = "a";
  host_.component("thrower", "test.thrower").loop = other();
  host_.route("source", {"thrower"});
  host_.start();
  ask("std");
  ASSERT_TRUE(probe("source").waits_for(1));
  EXPECT_THAT(probe("source").received(), ElementsAre("error std::runtime_error"));
}

TEST_P(Asking, RequestsInFlightAreBounded) {
  auto& source = host_.component("source", "test.source");
  source.loop = "a";
  source.in_flight = 3;
  host_.component("silent", "test.silent").loop = other();
  host_.route("source", {"silent"});
  host_.start();
  EXPECT_EQ(ask("0", 0, 50ms), Sent::yes);
  EXPECT_EQ(ask("1", 0, 50ms), Sent::yes);
  EXPECT_EQ(ask("2", 0, 50ms), Sent::pause);
  EXPECT_EQ(ask("3", 0, 50ms), Sent::rejected);
  EXPECT_TRUE(eventually([] { return probe("source").resumed >= 1; }));
  ASSERT_TRUE(probe("source").waits_for(4));
  EXPECT_THAT(probe("source").received(), testing::Contains("error Overloaded"));
}

TEST_P(Asking, ARequestWithoutARouteFailsAtOnce) {
  host_.component("source", "test.source").loop = "a";
  host_.component("echo", "test.echo").loop = other();
  host_.route("source", {"echo"}).when = host::When{{}, "never", {}};
  host_.start();
  EXPECT_EQ(ask("x"), Sent::no_route);
  ASSERT_TRUE(probe("source").waits_for(1));
  EXPECT_THAT(probe("source").received(), ElementsAre("error NoRoute"));
}

TEST_P(Asking, AFunctionIsCalledByItsName) {
  host_.component("source", "test.source").loop = "a";
  host_.component("math", "test.service").loop = other();
  host_.start();
  for (const std::string target : {"math.add", "add", "math.fail", "nothing"})
    host_.on_loop("source", [&](Host& source) {
      auto call = source.message();
      call.envelope().encoding = BP_MSGPACK;
      call.set(BP_REQUEST);
      call.append(target.find("fail") == std::string::npos ? std::string_view("\x92\x02\x03")
                                                           : std::string_view("\x91\xa3why"));
      source.call(target, std::move(call));
    });
  ASSERT_TRUE(probe("source").waits_for(4));
  EXPECT_THAT(probe("source").received(),
              testing::UnorderedElementsAre("\x05", "\x05", "error DemoError", "error UnknownFunction"));
}

TEST_P(Asking, AComponentThatTakesMessagesIsCalledWithAnyFunction) {
  host_.component("source", "test.source").loop = "a";
  host_.component("math", "test.service").loop = other();
  host_.component("part", "test.source").loop = other();
  host_.component("part.echo", "test.echo").loop = other();
  host_.start();
  const auto outcome_of = [&](const std::string& target) {
    const auto before = probe("source").count();
    host_.on_loop("source", [&](Host& source) {
      auto call = source.message({"x"});
      call.set(BP_REQUEST);
      source.call(target, std::move(call));
    });
    EXPECT_TRUE(probe("source").waits_for(before + 1)) << target;
    return probe("source").received().back();
  };
  EXPECT_EQ(outcome_of("part.echo.what.ever"), "re:x") << "which never published anything";
  EXPECT_EQ(outcome_of("math.nothing"), "error NameError") << "the component says so itself";
  EXPECT_EQ(outcome_of("part.what"), "error UnknownFunction") << "it takes no messages";
  EXPECT_EQ(outcome_of("part.echo."), "error UnknownFunction");
  EXPECT_EQ(outcome_of(".echo"), "error UnknownFunction");
  EXPECT_EQ(outcome_of("nobody.add"), "error UnknownFunction");
}

TEST(FunctionDirectory, TakesWhatAComponentLearnsLateWhileOthersLook) {
  TestHost host;
  host.component("source", "test.source").loop = "a";
  host.component("remote", "test.echo").loop = "b";
  host.start();
  std::atomic<bool> done = false;
  std::thread looking([&] {
    while (!done)
      for (const auto& function : published_functions(*probe("source").host))
        EXPECT_EQ(function.help, "Version " + function.result);
  });
  host.on_loop("remote", [&](Host& remote) {
    for (int version = 0; version < 500; ++version)
      for (const std::string name : {"one", "two"})
        publish_function(remote, {.component = {},
                                  .name = name,
                                  .help = "Version " + std::to_string(version),
                                  .result = std::to_string(version)});
    EXPECT_THROW(publish_function(remote, {}), Error) << "without a name";
  });
  done = true;
  looking.join();
  const auto found = published_functions(*probe("source").host);
  ASSERT_EQ(found.size(), 2u) << "told again, it is the same function";
  EXPECT_EQ(found[0].component, "remote");
  EXPECT_EQ(found[0].name, "one");
  EXPECT_EQ(found[1].help, "Version 499");
  host.on_loop("source", [&](Host& source) {
    auto call = source.message({"x"});
    call.set(BP_REQUEST);
    EXPECT_EQ(source.call("two", std::move(call)), Sent::yes);
  });
  EXPECT_TRUE(probe("source").waits_for(1));
  EXPECT_THAT(probe("source").received(), ElementsAre("re:x"));
}

TEST(FunctionDirectory, ListsWhatComponentsPublishOncePerComponent) {
  TestHost host;
  host.component("source", "test.source");
  host.component("sums", "test.service");
  host.component("math", "test.service").instances = 2;
  host.start();
  std::vector<PublishedFunction> found;
  host.on_loop("source", [&](Host& source) {
    found = published_functions(source);
    EXPECT_EQ(source.extension("functions/2"), nullptr);
  });
  std::vector<std::string> names;
  for (const auto& function : found) names.push_back(function.component + '.' + function.name);
  EXPECT_EQ(names, (std::vector<std::string>{"math.add", "math.fail", "math.deferred_result", "sums.add",
                                             "sums.fail", "sums.deferred_result"}));
  ASSERT_EQ(found.size(), 6u);
  EXPECT_EQ(found[0].help, "Adds.");
  EXPECT_EQ(found[0].result, "int");
  EXPECT_EQ(found[0].manner, BP_ORDINARY);
  EXPECT_EQ(found[0].max_response_time, 2s);
  EXPECT_EQ(found[1].max_response_time, 0s) << "the wire's own";
  EXPECT_EQ(found[0].parameters,
            (std::vector<PublishedFunction::Parameter>{{"a", "int"}, {"b", "int", "4"}}));
}

TEST(Start, AComponentThatThrowsIsNamedAndNothingKeepsRunning) {
  for (const auto& [name, text] :
       {std::pair("bad-constructor", "the moon is in the wrong house"),
        std::pair("bad-throws-int", "not a std::exception"), std::pair("bad-start", "is taken")}) {
    TestHost host;
    host.component(name, "test.refuser");
    host.component("source", "test.source");
    host.route("source", {name});
    try {
      host.start();
      FAIL() << name << " started";
    } catch (const host::StartError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(name), HasSubstr(text)));
      EXPECT_EQ(error.refused(), std::string(name) != "bad-start");
    }
  }
}

TEST(Loops, ABlockingComponentDelaysNobody) {
  TestHost host;
  host.settings().loops = 1;
  host.component("one", "test.source");
  host.component("other", "test.source");
  host.component("blocker", "test.blocker").blocking = true;
  host.component("sink", "test.sink");
  host.route("one", {"blocker"});
  host.route("other", {"sink"});
  host.start();
  probe("blocker").block = true;
  host.send("one", "x");
  ASSERT_TRUE(probe("blocker").waits_for(1));
  host.send_many("other", 200);
  EXPECT_TRUE(probe("sink").waits_for(200));
  probe("blocker").block = false;
}

TEST(Loops, APipeThatHungUpDoesNotKeepAPausedLoopBusy) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  TestHost host;
  probe("pipe").descriptor = ends[0];
  host.component("pipe", "test.pipe").loop = "a";
  host.component("sink", "test.sink").loop = "b";
  host.route("pipe", {"sink"}).window = 1;
  host.start();
  probe("sink").busy = true;
  ASSERT_EQ(::write(ends[1], "12", 2), 2);
  ASSERT_TRUE(probe("pipe").waits_for(2)) << "the second one pauses it";
  ::close(ends[1]);
  // The loop's processor time while it has nothing to do.
  const auto busy_for = [&] {
    timespec used{};
    host.on_loop("pipe", [&](Host&) { ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); });
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  };
  const auto before = busy_for();
  std::this_thread::sleep_for(100ms);
  EXPECT_LT(busy_for() - before, 50ms);
  probe("sink").busy = false;
  EXPECT_TRUE(probe("sink").waits_for(2));
  host.stop();
  ::close(ends[0]);
}

TEST(Loops, StopNamesAComponentThatDoesNotComeBack) {
  TestHost host;
  host.settings().shutdown_timeout = 20ms;
  host.component("source", "test.source").loop = "a";
  host.component("blocker", "test.blocker").blocking = true;
  host.route("source", {"blocker"});
  host.start();
  probe("blocker").block = true;
  host.send("source", "x");
  ASSERT_TRUE(probe("blocker").waits_for(1));
  const auto report = host.stop();
  EXPECT_THAT(report.stuck, ElementsAre("blocker"));
  probe("blocker").block = false;
  EXPECT_TRUE(eventually([&] { return host.runtime().loops().back()->running() == nullptr; }));
}

TEST(Loops, AThousandComponentsStartAndStop) {
  TestHost host;
  for (int i = 0; i < 500; ++i) {
    host.component("source" + std::to_string(i), "test.source");
    host.component("sink" + std::to_string(i), "test.sink");
    host.route("source" + std::to_string(i), {"sink" + std::to_string(i)});
  }
  host.start();
  host.send("source499", "x");
  EXPECT_TRUE(probe("sink499").waits_for(1));
  EXPECT_TRUE(host.stop().drained);
}

}  // namespace
}  // namespace backplane::test
