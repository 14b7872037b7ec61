/* The boundary between the host and a plugin: plain C, so that neither side needs the other's compiler,
 * standard library or build flags. C++ authors include <backplane/plugin.hpp> instead.
 *
 * A plugin file exports one constant table, `backplane_plugin`. Reading it runs nothing. Structs that may
 * grow begin with their size as the writer saw it: read a field only when `size` covers it. From ABI 1 on,
 * fields are only appended; anything else raises BP_ABI_MAJOR. Larger additions are extensions, found by
 * name (`bp_host.extension`).
 *
 * In brackets: who may call. [loop] the thread of the component's loop; [any] every thread; [host] the
 * host, before the component has a loop or after it left it. Text and pointers that a call passes in are
 * borrowed until it returns, unless the comment says who owns them. Times are nanoseconds of the steady
 * clock (CLOCK_MONOTONIC); sizes are bytes. */
#ifndef BACKPLANE_ABI_H
#define BACKPLANE_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_ABI_MAJOR 1u
#define BP_ABI_MINOR 0u

/* The name of the exported table, for those who look it up. */
#define BP_PLUGIN_SYMBOL "backplane_plugin"

/* Borrowed text, not terminated. */
typedef struct bp_text {
  const char* data;
  size_t size;
} bp_text;

/* ---- messages --------------------------------------------------------------------------------------- */

/* Bits of bp_envelope.flags. */
#define BP_REQUEST 0x01u    /* the origin waits for a reply */
#define BP_REPLY 0x02u      /* answers the request with the same correlation */
#define BP_ERROR 0x04u      /* a reply that failed; frames: type, message, traceback, perhaps attributes */
#define BP_SIGNAL 0x08u     /* a call without an answer */
#define BP_STREAM 0x10u     /* request: items are welcome; reply: one item, more follow */
#define BP_STREAM_END 0x20u /* reply: the stream has ended, no item in this message */
#define BP_CANCEL 0x40u     /* to the callee: the asker has gone; `correlation` names the request */
#define BP_CREDIT 0x80u     /* to the callee: `credit` more stream items may be sent */
#define BP_DEFERRED 0x100u  /* request: a deferred is welcome; reply: not finished, frame 0 is the token */

/* Values of bp_envelope.encoding: how the frames are to be read. */
#define BP_RAW 0u
#define BP_MSGPACK 1u

/* What the host knows of a message. Small and fixed; the frames stay opaque to it. */
typedef struct bp_envelope {
  uint64_t id;          /* unique in this host; the host sets it on send */
  uint64_t correlation; /* names the request; the host sets it; a reply carries it back */
  uint64_t cookie;      /* the asker's own note: set with a request, found again in its reply */
  int64_t deadline;     /* after this instant nobody waits for the answer any more; 0: none */
  int64_t expires;      /* after this instant the message is worthless (time to live); 0: never */
  uint32_t origin;      /* component that sent it, as the host numbers them; the host sets it */
  uint32_t reply_to;    /* component that waits for the reply; 0: none; the host sets it */
  uint32_t destination; /* component it is on its way to; the host sets it */
  uint32_t flags;
  uint32_t encoding;
  uint32_t credit;      /* stream items the asker can take (request with BP_STREAM, BP_CREDIT) */
  int64_t stage;        /* step of a multi-stage call */
  uint8_t trace_id[16]; /* W3C trace context; all zero: none */
  uint8_t span_id[8];
} bp_envelope;

/* A message: an envelope and an ordered list of frames. Made by the host (message_new), owned by exactly
 * one holder, handed over by pointer. Frames are libzmq's own, so a payload is never copied between a
 * socket and another component. `function` and `headers` are empty frames when there is nothing to say;
 * `headers` is text, "name: value" lines separated by '\n'. */
typedef struct bp_message {
  bp_envelope envelope;
  zmq_msg_t* frames; /* frame_count of them are initialised */
  uint32_t frame_count;
  uint32_t frame_capacity; /* grown by bp_host.message_reserve */
  zmq_msg_t function;
  zmq_msg_t headers;
} bp_message;

