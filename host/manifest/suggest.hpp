// Help with misspelt names. Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

// The name that `wanted` was probably meant to be: at most one edit per three letters away (an exchange of
// neighbours is one edit), or equal but for upper and lower case. Names longer than 100 bytes are not looked
// at.
std::optional<std::string> nearest_name(std::string_view wanted, const std::vector<std::string>& known);

// "a, b, c", the first twelve and how many more there are; "none" when there are none.
std::string name_list(const std::vector<std::string>& names);

// `; did you mean "bind"?`, or when nothing is near: `; known: bind, connect`.
std::string name_hint(std::string_view wanted, const std::vector<std::string>& known);

}  // namespace backplane::host
