# BACKPLANE_SANITIZE applies to everything, plugins included: a sanitizer sees only what it was built into.
if(BACKPLANE_SANITIZE)
  add_compile_options(-fsanitize=${BACKPLANE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BACKPLANE_SANITIZE})
  # Sanitized code keeps g++ from seeing what is set before it is used, as in its own <regex> (GCC bug 105562).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()
# What the fuzzer steers by must be built into what it tests.
if(BACKPLANE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