/* Why something failed, for a person and for a caller. Filled by the side that failed. */
typedef struct bp_error {
  char type[64];        /* e.g. "ValueError"; empty: no error */
  char message[960];    /* terminated; cut when longer */
  char traceback[2048]; /* where it happened, or empty */
} bp_error;

/* ---- what a plugin offers --------------------------------------------------------------------------- */

/* Types of an option's value; the host checks and converts before the component exists. */
typedef enum bp_option_type {
  BP_TEXT = 0,
  BP_INTEGER = 1,        /* signed 64 bit */
  BP_NUMBER = 2,         /* double */
  BP_BOOLEAN = 3,        /* integer 0 or 1 */
  BP_DURATION = 4,       /* 250ms, 10s, 5m; integer nanoseconds */
  BP_SIZE = 5,           /* 64KiB, 1MB; integer bytes */
  BP_RATE = 6,           /* 10k/s; number per second */
  BP_CHOICE = 7,         /* one of bp_option.choices */
  BP_ENDPOINT = 8,       /* a ZeroMQ endpoint: tcp://..., ipc://..., inproc://... */
  BP_TEXT_LIST = 9,      /* a list of texts; a single text is a list of one */
  BP_ENDPOINT_LIST = 10, /* likewise */
  BP_SECRET = 11,        /* a text that is never logged or shown */
  BP_PATH = 12,          /* a file name; relative ones start at the manifest's folder, "-" stays as it is */
  BP_COMPONENT = 13,     /* name of a component of the manifest, looked for as in a route; its full name */
  BP_COMPONENT_LIST = 14 /* a list of them; a single one is a list of one */
} bp_option_type;

/* One option of a kind. Its name is a word of a-z, 0-9 and '_', or two joined by a dot, those of a section
 * and of an option in it: "results.path" is written `results: {path: ...}`. `default_text` is written as in a
 * manifest; NULL: none. `choices` are separated by '|'. `minimum` and `maximum` bound integers, durations,
 * sizes, numbers; both 0: unbounded. */
typedef struct bp_option {
  const char* name;
  uint32_t type;     /* bp_option_type */
  uint32_t required; /* 0 or 1 */
  const char* default_text;
  const char* choices;
  const char* help;
  double minimum;
  double maximum;
} bp_option;

/* The checked value of an option, read with bp_host.option. Borrowed until the component is destroyed. */
typedef struct bp_value {
  uint32_t type;  /* bp_option_type */
  uint32_t given; /* 1: from the manifest; 0: the default */
  bp_text text;
  int64_t integer;
  double number;
  const bp_text* list;
  size_t list_size;
} bp_value;

/* Manners of a function: see the design of functions in docs/writing-a-plugin.md. */
typedef enum bp_manner {
  BP_ORDINARY = 0,
  BP_IMMEDIATE = 1,
  BP_DEFERRED_MANNER = 2,
  BP_SYNCHRONIZED = 3,
  BP_SIGNAL_MANNER = 4,
  BP_STREAM_MANNER = 5
} bp_manner;

typedef struct bp_parameter {
  const char* name;
  const char* type;         /* "int", "double", "text", "bytes", "list", "map", "any", ... */
  const char* default_json; /* NULL: required */
} bp_parameter;

/* A function that a component publishes. What stands behind parameter_count is read when `size` covers it. */
typedef struct bp_function {
  uint32_t size;
  uint32_t manner; /* bp_manner */
  const char* name;
  const char* help;
  const char* result; /* type, as bp_parameter.type; "" for none */
  const char* group;  /* of a synchronized function; "" otherwise */
  const bp_parameter* parameters;
  size_t parameter_count;
  int64_t max_response_time; /* after it a wire answers with a deferred; 0: the wire's own */
} bp_function;

/* Bits of bp_kind.properties. */
#define BP_INBOUND 0x01u    /* brings messages from outside */
#define BP_OUTBOUND 0x02u   /* takes messages from the router */
#define BP_SERVICE 0x04u    /* binds its outside endpoint */
#define BP_CONNECTION 0x08u /* connects to one */
#define BP_BYPASS 0x10u     /* lives in the process, never touches the router */
#define BP_BLOCKING 0x20u   /* its callbacks may wait: it gets a loop of its own */
#define BP_FUNCTIONS 0x40u  /* publishes functions */
#define BP_OWN_LOOP 0x80u   /* nobody else may hold it up: a loop of its own, unless the manifest names one */

