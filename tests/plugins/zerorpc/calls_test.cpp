// Calls at once and calls that wait: never more than the limits, in order, and none begins for nobody.
#include "zerorpc/calls.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plugins/zerorpc/no_service.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Cookies = std::vector<std::uint64_t>;

class CallsTest : public testing::Test {
 protected:
  CallsTest() { calls_.start(); }

  bool begin(std::uint64_t cookie) {
    return calls_.begin("component.function", host_.message({"x"}), cookie);
  }
  // Cookies of the calls that were made since.
  Cookies made() {
    Cookies all;
    for (const auto& call : host_.calls()) all.push_back(call.message.envelope().cookie);
    host_.calls().clear();
    return all;
  }

  FakeComponent<NoService> host_;
  std::set<std::uint64_t> unwanted_;
  std::vector<std::pair<std::uint64_t, bool>> begun_;  // cookie, and whether the host took it
  Calls calls_{
      host_.host(),
      {.at_once = 2, .waiting = 2},
      {.wanted = [this](std::uint64_t cookie) { return !unwanted_.contains(cookie); },
       .begun = [this](std::uint64_t cookie,
                       std::uint64_t correlation) { begun_.emplace_back(cookie, correlation != 0); }}};
};

TEST_F(CallsTest, GoToTheirFunctionAtOnce) {
  EXPECT_TRUE(begin(7));
  ASSERT_EQ(host_.calls().size(), 1u);
  EXPECT_EQ(host_.calls()[0].target, "component.function");
  EXPECT_EQ(host_.calls()[0].message[0], "x");
  EXPECT_EQ(made(), Cookies{7});
  EXPECT_THAT(begun_, ElementsAre(std::pair(7u, true)));
  EXPECT_EQ(calls_.running(), 1u);
  EXPECT_EQ(host_.metric("calls_under_way"), 1);
}

TEST_F(CallsTest, BeyondTheLimitWaitUntilOthersHaveEnded) {
  for (const auto cookie : {1, 2, 3, 4}) EXPECT_TRUE(begin(cookie));
  EXPECT_EQ(made(), (Cookies{1, 2}));
  EXPECT_EQ(host_.metric("calls_waiting"), 2);
  calls_.ended();
  EXPECT_EQ(made(), Cookies{3});
  calls_.ended();
  EXPECT_EQ(made(), Cookies{4});
  EXPECT_EQ(host_.metric("calls_waiting"), 0);
  calls_.ended();
  calls_.ended();
  EXPECT_EQ(calls_.running(), 0u);
  EXPECT_EQ(host_.metric("calls_under_way"), 0);
}

TEST_F(CallsTest, ThatWouldWaitBehindTooManyAreRefused) {
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie);
  EXPECT_FALSE(begin(5));
  EXPECT_EQ(host_.metric("calls_refused"), 1);
  calls_.ended();
  EXPECT_TRUE(begin(6)) << "there is room again";
}

TEST_F(CallsTest, ThatNobodyWantsAnyMoreDoNotBegin) {
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie);
  made();
  unwanted_ = {3};
  calls_.ended();
  EXPECT_EQ(made(), Cookies{4});
  EXPECT_EQ(calls_.running(), 2u);
}

TEST_F(CallsTest, ThatTheHostRefusesCountUntilTheirOutcomeHasCome) {
  host_.answer_sends(BP_REJECTED);
  EXPECT_TRUE(begin(1)) << "the error comes as an outcome";
  EXPECT_THAT(begun_, ElementsAre(std::pair(1u, false)));
  EXPECT_EQ(calls_.running(), 1u);
  calls_.ended();
  EXPECT_EQ(calls_.running(), 0u);
}

TEST_F(CallsTest, ThatWaitCanBeDropped) {
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie);
  made();
  calls_.drop_waiting();
  calls_.ended();
  EXPECT_THAT(made(), IsEmpty());
  EXPECT_EQ(host_.metric("calls_waiting"), 0);
}

}  // namespace
}  // namespace backplane::zerorpc
