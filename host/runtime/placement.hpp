// Decides which loop runs which component instance, and in what order components start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"
#include "manifest/manifest.hpp"

namespace backplane::host {

struct PlacedInstance {
  const ComponentSettings* settings = nullptr;
  const KindInfo* kind = nullptr;
  std::uint32_t instance = 0;
  std::uint32_t loop = 0;
};

struct Placement {
  std::vector<std::string> loops;         // names, by number
  std::vector<PlacedInstance> instances;  // in start order: destinations before those that send to them
};

// A component with `loop: NAME` runs on that loop; a blocking one has a loop of its own, and one whose kind
// asks for that has, too; the others share a pool of host.loops (0: one per core). There, components that a
// route joins stay together, so that their messages change no thread; the instances of one component are
// spread.
Placement place(const Manifest& manifest, const KindCatalog& catalog);

}  // namespace backplane::host
