// The command line called as a function, with streams that a test can read.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <sstream>
#include <string>
#include <vector>

#include "command_line/command_line.hpp"
#include "support/host_process.hpp"
#include "support/peer.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::test {

using Arguments = std::vector<std::string>;

// Runs `backplane ARGUMENTS` in this process.
inline Outcome command(const Arguments& arguments, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  host::Console console{in, out, err};
  const int exit_code = host::command_line(arguments, console);
  return {exit_code, out.str(), err.str()};
}

// The same beside the test.
inline std::future<Outcome> begin(const Arguments& arguments, const std::string& input = {}) {
  return std::async(std::launch::async, [=] { return command(arguments, input); });
}

}  // namespace backplane::test