/* Answers of bp_kind.on_message. */
#define BP_TAKEN 0     /* the message is the plugin's now */
#define BP_BUSY 1      /* not now: the host keeps it and offers it again after bp_host.resume */
#define BP_MALFORMED 2 /* the host keeps it and counts it as refused */
#define BP_FAILED \
  3 /* the host keeps it and counts it as dropped; `error` says why; an asker gets the error */

typedef struct bp_host bp_host;

/* A type of component. Optional functions are NULL. */
typedef struct bp_kind {
  uint32_t size;
  uint32_t properties;
  const char* name; /* "plugin.kind" */
  const char* says; /* one line */
  const bp_option* options;
  size_t option_count;
  size_t option_size; /* sizeof(bp_option) as the plugin saw it: the stride of `options` */

  /* Optional. Tells the functions that components of this kind publish, one call of `tell` each, without
   * making a component. Returns 0, or -1 when they are known only to a running component. [host] */
  int32_t (*functions)(void (*tell)(void* context, const bp_function* function), void* context);

  /* Makes a component. It may read its options, log, name its metrics and publish functions, nothing else.
   * Returns NULL and fills `error` when it cannot. `host` stays valid until `destroy` returns. [loop] */
  void* (*create)(const bp_host* host, bp_error* error);
  /* Optional. Opens sockets, watches, timers. Returns 0, or -1 with `error`; then `stop` is not called.
   * [loop] */
  int32_t (*start)(void* self, bp_error* error);
  /* Optional (a kind without it takes no messages). BP_TAKEN, ..., BP_FAILED. [loop] */
  int32_t (*on_message)(void* self, bp_message* message, bp_error* error);
  /* Optional. The outcome of a request this component sent: a reply, an error, a stream item, a credit or
   * cancel notice for a call it serves (see flags). The message is the plugin's. [loop] */
  void (*on_reply)(void* self, bp_message* message);
  /* Optional. What the component sends is welcome again, after `send` said BP_PAUSED. [loop] */
  void (*on_resume)(void* self);
  /* Optional. Take nothing new from outside; go on answering and sending what is held. Without it, the
   * host stops calling the readable watches of a purely inbound component. [loop] */
  void (*drain)(void* self);
  /* Optional. The end: close sockets, cancel work. No callback follows. [loop] */
  void (*stop)(void* self);
  /* Frees the component. [loop] */
  void (*destroy)(void* self);
} bp_kind;

/* ---- clients ----------------------------------------------------------------------------------------
 * What a command such as `backplane call palm+tcp://127.0.0.1:5559 server.function` uses: a client speaks
 * its protocol for a program that has no manifest, no router and no loop. All functions of one client are
 * called on one thread and may wait; results are handed over by callbacks within that wait. [caller] is that
 * thread. */

/* What the program offers to a client. Valid until `close` returns. */
typedef struct bp_caller bp_caller;
struct bp_caller {
  uint32_t size;
  uint32_t abi_minor;
  void* context;   /* the program's own */
  int64_t timeout; /* how long a connection or one answer may take; 0: for ever */
  /* Reads a checked option. Returns 0, or -1 when the client has no such option or it has no value.
   * [caller] */
  int32_t (*option)(const bp_caller* caller, const char* name, bp_value* value);
  /* Tells a person something; `severity` is a bp_severity. [caller] */
  void (*log)(const bp_caller* caller, uint32_t severity, bp_text text);
  /* 1: what runs should end soon. To be asked ten times a second during a job; what is shown of a job is
   * brought up to date here. [caller] */
  int32_t (*interrupted)(const bp_caller* caller);
};

/* A call. Function, frames and flags mean what they mean in a request between components
 * (<backplane/functions.hpp>): with BP_MSGPACK frame 0 is the list of positional arguments and an optional
 * frame 1 the map of named ones; with BP_RAW every frame is one argument as bytes. */
