// Calls at once and calls that wait: never more than the limits, in order, none for nobody, and none longer
// than until its deadline.
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

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Cookies = std::vector<std::uint64_t>;

class CallsTest : public testing::Test {
 protected:
  CallsTest() { calls_.start(); }

  // `time`: until its deadline; 0: it has none.
  bool begin(std::uint64_t cookie, std::chrono::nanoseconds time = {}) {
    Message request = host_.message({"x"});
    request.set(BP_REQUEST);
    if (time.count() > 0) request.envelope().deadline = host_.host().now() + time.count();
    return calls_.begin("component.function", std::move(request), cookie);
  }
  void wait(std::chrono::nanoseconds span) {
    host_.advance(span);
    host_.run_ready();
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
  Cookies expired_;
  std::vector<std::pair<std::uint64_t, bool>> begun_;  // cookie, and whether the host took it
  Calls calls_{
      host_.host(),
      {.at_once = 2, .waiting = 2},
      {.wanted = [this](std::uint64_t cookie) { return !unwanted_.contains(cookie); },
       .expired = [this](std::uint64_t cookie) { expired_.push_back(cookie); },
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

TEST_F(CallsTest, ThatNobodyWantsAnyMoreLeaveTheirPlaceToOthers) {
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie);
  calls_.forget(3);
  EXPECT_EQ(host_.metric("calls_waiting"), 1);
  EXPECT_TRUE(begin(5));
  EXPECT_FALSE(begin(6));
  calls_.forget(1);  // it has begun
  EXPECT_EQ(calls_.running(), 2u);
}

TEST_F(CallsTest, ThatWaitDoSoUntilTheirDeadline) {
  host_.stop_clock();
  begin(1, 1s);
  begin(2);
  begin(3, 20s);
  begin(4, 10s);
  made();
  wait(9s);
  EXPECT_THAT(expired_, IsEmpty()) << "the function itself keeps the deadline of one that runs";
  wait(1s);
  EXPECT_EQ(expired_, Cookies{4});
  EXPECT_EQ(host_.metric("calls_waiting"), 1);
  begin(5);
  wait(10s);
  EXPECT_EQ(expired_, (Cookies{4, 3}));
  calls_.ended();
  EXPECT_EQ(made(), Cookies{5});
}

TEST_F(CallsTest, ThatHaveBegunOrWereForgottenDoNotExpire) {
  host_.stop_clock();
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie, 1s);
  calls_.ended();
  calls_.forget(4);
  wait(2s);
  EXPECT_THAT(expired_, IsEmpty());
}

TEST_F(CallsTest, ThatWaitBehindDroppedOnesExpireToo) {
  host_.stop_clock();
  for (const auto cookie : {1, 2, 3, 4}) begin(cookie, 1s);
  calls_.drop_waiting();
  begin(5, 1s);
  wait(2s);
  EXPECT_EQ(expired_, Cookies{5});
  begin(6, 1s);
  wait(1s);
  EXPECT_EQ(expired_, (Cookies{5, 6}));
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
