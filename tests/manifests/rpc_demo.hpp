// The fixture of what manifests/rpc/demo.yaml serves.
#pragma once

#include <string>
#include <utility>

#include "manifests/manifest_test.hpp"
#include "support/rpc_client.hpp"

namespace backplane::test {

class RpcDemo : public ManifestTest {
 protected:
  // Runs the demo on free endpoints: ZERORPC, PULL, SUB and INFI.
  HostProcess& play(const std::string& heartbeat = "5s") {
    return run_with_free_ports("rpc/demo.yaml", [&] {
      return Environment{{"ZERORPC", at("ZERORPC")},
                         {"PULL", at("PULL")},
                         {"SUB", at("SUB")},
                         {"INFI", at("INFI")},
                         {"HEARTBEAT", heartbeat}};
    });
  }
};

}  // namespace backplane::test