typedef struct bp_client_call {
  uint32_t size;
  uint32_t encoding;
  uint32_t
      flags; /* BP_STREAM: items are welcome; BP_DEFERRED: so is a deferred; BP_SIGNAL: wait for nothing */
  uint32_t frame_count;
  bp_text function;
  const bp_text* frames;
} bp_client_call;

/* A result of a call, or of one item of a job. */
typedef struct bp_result {
  uint32_t size;
  uint32_t encoding; /* BP_RAW: `content` is text or bytes; BP_MSGPACK: it is one value */
  uint32_t flags;    /* BP_ERROR; BP_STREAM: one of several; BP_STREAM_END: no more of these, no content;
                        BP_DEFERRED: `content` is the token */
  uint64_t index;    /* of the item, from 0 */
  bp_text content;
  const bp_error* error; /* with BP_ERROR; NULL otherwise */
} bp_result;

/* Takes a result. Returns 0, or 1: no more are wanted, the call or job should end and return 0. [caller] */
typedef int32_t (*bp_take_result)(void* context, const bp_result* result);

/* Answers of bp_client_job.next. */
#define BP_ITEM 0
#define BP_LATER 1 /* none now */
#define BP_END 2   /* none any more */

/* Many calls of one function, each with one item as its argument. */
typedef struct bp_client_job {
  uint32_t size;
  uint32_t encoding; /* of items; BP_RAW: an item is one argument as bytes */
  uint32_t ordered;  /* 1: results are wanted in the order of the items; 0: as they come */
  uint32_t window;   /* items that may wait for their results at a time, at least 1 */
  bp_text function;
  void* context;
  /* Gives the next item, which is valid until the next call. [caller] */
  int32_t (*next)(void* context, bp_text* item);
  int descriptor; /* readable when `next` should be asked again after BP_LATER; -1: there is none */
} bp_client_job;

/* A client that a plugin offers. Optional functions are NULL. */
typedef struct bp_client {
  uint32_t size;
  const char* scheme; /* a word: "palm" for addresses that begin with "palm+" or "palm://" */
  const char* says;   /* one line */
  const bp_option* options;
  size_t option_count;
  size_t option_size; /* as of bp_kind */

  /* Connects. `endpoint` is what follows "scheme+", or the whole address when it begins with "scheme://".
   * Returns NULL and fills `error` when it cannot. [caller] */
  void* (*open)(const bp_caller* caller, bp_text endpoint, bp_error* error);
  /* Calls a function and hands its results to `take`: one; or, flagged BP_STREAM, any number, ended with
   * BP_STREAM_END; or none, when the call has BP_SIGNAL. Returns 0, or -1 with `error`. [caller] */
  int32_t (*call)(void* self, const bp_client_call* call, bp_take_result take, void* context,
                  bp_error* error);
  /* Optional. Runs a job; an item that fails is a result with BP_ERROR, and the job goes on. Returns 0 when
   * all is done or an end was asked for, or -1 with `error`. [caller] */
  int32_t (*job)(void* self, const bp_client_job* job, bp_take_result take, void* context, bp_error* error);
  /* Optional. Tells the functions that the other side offers, one call of `tell` each. Returns 0, or -1 with
   * `error`. [caller] */
  int32_t (*functions)(void* self, void (*tell)(void* context, const bp_function* function), void* context,
                       bp_error* error);
  /* Ends the connection and frees the client. [caller] */
  void (*close)(void* self);
} bp_client;

/* The table a plugin exports under the name `backplane_plugin`: constant data. It offers at least one kind or
 * client. */
typedef struct bp_plugin {
  uint32_t size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t zmq_major; /* of the libzmq it was built with: its frames must be ours */
  uint32_t zmq_minor;
  uint32_t zmq_patch;
  const char* name;
  const char* version;
  const char* compiler; /* for people: what built it */
  const bp_kind* const* kinds;
  size_t kind_count;
  const bp_client* const* clients;
  size_t client_count;
} bp_plugin;

/* ---- what the host offers --------------------------------------------------------------------------- */

