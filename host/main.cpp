#include <malloc.h>

#include "command_line/command_line.hpp"

namespace {

// Large messages come and go. By itself glibc gives the memory of each back to the system, and every page of
// the next one costs a fault: a call with 1 MiB took four times as long. Where messages are small nothing
// changes.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int mebibyte = 1024 * 1024;
  mallopt(M_MMAP_THRESHOLD, 32 * mebibyte);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 64 * mebibyte);  // a heap of a thread is no larger
#endif
}

}  // namespace

int main(int argument_count, char** arguments) {
  keep_freed_memory();
  auto console = backplane::host::standard_console();
  return backplane::host::command_line({arguments + 1, arguments + argument_count}, console);
}
