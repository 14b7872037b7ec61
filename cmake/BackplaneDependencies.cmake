# What the SDK's headers need besides the standard library, as targets: Backplane::zmq (libzmq 4.3 or later)
# and Backplane::msgpack (msgpack-cxx, header-only). Used by this build and by the installed package. What is
# missing is told in BACKPLANE_MISSING, which is empty when all is there.
find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_ZMQ QUIET libzmq)
endif()

find_path(BACKPLANE_ZMQ_INCLUDE_DIR zmq.h HINTS ${PC_ZMQ_INCLUDE_DIRS} ${PC_ZMQ_INCLUDEDIR}
  DOC "Folder of zmq.h")
find_library(BACKPLANE_ZMQ_LIBRARY NAMES zmq libzmq HINTS ${PC_ZMQ_LIBRARY_DIRS} ${PC_ZMQ_LIBDIR}
  DOC "libzmq's file")
find_path(BACKPLANE_MSGPACK_INCLUDE_DIR msgpack.hpp DOC "Folder of msgpack.hpp")
mark_as_advanced(BACKPLANE_ZMQ_INCLUDE_DIR BACKPLANE_ZMQ_LIBRARY BACKPLANE_MSGPACK_INCLUDE_DIR)

set(BACKPLANE_MISSING "")
if(NOT BACKPLANE_ZMQ_INCLUDE_DIR OR NOT BACKPLANE_ZMQ_LIBRARY)
  string(APPEND BACKPLANE_MISSING
    " libzmq and its header zmq.h (Debian: libzmq3-dev; elsewhere set BACKPLANE_ZMQ_LIBRARY and"
    " BACKPLANE_ZMQ_INCLUDE_DIR).")
else()
  file(STRINGS ${BACKPLANE_ZMQ_INCLUDE_DIR}/zmq.h BACKPLANE_ZMQ_NUMBERS
    REGEX "^#define ZMQ_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "[^0-9;]" "" BACKPLANE_ZMQ_VERSION "${BACKPLANE_ZMQ_NUMBERS}")
  list(JOIN BACKPLANE_ZMQ_VERSION "." BACKPLANE_ZMQ_VERSION)
  if(BACKPLANE_ZMQ_VERSION VERSION_LESS 4.3)
    string(APPEND BACKPLANE_MISSING
      " libzmq 4.3 or later (${BACKPLANE_ZMQ_INCLUDE_DIR}/zmq.h is of ${BACKPLANE_ZMQ_VERSION}).")
  endif()
endif()
if(NOT BACKPLANE_MSGPACK_INCLUDE_DIR)
  string(APPEND BACKPLANE_MISSING
    " msgpack.hpp (Debian: libmsgpack-cxx-dev; elsewhere set BACKPLANE_MSGPACK_INCLUDE_DIR).")
endif()

if(NOT BACKPLANE_MISSING)
  if(NOT TARGET Backplane::zmq)
    add_library(Backplane::zmq UNKNOWN IMPORTED)
    set_target_properties(Backplane::zmq PROPERTIES
      IMPORTED_LOCATION ${BACKPLANE_ZMQ_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${BACKPLANE_ZMQ_INCLUDE_DIR})
  endif()
  if(NOT TARGET Backplane::msgpack)
    add_library(Backplane::msgpack INTERFACE IMPORTED)
    # Asked not to use Boost, so that a plugin needs libzmq and msgpack alone.
    set_target_properties(Backplane::msgpack PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES ${BACKPLANE_MSGPACK_INCLUDE_DIR}
      INTERFACE_COMPILE_DEFINITIONS MSGPACK_NO_BOOST)
  endif()
endif()
