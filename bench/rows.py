"""The rows of the benchmark: for each, who is measured, with which load, and what the figures must be. Those
of PALM are in palm_rows.py, those of ZeroRPC in zerorpc_rows.py."""

from model import MANIFESTS, PROXY, RAW, Bar, Load, Row, Setup
from palm_rows import palm_bars, palm_rows
from zerorpc_rows import zerorpc_bars, zerorpc_rows

FAN_OUT = 8
IDLE = 1000

BARE_LOOP = "bare loop"


# ---- one hop

def hop_host(manifest):
    def setup(programs, endpoints):
        path = manifest(programs) if callable(manifest) else MANIFESTS / manifest
        into, out = endpoints.fresh(), endpoints.fresh()
        return Setup([programs.backplane, "run", str(path)], {"IN": into, "OUT": out},
                     f"push,connect,{into}", [f"pull,connect,{out}"])
    return setup


def hop_proxy(*flags):
    def setup(programs, endpoints):
        into, out = endpoints.fresh(), endpoints.fresh()
        return Setup([programs.proxy, f"pull,bind,{into}", f"push,bind,{out}", *flags], {},
                     f"push,connect,{into}", [f"pull,connect,{out}"])
    return setup


def hop_raw(programs, endpoints):
    wire = endpoints.fresh()
    return Setup(send=f"push,connect,{wire}", receive=[f"pull,bind,{wire}"])


# ---- fan-out

def fan_out_host(programs, endpoints):
    into = endpoints.fresh()
    outs = [endpoints.fresh() for _ in range(FAN_OUT)]
    return Setup([programs.backplane, "run", str(MANIFESTS / "fan_out.yaml")],
                 {"IN": into, **{f"OUT{index}": out for index, out in enumerate(outs, 1)}},
                 f"push,connect,{into}", [f"pull,connect,{out}" for out in outs])


def fan_out_proxy(programs, endpoints):
    into, out = endpoints.fresh(), endpoints.fresh()
    return Setup([programs.proxy, f"xsub,bind,{into}", f"xpub,bind,{out}"], {},
                 f"pub,connect,{into}", [f"sub,connect,{out}"] * FAN_OUT)


def fan_out_raw(programs, endpoints):
    wire = endpoints.fresh()
    return Setup(send=f"pub,bind,{wire}", receive=[f"sub,connect,{wire}"] * FAN_OUT)


# ---- request and reply

def request_host(manifest):
    def setup(programs, endpoints):
        front, back = endpoints.fresh(), endpoints.fresh()
        return Setup([programs.backplane, "run", str(MANIFESTS / manifest)],
                     {"IN": front, "OUT": back, "ECHO_PLUGIN": programs.echo_plugin},
                     f"dealer,connect,{front}",
                     worker=f"router,bind,{back}" if manifest == "requests.yaml" else "")
    return setup


def request_proxy(programs, endpoints):
    front, back = endpoints.fresh(), endpoints.fresh()
    return Setup([programs.proxy, f"router,bind,{front}", f"dealer,connect,{back}"], {},
                 f"dealer,connect,{front}", worker=f"router,bind,{back}")


def request_raw(programs, endpoints):
    wire = endpoints.fresh()
    return Setup(send=f"dealer,connect,{wire}", worker=f"router,bind,{wire}")


def request_row(in_flight, loads):
    return Row(f"requests_{in_flight}", f"Request and reply, {in_flight} in flight",
               {"host, worker outside": request_host("requests.yaml"),
                "host, component answers": request_host("echo.yaml"),
                PROXY: request_proxy, RAW: request_raw},
               [Load(name, "requests", unit, ("--in-flight", str(in_flight)), "requests")
                for name, unit in loads],
               note="A DEALER asks; a ROUTER worker echoes behind the host's zmq.dealer and behind zmq_proxy "
                    "(ROUTER, DEALER), or directly. Where a component of the host answers, the worker's "
                    "process hop is saved.")


# ---- idle components

def idle_manifest(idle_kind):
    """A manifest like one_loop.yaml with IDLE more components that nobody talks to."""
    def make(programs):
        path = programs.folder / f"idle-{idle_kind}.yaml"
        text = (MANIFESTS / "one_loop.yaml").read_text()
        lines = [f"  idle_{number}: " + IDLE_KINDS[idle_kind].format(folder=programs.folder, number=number)
                 for number in range(IDLE)]
        path.write_text(text.replace("components:\n", "components:\n" + "\n".join(lines) + "\n"))
        return path
    return make


