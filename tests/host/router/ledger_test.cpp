#include "router/ledger.hpp"

#include <gtest/gtest.h>

namespace backplane::host {
namespace {

TEST(Ledger, AnAccountBalancesWhenEveryMessageIsSomewhere) {
  Account account;
  account.in = 10;
  account.out = 4;
  account.held = 3;
  account.refused = 1;
  account.expired = 1;
  EXPECT_FALSE(account.balances());
  account.dropped_for(Dropped::failed) = 1;
  EXPECT_TRUE(account.balances());
}

TEST(Ledger, MergeSumsInstancesAndKeepsTheOrder) {
  Ledger ledger;
  ledger.lines.push_back({AccountOf::route, "b -> c", {}});
  ledger.lines.push_back({AccountOf::received, "a", {}});
  ledger.lines.push_back({AccountOf::route, "b -> c", {}});
  ledger.lines[0].account.in = 1;
  ledger.lines[2].account.in = 2;
  ledger.merge();
  ASSERT_EQ(ledger.lines.size(), 2u);
  EXPECT_EQ(ledger.lines[0].account.in, 3u);
  EXPECT_EQ(ledger.lines[1].name, "a");
}

TEST(Ledger, ALineSaysWhatBecameOfEveryMessageAndWhy) {
  LedgerLine line{AccountOf::route, "jobs -> workers", {}};
  line.account.in = 7;
  line.account.out = 4;
  line.account.dropped_for(Dropped::overflow_oldest) = 2;
  line.account.dropped_for(Dropped::stopped) = 1;
  EXPECT_EQ(Ledger::text(line),
            "ledger route jobs -> workers: in 7 = out 4 + held 0 + refused 0 + expired 0 + dropped 3 "
            "(overflow_oldest 2, stopped 1)");
}

TEST(Ledger, ALineThatDoesNotBalanceSaysSo) {
  LedgerLine line{AccountOf::sent, "jobs", {}};
  line.account.in = 1;
  EXPECT_NE(Ledger::text(line).find("DOES NOT BALANCE"), std::string::npos);
  EXPECT_FALSE((Ledger{{line}}).balances());
}

}  // namespace
}  // namespace backplane::host
