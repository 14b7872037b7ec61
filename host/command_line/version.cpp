#include <backplane/abi.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "command_line/commands.hpp"

namespace backplane::host {

namespace {

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string libzmq_version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  return dotted(major, minor, patch);
}

constexpr const char* compiler =
#if defined(__clang__)
    "clang " __clang_version__;
#else
    "g++ " __VERSION__;
#endif

}  // namespace

int version(const VersionArguments& arguments, Console& console) {
  const auto abi = std::to_string(BP_ABI_MAJOR) + "." + std::to_string(BP_ABI_MINOR);
  const auto built_with = dotted(ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH);
  if (arguments.json) {
    console.out << nlohmann::ordered_json{{"version", BACKPLANE_VERSION},
                                          {"abi", abi},
                                          {"libzmq", libzmq_version()},
                                          {"libzmq_built_with", built_with},
                                          {"compiler", compiler},
                                          {"build_type", BACKPLANE_BUILD_TYPE}}
                       .dump(2)
                << '\n';
    return kDone;
  }
  console.out << "backplane " << BACKPLANE_VERSION << '\n'
              << aligned({{"plugin ABI", abi},
                          {"libzmq", libzmq_version() + " (built with " + built_with + ")"},
                          {"compiler", compiler},
                          {"build", BACKPLANE_BUILD_TYPE}});
  return kDone;
}

}  // namespace backplane::host