/* Answers of bp_host.send. In all cases the message is the host's (it is accounted for). */
#define BP_SENT 0
#define BP_PAUSED 1   /* accepted, but a destination is full: bring no more until on_resume */
#define BP_REJECTED 2 /* not accepted: the route says overflow: reject, or too much is waiting */
#define BP_NO_ROUTE 3 /* nothing takes it: dropped and counted */

/* Severities of bp_host.log. */
typedef enum bp_severity {
  BP_TRACE = 0,
  BP_DEBUG = 1,
  BP_INFO = 2,
  BP_WARNING = 3,
  BP_FAILURE = 4
} bp_severity;

/* Events of a watch. */
#define BP_READABLE 1u
#define BP_WRITABLE 2u
/* With BP_READABLE: call it also while this component is paused or draining (heartbeats, answers). */
#define BP_ALWAYS 4u
/* Of a ZeroMQ socket: only this watch's callback uses it. The host then need not look at it whenever another
 * callback of the component has run. */
#define BP_ALONE 8u

/* Called on the component's loop. `data` is what was given with it. */
typedef void (*bp_callback)(void* data);
typedef void (*bp_watch_callback)(void* data, uint32_t events);

/* What one component may ask of the host. Valid from `create` until `destroy` returns. */
struct bp_host {
  uint32_t size;
  uint32_t abi_minor;
  void* context;              /* the host's own */
  void* zmq_context;          /* for sockets towards outside; never terminate it */
  const char* component_name; /* with "#2" for the second instance, and so on */
  const char* kind_name;
  const char* host_name; /* host.name of the manifest */
  uint32_t component;    /* its number, as in envelopes */
  uint32_t instance;     /* 0, 1, ... */
  uint32_t instances;
  uint32_t routed; /* 1: the manifest has a route from this component */

  /* Reads a checked option. Returns 0, or -1 when the kind has no such option or it has no value. [any] */
  int32_t (*option)(const bp_host* host, const char* name, bp_value* value);

  /* A new empty message with room for `frames` frames; the caller's. Never NULL. [any] */
  bp_message* (*message_new)(const bp_host* host, uint32_t frames);
  /* Makes room for `frames` frames; those present move along. Returns 0, or -1: out of memory. [any] */
  int32_t (*message_reserve)(const bp_host* host, bp_message* message, uint32_t frames);
  /* A second message with the same envelope and frames; contents are shared, not copied. [any] */
  bp_message* (*message_copy)(const bp_host* host, const bp_message* message);
  /* Closes the frames and takes the message back. NULL is ignored. [any] */
  void (*message_free)(const bp_host* host, bp_message* message);

  /* Sends along the routes from this component. With BP_REQUEST in the flags the outcome comes to
   * on_reply, exactly once (a stream: items, then the end), at the deadline at the latest. A message that
   * came in as a request and is sent on keeps its asker. The message is the host's afterwards. BP_SENT,
   * ... From another thread the answer is BP_SENT or BP_PAUSED; what follows is accounted. [any] */
  int32_t (*send)(const bp_host* host, bp_message* message);
  /* Answers a request: `request` is the envelope it came with. The message is the host's afterwards. [any] */
  void (*reply)(const bp_host* host, const bp_envelope* request, bp_message* message);
  /* Answers a request with an error. One with attributes (a fourth frame, a map in msgpack) is a `reply` with
   * BP_ERROR. [any] */
  void (*reply_error)(const bp_host* host, const bp_envelope* request, bp_text type, bp_text message,
                      bp_text traceback);
  /* Calls `target`, "component.function", or a function that only one component publishes; the message
   * must have BP_REQUEST or BP_SIGNAL. Goes along the routes from this component when one of them has a
   * matching `when: {function}`. A component that takes messages also gets calls of functions it has not
   * published: it answers "NameError" when it has no such function. As `send` otherwise. [any] */
  int32_t (*call)(const bp_host* host, bp_text target, bp_message* message);
  /* Gives up a request of this component: no outcome will come; the callee is told. [loop] */
  void (*cancel)(const bp_host* host, uint64_t correlation);
  /* Lets the callee of a stream send `items` more. [loop] */
  void (*grant)(const bp_host* host, uint64_t correlation, uint32_t items);
  /* This component can take messages again after BP_BUSY. [loop] */
  void (*resume)(const bp_host* host);

