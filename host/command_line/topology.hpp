// A manifest as a picture. Pure functions, any thread.
#pragma once

#include <string>

#include "loader/kind_info.hpp"
#include "manifest/manifest.hpp"

namespace backplane::host {

// Components are nodes with kind, instances and outside endpoints; a named loop is a box around its
// components; routes are arrows with their conditions and policies; dead letters are dashed arrows. `kinds`
// tells what brings in and what takes out; a kind it does not know is drawn as neither. Options of type
// secret are never shown.
std::string to_dot(const Manifest& manifest, const KindCatalog& kinds);
std::string to_mermaid(const Manifest& manifest, const KindCatalog& kinds);

}  // namespace backplane::host
