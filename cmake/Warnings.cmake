# What every target of this project is compiled with; the SDK's users are not given it.
add_library(backplane_warnings INTERFACE)
target_compile_options(backplane_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 warns of its own std::string operator+ (GCC bug 105651)
