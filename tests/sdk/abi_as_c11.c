// What a C compiler makes of the boundary, for abi_test.cpp to compare.
#include "abi_as_c11.h"

#include <backplane/abi.h>

size_t c_sizes[] = {sizeof(bp_text),        sizeof(bp_envelope), sizeof(bp_message),    sizeof(bp_error),
                    sizeof(bp_option),      sizeof(bp_value),    sizeof(bp_parameter),  sizeof(bp_function),
                    sizeof(bp_kind),        sizeof(bp_plugin),   sizeof(bp_host),       sizeof(bp_caller),
                    sizeof(bp_client_call), sizeof(bp_result),   sizeof(bp_client_job), sizeof(bp_client),
                    sizeof(bp_functions_1)};
size_t c_size_count = sizeof c_sizes / sizeof c_sizes[0];

// A plugin can be written in C.
static void* create(const bp_host* host, bp_error* error) {
  (void)error;
  return (void*)(size_t)host->component;
}
static int32_t on_message(void* self, bp_message* message, bp_error* error) {
  (void)self;
  (void)message;
  (void)error;
  return BP_BUSY;
}
static void destroy(void* self) { (void)self; }

const bp_kind c_kind = {.size = sizeof(bp_kind),
                        .properties = BP_OUTBOUND,
                        .name = "c.busy",
                        .says = "Takes nothing.",
                        .option_size = sizeof(bp_option),
                        .create = create,
                        .on_message = on_message,
                        .destroy = destroy};
