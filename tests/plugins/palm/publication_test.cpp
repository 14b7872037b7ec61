// What a publisher holds and when it lets go: section "Publishing without loss" of the protocol, rule by
// rule.
#include "palm/publication.hpp"

#include "palm/outbound.hpp"
#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

using Texts = std::vector<std::string>;

constexpr std::int64_t grace = 250 * ms;
constexpr std::int64_t hold = 5000 * ms;

// A publication whose sent messages the test reads as "topic:body". Time is what the test says.
class Publishing : public testing::Test {
 protected:
  void limits(std::size_t most_held, std::size_t most_bytes) {
    publication_.emplace(
        PublicationLimits{grace, hold, most_held, most_bytes},
        [this](Message message) { sent_.push_back(shown(message)); },
        [this](Message message, Publication::Fate fate) {
          (fate == Publication::Fate::expired ? expired_ : crowded_out_).push_back(shown(message));
        });
  }
  Publishing() { limits(100'000, 256U << 20U); }

  void client(std::string_view topic, std::string_view body) {
    publication_->publish(host_.message({topic, body}), true, latest_.accepted(topic), now_);
  }
  void stage(std::string_view topic, std::string_view body) {
    publication_->publish(host_.message({topic, body}), false, 0, now_);
  }
  void subscribe(std::string_view topic, Look look = 1) {
    publication_->subscribed(topic, look, now_,
                             [this](std::string_view who) { return latest_.accepted(who); });
  }
  void unsubscribe(std::string_view topic) { publication_->unsubscribed(topic); }
  // The connection of the client's latest request was accepted at this look.
  void request(std::string_view client, Look look) { latest_.note(client, look); }
  void pass(std::int64_t span) {
    now_ += span;
    publication_->expire(now_, [this](std::string_view who) { latest_.settle(who); });
  }
  Texts sent() { return std::exchange(sent_, {}); }
  Texts expired() { return std::exchange(expired_, {}); }
  Texts crowded_out() { return std::exchange(crowded_out_, {}); }
  std::size_t held() const { return publication_->held(); }

  std::optional<Publication>& publication() { return publication_; }
  std::int64_t now() const { return now_; }

 private:
  static std::string shown(const Message& message) {
    return std::string(message[0]) + ":" + std::string(message[1]);
  }

  FakeComponent<Push> host_{{{"bind", any_port}}};
  std::optional<Publication> publication_;
  LatestRequests latest_{100};
  std::int64_t now_ = 1000 * ms;
  Texts sent_;
  Texts expired_;
  Texts crowded_out_;
};

// ---- stage topics -----------------------------------------------------------------------------------

TEST_F(Publishing, AStageTopicGoesOutWhenItIsSubscribed) {
  subscribe("server");
  stage("server", "1");
  EXPECT_EQ(sent(), Texts{"server:1"});
}

TEST_F(Publishing, AStageTopicGoesOutToAPrefixOfIt) {
  subscribe("even");
  stage("evening", "1");
  stage("eve", "2");
  EXPECT_EQ(sent(), Texts{"evening:1"});
  EXPECT_EQ(held(), 1u);
}

TEST_F(Publishing, AStageTopicWaitsForItsSubscriptionInOrder) {
  stage("server", "1");
  stage("server", "2");
  EXPECT_EQ(sent(), Texts{});
  subscribe("ser");
  EXPECT_EQ(sent(), (Texts{"server:1", "server:2"}));
  EXPECT_EQ(held(), 0u);
}

TEST_F(Publishing, ASubscriptionToEverythingIsNoReasonToSendAtOnce) {
  subscribe("");
  stage("server", "1");
  EXPECT_EQ(sent(), Texts{});
  pass(hold);
  EXPECT_EQ(sent(), Texts{"server:1"});
}

TEST_F(Publishing, AnEmptyTopicIsNeverHeld) {
  stage("", "1");
  client("", "2");
  EXPECT_EQ(sent(), (Texts{":1", ":2"}));
}

// ---- client topics ----------------------------------------------------------------------------------

TEST_F(Publishing, AClientTopicGoesOutToItsFreshSubscription) {
  request("c", 3);
  subscribe("c", 3);
  client("c", "1");
  EXPECT_EQ(sent(), Texts{"c:1"});
}

TEST_F(Publishing, AClientOfNoKnownConnectionHasAFreshSubscription) {
  subscribe("c", 1);
  client("c", "1");
  EXPECT_EQ(sent(), Texts{"c:1"});
}

TEST_F(Publishing, AStaleSubscriptionIsNotEnoughUntilTheFreshOneComes) {
  subscribe("c", 2);
  request("c", 3);
  client("c", "1");
  EXPECT_EQ(sent(), Texts{});
  pass(grace - 1);
  EXPECT_EQ(sent(), Texts{});
  subscribe("c", 4);
  EXPECT_EQ(sent(), Texts{"c:1"});
}

TEST_F(Publishing, AStaleSubscriptionIsTakenAfterTheGraceAndThenIsFresh) {
  subscribe("c", 2);
  request("c", 3);
  client("c", "1");
  pass(grace);
  EXPECT_EQ(sent(), Texts{"c:1"});
  client("c", "2");
  EXPECT_EQ(sent(), Texts{"c:2"}) << "the connection counts as settled";
  request("c", 5);
  client("c", "3");
  EXPECT_EQ(sent(), Texts{}) << "a new connection does not";
}

TEST_F(Publishing, WhatWaitsBehindAStaleOneGoesOutWithIt) {
  subscribe("c", 2);
  request("c", 3);
  client("c", "1");
  pass(grace / 2);
  client("c", "2");
  pass(grace / 2);
  EXPECT_EQ(sent(), (Texts{"c:1", "c:2"}));
}

TEST_F(Publishing, AMonitorOfAPrefixGetsTheMessageAfterTheGrace) {
  subscribe("c");
  client("c1", "1");
  EXPECT_EQ(sent(), Texts{});
  pass(grace - 1);
  EXPECT_EQ(sent(), Texts{});
  pass(1);
  EXPECT_EQ(sent(), Texts{"c1:1"});
}

TEST_F(Publishing, TheExactSubscriptionComesBeforeTheMonitorsGraceEnds) {
  subscribe("c");
  client("c1", "1");
  subscribe("c1");
  EXPECT_EQ(sent(), Texts{"c1:1"});
}

TEST_F(Publishing, AMonitorThatComesLateShortensTheWaitToTheGrace) {
  client("c1", "1");
  pass(1000 * ms);
  subscribe("c");
  EXPECT_EQ(sent(), Texts{});
  pass(grace);
  EXPECT_EQ(sent(), Texts{"c1:1"});
}

TEST_F(Publishing, AMonitorDoesNotLengthenTheWait) {
  client("c1", "1");
  pass(hold - 10 * ms);
  subscribe("c");
  pass(10 * ms);
  EXPECT_EQ(sent(), Texts{"c1:1"});
}

// ---- the end of waiting -----------------------------------------------------------------------------

TEST_F(Publishing, WhatNobodyWantsIsGivenUpAfterTheHoldTime) {
  client("c", "1");
  pass(hold - 1);
  EXPECT_EQ(held(), 1u);
  pass(1);
  EXPECT_EQ(expired(), Texts{"c:1"});
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(publication()->next_expiry(), 0);
}

TEST_F(Publishing, EachMessageHasItsOwnHoldTime) {
  client("c", "1");
  pass(hold / 2);
  client("c", "2");
  EXPECT_EQ(publication()->next_expiry(), now() + hold / 2);
  pass(hold / 2);
  EXPECT_EQ(expired(), Texts{"c:1"});
  subscribe("c");
  EXPECT_EQ(sent(), Texts{"c:2"});
}

TEST_F(Publishing, SubscribersOfEverythingGetWhatNobodyElseWanted) {
  client("c", "1");
  subscribe("");
  pass(hold);
  EXPECT_EQ(sent(), Texts{"c:1"});
  EXPECT_EQ(expired(), Texts{});
}

TEST_F(Publishing, ASubscriptionThatHasEndedCountsNoMore) {
  subscribe("c");
  subscribe("server");
  unsubscribe("c");
  unsubscribe("server");
  client("c", "1");
  stage("server", "1");
  EXPECT_EQ(sent(), Texts{});
  subscribe("");
  unsubscribe("");
  pass(hold);
  EXPECT_EQ(expired(), (Texts{"c:1", "server:1"}));
}

TEST_F(Publishing, TheEndOfASubscriptionThatWasNotThereIsNothing) {
  unsubscribe("c");
  unsubscribe("");
  EXPECT_EQ(publication()->subscriptions().size(), 0u);
}

// ---- order and independence -------------------------------------------------------------------------

TEST_F(Publishing, NothingOvertakesWhatWaitsUnderItsTopic) {
  subscribe("c", 2);
  request("c", 3);
  client("c", "1");
  request("c", 1);
  client("c", "2");
  EXPECT_EQ(sent(), (Texts{"c:1", "c:2"})) << "the second may go, so the first may";
}

TEST_F(Publishing, AStageMessageWaitsBehindAClientsUnderOneTopic) {
  subscribe("c", 2);
  request("c", 3);
  client("c", "1");
  stage("c", "2");
  EXPECT_EQ(sent(), Texts{});
  subscribe("c", 3);
  EXPECT_EQ(sent(), (Texts{"c:1", "c:2"}));
}

TEST_F(Publishing, TopicsDoNotDelayEachOther) {
  client("a", "1");
  client("b", "1");
  client("a", "2");
  subscribe("b");
  EXPECT_EQ(sent(), Texts{"b:1"});
  client("b", "2");
  EXPECT_EQ(sent(), Texts{"b:2"});
  subscribe("a");
  EXPECT_EQ(sent(), (Texts{"a:1", "a:2"}));
}

TEST_F(Publishing, OneSubscriptionFreesEveryTopicThatBeginsWithIt) {
  for (const auto* topic : {"server", "ser", "server-2", "se", "t"}) stage(topic, "1");
  subscribe("ser");
  EXPECT_EQ(sent(), (Texts{"ser:1", "server:1", "server-2:1"}));
  EXPECT_EQ(held(), 2u);
}

// ---- bounds -----------------------------------------------------------------------------------------

TEST_F(Publishing, BeyondTheMostHeldTheOldestIsCrowdedOut) {
  limits(3, 1U << 20U);
  for (const auto* body : {"1", "2", "3", "4", "5"}) {
    client(body[0] % 2 == 0 ? "even" : "odd", body);
    pass(1 * ms);
  }
  EXPECT_EQ(crowded_out(), (Texts{"odd:1", "even:2"}));
  EXPECT_EQ(held(), 3u);
  subscribe("odd");
  subscribe("even");
  EXPECT_EQ(sent(), (Texts{"odd:3", "odd:5", "even:4"}));
}

TEST_F(Publishing, BeyondTheMostBytesTheOldestAreCrowdedOut) {
  limits(100, 100);
  client("c", std::string(40, 'a'));
  pass(ms);
  client("c", std::string(40, 'b'));
  pass(ms);
  client("c", std::string(90, 'c'));
  EXPECT_EQ(crowded_out().size(), 2u);
  EXPECT_EQ(held(), 1u);
}

TEST_F(Publishing, WhatGoesOutMakesRoomAgain) {
  limits(2, 100);
  for (int round = 0; round < 10; ++round) {
    client("c", std::string(30, 'a'));
    client("c", std::string(30, 'b'));
    subscribe("c");
    EXPECT_EQ(sent().size(), 2u);
    unsubscribe("c");
  }
  EXPECT_EQ(crowded_out(), Texts{});
}

TEST_F(Publishing, ManyTopicsExpireEachAtItsInstant) {
  for (int i = 0; i < 1000; ++i) {
    client("c" + std::to_string(i), "1");
    pass(ms);
  }
  EXPECT_EQ(held(), 1000u);
  pass(hold - 1000 * ms);
  EXPECT_EQ(expired().size(), 1u);
  pass(499 * ms);
  EXPECT_EQ(expired().size(), 499u);
  subscribe("");
  pass(hold);
  EXPECT_EQ(sent().size(), 500u);
  EXPECT_EQ(held(), 0u);
}

// ---- who came when ----------------------------------------------------------------------------------

TEST(LatestRequests, KnowTheLookOfTheLatestConnection) {
  LatestRequests latest(10);
  EXPECT_EQ(latest.accepted("c"), 0u);
  latest.note("c", 3);
  latest.note("c", 7);
  EXPECT_EQ(latest.accepted("c"), 7u);
  latest.settle("c");
  latest.settle("nobody");
  EXPECT_EQ(latest.accepted("c"), 0u);
  EXPECT_EQ(latest.size(), 1u);
}

TEST(LatestRequests, ForgetTheClientThatAskedLongestAgo) {
  LatestRequests latest(2);
  latest.note("a", 1);
  latest.note("b", 2);
  latest.note("a", 3);
  latest.note("c", 4);
  EXPECT_EQ(latest.accepted("b"), 0u);
  EXPECT_EQ(latest.accepted("a"), 3u);
  EXPECT_EQ(latest.accepted("c"), 4u);
  EXPECT_EQ(latest.size(), 2u);
}

TEST(PalmSubscriptions, CoverWhatBeginsWithOneOfThem) {
  Subscriptions subscriptions;
  subscriptions.add("ab", 1);
  subscriptions.add("abcd", 2);
  EXPECT_TRUE(subscriptions.covers("abc"));
  EXPECT_FALSE(subscriptions.covers("a"));
  subscriptions.remove("ab");
  EXPECT_FALSE(subscriptions.covers("abc"));
  EXPECT_TRUE(subscriptions.covers("abcde"));
  EXPECT_EQ(subscriptions.exact("abcd"), std::optional<Look>(2));
  EXPECT_EQ(subscriptions.exact("abcde"), std::nullopt);
}

TEST(PalmSubscriptions, ToEverythingCoverNothingByName) {
  Subscriptions subscriptions;
  subscriptions.add("", 1);
  EXPECT_TRUE(subscriptions.everything());
  EXPECT_FALSE(subscriptions.covers("a"));
  subscriptions.remove("");
  EXPECT_FALSE(subscriptions.everything());
}

}  // namespace
}  // namespace backplane::palm
