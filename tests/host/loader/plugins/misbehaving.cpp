// A plugin whose table is sound and whose constructor is not: MISBEHAVE says what it does.
#include <backplane/abi.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace {

void* create(const bp_host*, bp_error*) { return nullptr; }
void destroy(void*) {}

[[maybe_unused]] void crash() { ::raise(SIGSEGV); }

[[maybe_unused]] void hang() {
  for (;;) ::pause();
}

// Hangs, and so does a process it starts, whose number it writes to the file that the test names.
[[maybe_unused]] void hang_in_company() {
  const auto company = ::fork();
  if (company > 0) {
    if (auto* file = std::fopen(std::getenv("LOADER_TEST_FILE"), "w")) {
      std::fprintf(file, "%d\n", static_cast<int>(company));
      std::fclose(file);
    }
  }
  hang();
}

[[maybe_unused]] void leave() { std::exit(7); }

[[maybe_unused]] void fail() { throw std::runtime_error("no licence found"); }

[[maybe_unused]] void complain_and_abort() {
  std::fputs("licence\033[2J server\nis down\n", stderr);
  std::abort();
}

// To every descriptor but the standard ones: the pipe to the host is among them.
[[maybe_unused]] void write_garbage() {
  for (int descriptor = 3; descriptor < 64; ++descriptor) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) != O_WRONLY) continue;
    [[maybe_unused]] const auto ignored = ::write(descriptor, "nonsense, not a record", 22);
  }
}

// Its end of the pipe is closed: the host must not wait for it for ever.
[[maybe_unused]] void close_everything() {
  for (int descriptor = 0; descriptor < 64; ++descriptor) ::close(descriptor);
}

// More than the helper may have.
[[maybe_unused]] void take_memory() {
  constexpr std::size_t much = std::size_t{16} << 30;
  auto* memory = static_cast<char*>(std::malloc(much));
  if (memory == nullptr) ::_exit(9);
  // Used, so that the compiler does not leave it out.
  *static_cast<volatile char*>(memory) = 1;
}

// Touches the file that the test names: the test sees whether it ran.
[[maybe_unused]] void leave_a_trace() {
  if (auto* file = std::fopen(std::getenv("LOADER_TEST_FILE"), "a")) {
    std::fputs("loaded\n", file);
    std::fclose(file);
  }
}

struct Constructed {
  Constructed() { MISBEHAVE(); }
} constructed;

constexpr bp_kind misbehaving = {
    sizeof(bp_kind), 0,       "bad.kind", "Misbehaves.", nullptr, 0,       sizeof(bp_option), nullptr,
    &create,         nullptr, nullptr,    nullptr,       nullptr, nullptr, nullptr,           &destroy,
};
constexpr const bp_kind* kinds[] = {&misbehaving};

}  // namespace

#ifndef WITHOUT_TABLE
extern "C" __attribute__((visibility("default"))) const bp_plugin backplane_plugin;
const bp_plugin backplane_plugin = {
    sizeof(bp_plugin),
    BP_ABI_MAJOR,
    BP_ABI_MINOR,
    ZMQ_VERSION_MAJOR,
    ZMQ_VERSION_MINOR,
    ZMQ_VERSION_PATCH,
    "bad",
    "1.0",
    "g++",
    kinds,
    1,
    nullptr,
    0,
};
#else
extern "C" __attribute__((visibility("default"))) const bp_kind* some_kind();
const bp_kind* some_kind() { return kinds[0]; }
#endif
