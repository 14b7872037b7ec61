# The install tree: bin/backplane, the SDK's headers, the CMake package, plugins, manifests, documents. It
# can be moved as a whole: nothing in it names the place it was installed to.
include(CMakePackageConfigHelpers)

set(BACKPLANE_EXECUTABLE_PATH ${CMAKE_INSTALL_BINDIR}/backplane)
set(BACKPLANE_PLUGIN_PATH ${CMAKE_INSTALL_LIBDIR}/backplane/plugins)
set(BACKPLANE_MANIFEST_PATH ${CMAKE_INSTALL_DATADIR}/backplane/manifests)
set(BACKPLANE_PACKAGE_PATH ${CMAKE_INSTALL_LIBDIR}/cmake/Backplane)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(TARGETS backplane_sdk EXPORT BackplaneTargets)
install(EXPORT BackplaneTargets NAMESPACE Backplane:: DESTINATION ${BACKPLANE_PACKAGE_PATH})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/BackplaneConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/BackplaneConfig.cmake
  INSTALL_DESTINATION ${BACKPLANE_PACKAGE_PATH}
  PATH_VARS BACKPLANE_EXECUTABLE_PATH BACKPLANE_PLUGIN_PATH BACKPLANE_MANIFEST_PATH)
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/BackplaneConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/package/BackplaneConfig.cmake
  ${PROJECT_BINARY_DIR}/package/BackplaneConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/BackplaneDependencies.cmake
  ${PROJECT_SOURCE_DIR}/cmake/BackplanePlugin.cmake
  DESTINATION ${BACKPLANE_PACKAGE_PATH})

install(DIRECTORY ${PROJECT_SOURCE_DIR}/manifests/ DESTINATION ${BACKPLANE_MANIFEST_PATH})
# A program that was not installed finds them at the same place beside it.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/backplane)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/manifests ${PROJECT_BINARY_DIR}/share/backplane/manifests SYMBOLIC)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}
  FILES_MATCHING PATTERN "*.md")
