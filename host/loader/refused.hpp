// Thrown inside the loader when a plugin is refused; its text is the end of a sentence that begins with
// the file's name. Public functions of the loader turn it into a reason.
#pragma once

#include <stdexcept>

namespace backplane::host {

class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace backplane::host
