// A plugin that uses a library beside it, or functions that nobody has.
#include <backplane/abi.h>

extern "C" int loader_test_first();
extern "C" int loader_test_second();

namespace {

void* create(const bp_host*, bp_error*) {
  static int number = 0;
  number = loader_test_first() + loader_test_second();
  return &number;
}
void destroy(void*) {}

constexpr bp_kind adder = {
    sizeof(bp_kind), 0,       "dependent.adder", "Adds two numbers.",
    nullptr,         0,       sizeof(bp_option), nullptr,
    &create,         nullptr, nullptr,           nullptr,
    nullptr,         nullptr, nullptr,           &destroy,
};
constexpr const bp_kind* kinds[] = {&adder};

}  // namespace

extern "C" __attribute__((visibility("default"))) const bp_plugin backplane_plugin;
const bp_plugin backplane_plugin = {
    sizeof(bp_plugin),
    BP_ABI_MAJOR,
    BP_ABI_MINOR,
    ZMQ_VERSION_MAJOR,
    ZMQ_VERSION_MINOR,
    ZMQ_VERSION_PATCH,
    "dependent",
    "1.0",
    "g++",
    kinds,
    1,
    nullptr,
    0,
};
