// The fixture of all stories: one manifest, the real program, peers.
#pragma once

#include <gmock/gmock.h>
#include <zmq.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/host_process.hpp"
#include "support/peer.hpp"

namespace backplane::test {

inline std::filesystem::path manifest(const std::string& name) {
  return std::filesystem::path(BACKPLANE_SOURCE_DIR) / "manifests" / name;
}

inline std::vector<std::string> numbered(int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

class ManifestTest : public testing::Test {
 protected:
  // Runs a manifest and returns when it is ready.
  HostProcess& run(const std::string& name, const Environment& environment = {}) {
    hosts_.push_back(std::make_unique<HostProcess>(manifest(name), environment));
    hosts_.back()->wait_until_ready();
    return *hosts_.back();
  }
  // An orderly end: exit code 0, and every account of the ledger balances.
  static void expect_clean_stop(HostProcess& host) {
    EXPECT_EQ(host.stop(), 0) << host.errors();
    expect_balance(host);
  }
  static void expect_clean_end(HostProcess& host) {
    EXPECT_EQ(host.wait(), 0) << host.errors();
    expect_balance(host);
  }
  static void expect_balance(const HostProcess& host) {
    EXPECT_FALSE(host.ledger().empty()) << host.errors();
    for (const auto& line : host.ledger())
      EXPECT_THAT(line, testing::Not(testing::HasSubstr("DOES NOT BALANCE")));
  }
  static bool send_all(Peer& peer, const std::vector<std::string>& texts) {
    return std::all_of(texts.begin(), texts.end(), [&](const auto& text) { return peer.send({text}); });
  }

  // Runs a manifest whose endpoints `environment` gives, by at() and address(). Somebody may take one of them
  // before the host does: then others are tried.
  HostProcess& run_with_free_ports(const std::string& name, const std::function<Environment()>& environment) {
    for (int attempt = 0;; ++attempt) {
      try {
        return run(name, environment());
      } catch (const std::runtime_error& error) {
        const bool taken = std::string(error.what()).find("the address is taken") != std::string::npos;
        if (attempt == 9 || !taken) throw;
        endpoints_.clear();
      }
    }
  }
  // The endpoint that stands for a name: one of its own.
  const std::string& at(const std::string& name) {
    auto& endpoint = endpoints_[name];
    while (endpoint.empty()) {
      const auto free = free_endpoint();
      if (taken_.insert(free).second) endpoint = free;
    }
    return endpoint;
  }
  // ... as ADDRESS:PORT.
  std::string address(const std::string& name) { return at(name).substr(std::string("tcp://").size()); }

  TemporaryFolder folder_;

 private:
  std::vector<std::unique_ptr<HostProcess>> hosts_;
  std::map<std::string, std::string> endpoints_;
  std::set<std::string> taken_;
};

}  // namespace backplane::test
