# BACKPLANE_SANITIZE applies to everything, plugins included: a sanitizer sees only what it was built into.
if(BACKPLANE_SANITIZE)
  add_compile_options(-fsanitize=${BACKPLANE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BACKPLANE_SANITIZE})
endif()
