// Shared by a C and a C++ source.
#pragma once

#include <backplane/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

extern size_t c_sizes[];
extern size_t c_size_count;
extern const bp_kind c_kind;

#ifdef __cplusplus
}
#endif
