// The ledger: what became of every message, per component and per route.
//
// For each account: in = out + held + refused + expired + dropped. `held` is counted where the messages
// are, not computed from the rest, so that the balance is a check. Each account has one writer, the loop
// that owns it; a reader asks that loop for a copy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

// Why a message was dropped.
enum class Dropped : std::uint8_t {
  no_route,           // no route of its origin takes it
  overflow_oldest,    // route policy drop_oldest
  overflow_newest,    // route policy drop_newest
  failed,             // the component could not work with it
  late,               // a reply that nobody waits for any more
  dead_letters_full,  // the component for dead letters has too many waiting
  stopped,            // still held when the host stopped
};
inline constexpr std::size_t drop_reasons = 7;
inline constexpr std::array<std::string_view, drop_reasons> drop_names = {
    "no_route", "overflow_oldest", "overflow_newest", "failed", "late", "dead_letters_full", "stopped"};
constexpr std::string_view name_of(Dropped reason) { return drop_names[static_cast<std::size_t>(reason)]; }

struct Account {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  std::uint64_t held = 0;  // filled when the account is read
  std::uint64_t refused = 0;
  std::uint64_t expired = 0;
  std::array<std::uint64_t, drop_reasons> dropped{};

  std::uint64_t dropped_total() const {
    return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
  }
  bool balances() const { return in == out + held + refused + expired + dropped_total(); }
  std::uint64_t& dropped_for(Dropped reason) { return dropped[static_cast<std::size_t>(reason)]; }
  Account& operator+=(const Account& other);
};

// What a ledger line speaks of.
enum class AccountOf {
  sent,      // what a component sent: in = sends, out = put on a route or given to an asker
  received,  // what reached a component: in = arrived, out = taken, held = waiting for it
  route,     // one destination of one route: out = arrived and taken from its waiting line
};

struct LedgerLine {
  AccountOf of = AccountOf::sent;
  std::string name;  // "jobs", or "jobs -> workers"
  Account account;
};

struct Ledger {
  std::vector<LedgerLine> lines;

  bool balances() const;
  // Sum over instances: lines of the same name and sort become one, in the order of first appearance.
  void merge();
  // The line's text, e.g. "ledger route jobs -> workers: in 10 = out 10 + held 0 + refused 0 + expired 0 +
  // dropped 0"; reasons follow the dropped count when it is not 0.
  static std::string text(const LedgerLine& line);
};

}  // namespace backplane::host
