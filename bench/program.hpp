// What the main functions of the benchmark programs share.
#pragma once

#include <cstdio>
#include <exception>

namespace backplane::bench {

// Runs `run`. An exception that it throws is told on standard error, after the program's name; 1 is returned
// then.
inline int run_program(const char* name, int (*run)(int, char**), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s: %s\n", name, failure.what());
    return 1;
  }
}

}  // namespace backplane::bench
