// Prints docs/manifest.md on standard output.
#include <iostream>

#include "manifest/reference.hpp"

int main() {
  std::cout << backplane::host::manifest_reference_markdown() << std::flush;
  return std::cout ? 0 : 1;
}
