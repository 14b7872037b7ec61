// A host for tests of what belongs to a component, without one.
#pragma once

#include <backplane/testing/fake_host.hpp>

#include <chrono>

namespace backplane::zerorpc {

using namespace std::chrono_literals;

struct NoService {
  static constexpr auto kind = "test.none";
  static constexpr auto says = "Does nothing.";
  explicit NoService(Host) {}
};

constexpr std::chrono::nanoseconds instant = 1ns;  // the shortest span there is

}  // namespace backplane::zerorpc
