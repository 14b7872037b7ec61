// The `host` sections of a manifest and its includes. Inner header of this folder.
#pragma once

#include <deque>

#include "manifest/files.hpp"

namespace backplane::host {

// What an including file says wins over what it includes; two included files may not disagree.
HostSettings read_host(const std::deque<LoadedFile>& files, Problems& problems);

}  // namespace backplane::host
