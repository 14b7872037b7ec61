#include "router/ledger.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace backplane::host {

namespace {

std::string_view name_of(AccountOf of) {
  switch (of) {
    case AccountOf::sent:
      return "sent by";
    case AccountOf::received:
      return "received by";
    case AccountOf::route:
      return "route";
  }
  return "";
}

}  // namespace

Account& Account::operator+=(const Account& other) {
  in += other.in;
  out += other.out;
  held += other.held;
  refused += other.refused;
  expired += other.expired;
  for (std::size_t i = 0; i < drop_reasons; ++i) dropped[i] += other.dropped[i];
  return *this;
}

bool Ledger::balances() const {
  return std::all_of(lines.begin(), lines.end(),
                     [](const LedgerLine& line) { return line.account.balances(); });
}

void Ledger::merge() {
  std::map<std::pair<AccountOf, std::string>, std::size_t> seen;
  std::vector<LedgerLine> merged;
  for (auto& line : lines) {
    const auto [place, fresh] = seen.try_emplace({line.of, line.name}, merged.size());
    if (fresh) {
      merged.push_back(std::move(line));
    } else {
      merged[place->second].account += line.account;
    }
  }
  lines = std::move(merged);
}

std::string Ledger::text(const LedgerLine& line) {
  const auto& account = line.account;
  std::string text = "ledger ";
  text.append(name_of(line.of)).append(" ").append(line.name).append(": in ");
  text += std::to_string(account.in) + " = out " + std::to_string(account.out) + " + held " +
          std::to_string(account.held) + " + refused " + std::to_string(account.refused) + " + expired " +
          std::to_string(account.expired) + " + dropped " + std::to_string(account.dropped_total());
  std::string reasons;
  for (std::size_t i = 0; i < drop_reasons; ++i) {
    if (account.dropped[i] == 0) continue;
    reasons.append(reasons.empty() ? " (" : ", ").append(drop_names[i]);
    reasons += " " + std::to_string(account.dropped[i]);
  }
  if (!reasons.empty()) text += reasons + ")";
  if (!account.balances()) text += "; DOES NOT BALANCE";
  return text;
}

}  // namespace backplane::host
