// Patterns of a route's `when`: '*' stands for any run of bytes, '?' for one byte, all else for itself.
#pragma once

#include <string_view>

namespace backplane::host {

bool matches(std::string_view pattern, std::string_view text);

}  // namespace backplane::host
