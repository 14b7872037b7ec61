// A checked manifest as text, to compare.
#pragma once

#include <string>

#include "manifest/manifest.hpp"

namespace backplane::host {

// A line per thing; options in order of their names, defaults marked.
std::string dump(const Manifest& manifest);

}  // namespace backplane::host
