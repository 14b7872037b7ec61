// `${NAME}` in the values of a tree. Inner header of this folder.
#pragma once

#include <map>
#include <string>

#include "manifest/node.hpp"

namespace backplane::host {

// A parameter of a template: its value and whether the template uses it.
struct Parameter {
  Node value;
  bool used = false;
};
using Parameters = std::map<std::string, Parameter, std::less<>>;

// Replaces, in all texts below `node` (keys too): `${NAME}` by the parameter of that name, or else the
// environment variable; `${NAME:-default}` by the default when there is none or it is empty; `$${` by `${`.
// A text that is nothing but `${NAME}` of a parameter becomes that parameter's value, with the value's place:
// so a parameter can be a list, and a mistake in it is told where the value was written.
void substitute(Node& node, Parameters& parameters, const Environment& environment, Budget& budget,
                Problems& problems);

}  // namespace backplane::host
