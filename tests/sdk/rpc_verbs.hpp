// Verbs for the tests of ZeroRPC's clients.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>

#include <cstddef>
#include <string>

#include "support/vectors.hpp"

namespace backplane::rpc {

// What `body` throws, as "type: text"; empty: nothing.
template <typename Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
  return {};
}

// A recorded event, in hexadecimal digits, with the identifier of the one that came.
inline std::string with_id_of(const std::string& payload, const char* recorded) {
  auto expected = test::from_hex(recorded);
  const std::size_t at = std::string("\x93\x82\xaamessage_id\xc4\x20", 15).size();
  expected.replace(at, EventIds::size, payload.substr(at, EventIds::size));
  return expected;
}

}  // namespace backplane::rpc
