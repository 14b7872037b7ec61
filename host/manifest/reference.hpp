// The reference page of the manifest. Pure function, any thread.
#pragma once

#include <string>

namespace backplane::host {

// docs/manifest.md: an introduction with examples (which a test reads as manifests) and tables printed from
// the tables the reader uses.
std::string manifest_reference_markdown();

}  // namespace backplane::host
