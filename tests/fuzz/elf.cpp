// The headers of a plugin file, which may be any file: reading them ends, within the file's bounds.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "fuzz.hpp"
#include "loader/elf.hpp"

using backplane::fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("fuzz", 0);
  must(file >= 0, "there is memory for a file");
  must(::ftruncate(file, 0) == 0, "the file can be emptied");
  must(::pwrite(file, data, size, 0) == static_cast<ssize_t>(size), "the file takes the input");
  const auto facts = backplane::host::read_elf("/proc/self/fd/" + std::to_string(file));
  must(facts.size == size, "the size is that of the file");
  must(facts.elf || !facts.fault.empty(), "what is no ELF file has a fault");
  return 0;
}
