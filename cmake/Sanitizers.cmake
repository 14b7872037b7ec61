# BACKPLANE_SANITIZE applies to everything, plugins included: a sanitizer sees only what it was built into.
if(BACKPLANE_SANITIZE)
  add_compile_options(-fsanitize=${BACKPLANE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BACKPLANE_SANITIZE})
endif()
# What the fuzzer steers by must be built into what it tests.
if(BACKPLANE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
