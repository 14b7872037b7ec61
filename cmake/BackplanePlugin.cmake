# backplane_add_plugin(NAME SOURCE...)
#
# Builds NAME.so, a plugin for the Backplane host, from C++20 sources against the SDK. Exports only the
# plugin table, and keeps the file unloadable from a private copy (-fno-gnu-unique). Further libraries:
# target_link_libraries(NAME PRIVATE ...).
function(backplane_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE Backplane::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX ""
    CXX_STANDARD 20
    CXX_STANDARD_REQUIRED ON
    CXX_VISIBILITY_PRESET hidden
    C_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${name} PRIVATE -fno-gnu-unique)
  endif()
endfunction()
