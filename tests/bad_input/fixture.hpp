// Hosts on manifests written by the test.
#pragma once

#include "manifests/manifest_test.hpp"

namespace backplane::test {

class BadInput : public ManifestTest {
 protected:
  // Runs the manifest `text` and returns when it is ready.
  HostProcess& run_text(const std::string& text, const Environment& environment = {}) {
    host_ = start_text(text, environment);
    host_->wait_until_ready();
    return *host_;
  }
  std::unique_ptr<HostProcess> start_text(const std::string& text, const Environment& environment = {}) {
    return std::make_unique<HostProcess>(folder_.file("manifest.yaml", text), environment);
  }
  static std::string plugin(const std::string& name) {
    return std::string(TEST_PLUGINS) + "/" + name + ".so";
  }

  std::unique_ptr<HostProcess> host_;
};

}  // namespace backplane::test
