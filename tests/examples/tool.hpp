// Other programs (cmake, compilers, shells) run by a test.
#pragma once

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "support/host_process.hpp"

namespace backplane::test {

// Long enough to compile a plugin on a busy machine.
inline constexpr std::chrono::minutes kBuildPatience{8};

inline std::string command_line(const std::vector<std::string>& arguments) {
  std::string line;
  for (const auto& argument : arguments) line += (line.empty() ? "" : " ") + argument;
  return line;
}

// Runs a program to its end. Exit code -1: it took too long and was killed.
inline Outcome run_tool(const std::vector<std::string>& arguments, const Environment& environment = {},
                        const std::filesystem::path& input = {}) {
  Child child(arguments, environment, input);
  const auto code = child.wait(kBuildPatience);
  return {code.value_or(-1), child.output(), child.errors()};
}

// The same for a program that must succeed; its output.
inline std::string must_run(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  const auto outcome = run_tool(arguments, environment);
  EXPECT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.output << outcome.errors;
  return outcome.output;
}

}  // namespace backplane::test
