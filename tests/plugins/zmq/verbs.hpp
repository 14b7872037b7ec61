// What the tests of the zmq kinds say: a component in a fake host on one side, raw sockets on the other.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zmq.h>
#include <backplane/testing/fake_host.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/eventually.hpp"
#include "support/peer.hpp"

namespace backplane::zmq {

using test::Frames;
using test::kPatience;
using test::Peer;
using namespace std::chrono_literals;

inline const std::string any_port = "tcp://127.0.0.1:*";

inline Frames frames(const Message& message) {
  Frames all;
  for (std::size_t i = 0; i < message.size(); ++i) all.emplace_back(message[i]);
  return all;
}

// Where a component that binds listens, as it said in its log.
inline std::string endpoint_of(FakeHost& host, std::size_t which = 0) {
  constexpr std::string_view mark = "listening on ";
  for (const auto& entry : host.log_lines())
    if (entry.line.starts_with(mark) && which-- == 0) return entry.line.substr(mark.size());
  return "nowhere";
}

// Runs the component until it has sent `count` messages along its routes.
inline bool sends(FakeHost& host, std::size_t count) {
  return host.run_until([&] { return host.sent().size() >= count; }, kPatience);
}
inline bool replies(FakeHost& host, std::size_t count) {
  return host.run_until([&] { return host.replies().size() >= count; }, kPatience);
}

// The frames of what the component sent next.
inline Frames next_sent(FakeHost& host) {
  return sends(host, 1) ? frames(host.take_sent()) : Frames{"nothing"};
}

// What the peer receives while the component runs.
inline Frames receives(FakeHost& host, Peer& peer) {
  std::optional<Frames> got;
  host.run_until([&] { return (got = peer.receive_now()).has_value(); }, kPatience);
  return got.value_or(Frames{"nothing"});
}

// True when the peer gets nothing for a while.
inline bool silent(FakeHost& host, Peer& peer) {
  return !host.run_until([&] { return peer.receive_now().has_value(); }, 100ms);
}

// The text of the error that `action` throws; empty when it throws none.
template <typename Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
  return {};
}

// The error of a component of kind T that cannot be started with these options.
template <typename T>
std::string start_refusal(const OptionTexts& options, FakeSettings settings = {}) {
  return refusal([&] {
    FakeComponent<T> component(options, std::move(settings));
    component.start();
  });
}

struct Curve {
  std::string public_key = std::string(40, ' ');
  std::string secret_key = std::string(40, ' ');
  Curve() {
    char shown[41];
    char hidden[41];
    zmq_curve_keypair(shown, hidden);
    public_key = shown;
    secret_key = hidden;
  }
};

}  // namespace backplane::zmq
