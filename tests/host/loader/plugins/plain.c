/* A plugin in plain C11, for tests of the loader. Macros make its variants: each is wrong in one way. */
#include <backplane/abi.h>
#include <stdlib.h>

#ifndef PLUGIN_NAME
#define PLUGIN_NAME "plain"
#endif
#ifndef ABI_MAJOR
#define ABI_MAJOR BP_ABI_MAJOR
#endif
#ifndef ABI_MINOR
#define ABI_MINOR BP_ABI_MINOR
#endif
#ifndef ZMQ_MAJOR
#define ZMQ_MAJOR ZMQ_VERSION_MAJOR
#endif
#ifndef ON_MESSAGE
#define ON_MESSAGE on_message
#endif

/* What the test sees of the component: how often it was made. */
static int made = 0;

static void* create(const bp_host* host, bp_error* error) {
  (void)host;
  (void)error;
  ++made;
  return &made;
}

static int32_t on_message(void* self, bp_message* message, bp_error* error) {
  (void)self;
  (void)message;
  (void)error;
  return BP_MALFORMED;
}

static void destroy(void* self) { (void)self; }

static const bp_parameter parameters[] = {{"text", "text", NULL}, {"times", "int", "1"}};

static int32_t functions(void (*tell)(void* context, const bp_function* function), void* context) {
#ifdef CRASH_IN_FUNCTIONS
  abort();
#endif
  const bp_function repeat = {
      sizeof(bp_function), BP_IMMEDIATE, "repeat", "Repeats a text.", "text", "", parameters, 2, 2000000000};
  tell(context, &repeat);
  return 0;
}

static const bp_option options[] = {
    {"prefix", BP_TEXT, 0, "> ", NULL, "What every answer begins with.", 0, 0},
    {"case", BP_CHOICE, 0, "lower", "upper|lower", "How letters are written.", 0, 0},
    {"limit", BP_INTEGER, 1, NULL, NULL, "Longest text.", 1, 1000},
};

static const bp_kind echo = {
    .size = sizeof(bp_kind),
    .properties = BP_OUTBOUND | BP_FUNCTIONS,
    .name = "plain.echo",
    .says = "Answers every message with itself.",
    .options = options,
    .option_count = 3,
    .option_size = sizeof(bp_option),
    .functions = functions,
    .create = create,
    .on_message = ON_MESSAGE,
    .destroy = destroy,
};

static const bp_kind* const kinds[] = {&echo};

extern const bp_plugin backplane_plugin;
__attribute__((visibility("default"))) const bp_plugin backplane_plugin = {
    sizeof(bp_plugin), ABI_MAJOR,      ABI_MINOR, ZMQ_MAJOR, 3,    4, PLUGIN_NAME,
    "1.2.3",           "a C compiler", kinds,     1,         NULL, 0,
};