  /* Runs `run(data)` on the component's loop. Returns 0, or -1 when the component has stopped: then it is
   * not called. What was accepted runs before `stop`. [any] */
  int32_t (*post)(const bp_host* host, bp_callback run, void* data);
  /* Watches a ZeroMQ socket (level-triggered: called again while events last). Returns a watch, or 0 with
   * errno. The socket is used on this loop only. [loop] */
  uint64_t (*watch_socket)(const bp_host* host, void* socket, uint32_t events, bp_watch_callback run,
                           void* data);
  /* Watches a file descriptor, likewise. [loop] */
  uint64_t (*watch_descriptor)(const bp_host* host, int descriptor, uint32_t events, bp_watch_callback run,
                               void* data);
  /* Changes what a watch waits for; 0 events: nothing. [loop] */
  void (*watch_events)(const bp_host* host, uint64_t watch, uint32_t events);
  /* Ends a watch, before its socket or descriptor is closed. [loop] */
  void (*unwatch)(const bp_host* host, uint64_t watch);
  /* Calls `run(data)` after `delay`, then every `period` (0: once). Returns a timer, never 0. [loop] */
  uint64_t (*timer_start)(const bp_host* host, int64_t delay, int64_t period, bp_callback run, void* data);
  /* Ends a timer; one that has run its course is ignored. [loop] */
  void (*timer_stop)(const bp_host* host, uint64_t timer);
  /* The steady clock. [any] */
  int64_t (*now)(const bp_host* host);

  /* Writes a log line; lines beyond a component's limit (200 a second) are counted and told together. [any]
   */
  void (*log)(const bp_host* host, uint32_t severity, bp_text text);
  /* A metric of this component: a cell that the component adds to or sets, on its loop, and the host reads.
   * The cell lives as long as the host. Same name: same cell. Names: words in snake_case. [loop] */
  int64_t* (*counter)(const bp_host* host, const char* name, const char* help);
  int64_t* (*gauge)(const bp_host* host, const char* name, const char* help);
  /* Tells a function that this component serves, at any time from `create` on. What is told again replaces
   * what was told of that name. Returns 0, or -1: it has no name. [loop] */
  int32_t (*publish)(const bp_host* host, const bp_function* function);
  /* How many messages or calls the component itself holds now; a drain waits for 0. [loop] */
  void (*holding)(const bp_host* host, uint64_t count);
  /* This component has brought all it will ever bring. When every inbound component has, the host drains
   * and stops. [loop] */
  void (*finished)(const bp_host* host);
  /* The component can no longer work. The host logs it, drains and stops with exit code 1. [any] */
  void (*failed)(const bp_host* host, const bp_error* error);
  /* A table of functions by name and revision ("store/1"), or NULL. [any] */
  const void* (*extension)(const bp_host* host, const char* name);
  /* The correlation of the request that this component sent last (send or call), for `cancel` and `grant`
   * before an outcome has come; 0: it was not accepted. May be NULL. [loop, right after send or call] */
  uint64_t (*last_request)(const bp_host* host);
  /* How long the drain of this component may take at most by its own rules, e.g. the grace that it gives its
   * clients; 0: as long as the manifest says. A draining host waits at least that long, and a second more,
   * also when host.shutdown.timeout is shorter; it waits no longer than components hold anything. May be
   * NULL. [loop] */
  void (*drain_time)(const bp_host* host, int64_t span);
};

/* ---- extensions ------------------------------------------------------------------------------------- */

/* "functions/1": what the components of this host publish, functions of the asking one included. */
#define BP_FUNCTIONS_1 "functions/1"
typedef struct bp_functions_1 {
  uint32_t size;
  /* Calls `tell(context, component, function)` once for each, before it returns: components by name, their
   * functions in the order of publication. What components publish in `create` is known to all in `start`;
   * some learn only later what they offer. Text and descriptor are borrowed until `tell` returns. [any] */
  void (*list)(const bp_host* host,
               void (*tell)(void* context, bp_text component, const bp_function* function), void* context);
} bp_functions_1;

#ifdef __cplusplus
}
#endif
#endif
