// JSON from a peer as a value. The way back is to_json in <backplane/value.hpp>. Pure.
#pragma once

#include <backplane/value.hpp>

#include <string_view>

namespace backplane::http {

// Objects keep their order; {"$bin": base64}, with nothing else in it, becomes bytes, as to_json writes them.
// Throws Malformed, with the place, for what is not one JSON value, or nested deeper or holding more values
// than `limits` allow.
Value from_json(std::string_view text, const DecodeLimits& limits = {});

}  // namespace backplane::http