IDLE_KINDS = {
    "null.sink": "{{kind: null.sink}}",
    "zmq.pull": '{{kind: zmq.pull, bind: "ipc://{folder}/idle-{number}"}}',
}


def start_host(manifest):
    def setup(programs, endpoints):
        names = {f"{side}{number}": endpoints.fresh() for side in ("IN", "OUT") for number in range(1, 6)}
        return Setup([programs.backplane, "run", str(MANIFESTS / manifest)], names)
    return setup


def all_rows():
    stream = Load("throughput", "stream", "per_second")
    latency = Load("latency", "pingpong", "p50_us")
    return [
        Row("hop", "One hop: PULL in, PUSH out",
            {"host, one loop": hop_host("one_loop.yaml"), "host, two loops": hop_host("two_loops.yaml"),
             PROXY: hop_proxy(), BARE_LOOP: hop_proxy("--relay"), RAW: hop_raw},
            [stream, latency],
            note="zmq_proxy with PULL and PUSH; bare loop: receive and send and nothing else, the tightest "
                 "device there can be (FairMQ's proxy is one); raw libzmq: PUSH to PULL directly."),
        Row("fan_out", f"Fan-out to {FAN_OUT}",
            {"host": fan_out_host, PROXY: fan_out_proxy, RAW: fan_out_raw}, [stream],
            note="Messages in per second, each delivered eight times: one PULL to eight PUSH in the host, XSUB "
                 "to XPUB with eight subscribers in zmq_proxy, PUB to eight SUB directly; publishers wait "
                 "instead of dropping."),
        request_row(1, [("latency", "p50_us")]),
        request_row(100, [("throughput", "per_second")]),
        Row("idle", f"{IDLE:,} idle components beside an active route",
            {"host, no idle ones": hop_host("one_loop.yaml"),
             f"host, {IDLE:,} null.sink": hop_host(idle_manifest("null.sink")),
             f"host, {IDLE:,} zmq.pull": hop_host(idle_manifest("zmq.pull")),
             PROXY: hop_proxy(), RAW: hop_raw},
            [stream], sizes=[100]),
        Row("start", "Start to ready",
            {"host, ten components": start_host("ten.yaml"), "host, two components": hop_host("one_loop.yaml"),
             PROXY: hop_proxy()},
            [], sizes=[0], note="Ten components: five zmq.pull and five zmq.push, five routes, one plugin."),
        *palm_rows(),
        *zerorpc_rows(),
    ]


def bars():
    found = []
    for loop in ("host, one loop", "host, two loops"):
        found.append(Bar(f"100 B through the router, {loop[6:]}, to zmq_proxy", "hop", ">= 1.1 (goal 1.3)",
                         lambda results, loop=loop: results.ratio("hop", "throughput", 100, loop, PROXY),
                         lambda value: value >= 1.1, "{:.2f} x"))
    for loop in ("host, one loop", "host, two loops"):
        found.append(Bar(f"added latency of one hop at 100 B, {loop[6:]}, to zmq_proxy's", "hop", "<= 1.0",
                         lambda results, loop=loop: results.added_ratio(loop, 100),
                         lambda value: value <= 1.0, "{:.2f} x"))
    for kind in IDLE_KINDS:
        busy, alone = f"host, {IDLE:,} {kind}", "host, no idle ones"
        found += [
            Bar(f"start with {IDLE:,} idle {kind}", "idle", "< 1000 ms",
                lambda results, busy=busy: results.median("idle", "throughput", 100, busy, "ready_ms"),
                lambda value: value < 1000, "{:.0f} ms"),
            Bar(f"memory of one idle {kind}", "idle", "< 64 KiB",
                lambda results, busy=busy: results.difference("idle", "throughput", 100, busy, alone,
                                                              "memory_kib", IDLE),
                lambda value: value < 64, "{:.1f} KiB"),
            Bar(f"throughput beside {IDLE:,} idle {kind}, to none", "idle", ">= 0.9",
                lambda results, busy=busy: results.ratio("idle", "throughput", 100, busy, alone),
                lambda value: value >= 0.9, "{:.2f} x"),
        ]
    found.append(Bar("ten components to ready", "start", "< 100 ms",
                     lambda results: results.median("start", "start", 0, "host, ten components", "ready_ms"),
                     lambda value: value < 100, "{:.0f} ms"))
    return found + palm_bars() + zerorpc_bars()
