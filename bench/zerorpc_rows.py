"""The rows of ZeroRPC and infi.rpc: calls, streams, deferred results. Beside the raw ceiling of the same run
stands what the Python programs reached, client and server on a machine of 2 cores: no ratio of one run, but a
size."""

from model import MANIFESTS, RAW, Bar, Load, Row, Setup

# per second: calls one after another, calls with 64 in flight, stream items; infi.rpc the first two
PYTHON_ONE, PYTHON_MANY, PYTHON_ITEMS = 1000, 1900, 12_000
PYTHON_INFI_ONE, PYTHON_INFI_MANY = 800, 2100

SIZES = [10, 100]
LARGE = 1024 * 1024
HOST = "host"
OTHER_LOOP = "host, functions on another loop"
SPINNING = "host, spin: 100us"
BAR_SIZE = 100


def host(mode, method, *flags, loop="rpc", spin="0s"):
    def setup(programs, endpoints):
        at = endpoints.fresh()
        return Setup([programs.backplane, "run", str(MANIFESTS / "zerorpc.yaml")],
                     {"IN": at, "FUNCTION_LOOP": loop, "SPIN": spin, "ECHO_PLUGIN": programs.echo_plugin},
                     program="zerorpc", arguments=ends(mode, method, at, flags))
    return setup


def raw(mode, method, *flags):
    def setup(programs, endpoints):
        at = endpoints.fresh()
        return Setup([programs.zerorpc, "answer", mode, f"router,bind,{at}", "--method", method],
                     program="zerorpc", arguments=ends(mode, method, at, flags))
    return setup


def ends(mode, method, at, flags):
    return [mode, "--send", f"dealer,connect,{at}", "--method", method, *flags]


def both_loops(mode, method, *flags):
    return {HOST: host(mode, method, *flags), OTHER_LOOP: host(mode, method, *flags, loop="functions"),
            RAW: raw(mode, method, *flags)}


def echo(in_flight):
    """One call at a time waits for threads to wake up, so there a loop that does not sleep stands beside the others."""
    contenders = both_loops("calls", "echo")
    if in_flight > 1:
        return contenders
    return {HOST: contenders[HOST], SPINNING: host("calls", "echo", spin="100us"), **contenders}


def row(name, title, contenders, in_flight, answers, sizes, python, note, percentiles=True):
    return Row(name, title, contenders,
               [Load("load", "", "per_second", ("--in-flight", str(in_flight)), answers, percentiles)],
               sizes=sizes, peers=(RAW,), python=dict.fromkeys(sizes, python) if python else {}, note=note)


def counted(in_flight):
    return "one in flight" if in_flight == 1 else f"{in_flight:,} in flight"


def zerorpc_rows():
    connection = ("One DEALER sends requests that were encoded beforehand and compares each answer. The host "
                  "calls a function in its process, on the loop of the socket unless it says otherwise. Raw "
                  "libzmq: a ROUTER in a process of its own that answers with events of the same form, and "
                  "decodes nothing.")
    python = " The Python programs' figures are of their own test machine"
    one, many = python + ", one call after another.", python + ", with 64 calls in flight."
    echoes = [row(f"zerorpc_echo_{in_flight}", f"ZeroRPC echo, {counted(in_flight)}",
                  echo(in_flight), in_flight, "calls", SIZES, reached, connection + says)
              for in_flight, reached, says in ((1, PYTHON_ONE, one), (10, None, ""), (100, PYTHON_MANY, many),
                                               (1000, None, ""))]
    large = [row(f"zerorpc_large_{in_flight}", f"ZeroRPC echo of 1 MiB, {counted(in_flight)}",
                 both_loops("calls", "echo", "--binary"), in_flight, "calls", [LARGE], None,
                 "As above; the value is binary.") for in_flight in (1, 8)]
    streams = [row(name, title, both_loops("stream", "repeat"), count, "items", SIZES[:1], PYTHON_ITEMS,
                   "Streams of 10,000 items; credit is given as Python's client does: 100, and then 51 when 49 "
                   "are left." + python + ", with one stream.", percentiles=False)
               for name, title, count in (("zerorpc_stream", "ZeroRPC stream, one at a time", 1),
                                          ("zerorpc_streams", "ZeroRPC streams, 16 at a time", 16))]
    infi = [row(f"infi_echo_{in_flight}", f"infi.rpc echo, {counted(in_flight)}",
                {"host, immediate": host("infi", "now"), "host, ordinary": host("infi", "echo"),
                 RAW: raw("infi", "echo")}, in_flight, "calls", SIZES[:1], reached,
                "As above, with on_call; all on one loop. An ordinary call is noted by its uuid until it is "
                "answered, an immediate one is not." + says)
            for in_flight, reached, says in ((1, PYTHON_INFI_ONE, one), (100, PYTHON_INFI_MANY, many))]
    deferred = [row(f"infi_deferred_{in_flight}", f"infi.rpc deferred cycle, {counted(in_flight)}",
                    {HOST: host("deferred", "later"), RAW: raw("infi", "echo")}, in_flight, "cycles", SIZES[:1],
                    None, "A call that is answered with a token, and polls without a pause until its result is "
                          "there; the last 10,000 results stay kept. Raw libzmq: one question and one answer, as above.")
                for in_flight in (1, 100)]
    return [*echoes, *large, *streams, *infi, *deferred]


def zerorpc_bars():
    """On two loops a lone call wakes up four threads instead of two, so that bar is for one loop."""
    def rate(in_flight, contender):
        return lambda results: results.median(f"zerorpc_echo_{in_flight}", "load", BAR_SIZE, contender,
                                              "per_second")

    return [Bar(f"ZeroRPC echo of {BAR_SIZE} B on one connection, {counted(in_flight)}, {where}",
                f"zerorpc_echo_{in_flight}", f">= {least // 1000} k/s", rate(in_flight, contender),
                lambda value, least=least: value >= least, "{:,.0f}/s")
            for in_flight, least, where, contender in ((1, 15_000, "one loop", HOST),
                                                       (1, 15_000, "one loop, spin: 100us", SPINNING),
                                                       (100, 150_000, "one loop", HOST),
                                                       (100, 150_000, "functions on another loop", OTHER_LOOP))]
