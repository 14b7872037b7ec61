"""The rows of PALM: jobs, cache, gateway. Beside the raw ceiling of the same run stands what the Python system
reached on a machine of 2 cores (libzmq 4.3.4, loopback tcp; medians of 3): no ratio of one run, but a size."""

from model import MANIFESTS, RAW, Bar, Load, Row, Setup

JOBS_IN_FLIGHT = {10: 3360, 1024: 2930, 102400: 1810}  # messages/s with many in flight, by size
ONE_IN_FLIGHT = {10: 2000, 1024: 1730, 102400: 990}
CACHE_GETS = {10: 9190, 102400: 7030}
SIZES = [10, 1024, 102400]

MANY = ("--in-flight", "1000", "--in-flight-bytes", str(64 * 102400))
ONE = ("--in-flight", "1")
FUNCTIONS = "host, functions"
OTHER_LOOP = "host, functions on another loop"
SDK_CLIENT = "host, functions, SDK client"
BEAST = "plain Beast"
SERVICE = "host, http.service"


# ---- jobs

def job_ends(push, pub, mode="jobs"):
    return [mode, "--push", f"push,connect,{push}", "--sub", f"sub,connect,{pub}"]


def job_functions(mode="jobs", loop="a"):
    def setup(programs, endpoints):
        pull, pub = endpoints.fresh(), endpoints.fresh()
        return Setup([programs.backplane, "run", str(MANIFESTS / "palm_functions.yaml")],
                     {"PULL": pull, "PUB": pub, "FUNCTION_LOOP": loop,
                      "ECHO_PLUGIN": programs.echo_plugin},
                     program="palm", arguments=job_ends(pull, pub, mode))
    return setup


def worker_ends(push, pull, count):
    return ["--worker", *[f"pull,connect,{push}", f"push,connect,{pull}"] * count]


def job_workers(count):
    def setup(programs, endpoints):
        pull, pub, worker_push, worker_pull = (endpoints.fresh() for _ in range(4))
        return Setup([programs.backplane, "run", str(MANIFESTS / "palm_master.yaml")],
                     {"PULL": pull, "PUB": pub, "WORKER_PUSH": worker_push, "WORKER_PULL": worker_pull},
                     program="palm",
                     arguments=job_ends(pull, pub) + worker_ends(worker_push, worker_pull, count))
    return setup


def job_raw(programs, endpoints):
    pull, pub = endpoints.fresh(), endpoints.fresh()
    return Setup([programs.palm, "relay", f"pull,bind,{pull}", f"pub,bind,{pub}"],
                 program="palm", arguments=job_ends(pull, pub))


# ---- cache

def cache_host(programs, endpoints):
    at = endpoints.fresh()
    return Setup([programs.backplane, "run", str(MANIFESTS / "palm_cache.yaml")], {"IN": at},
                 program="palm", arguments=["gets", "--send", f"dealer,connect,{at}"])


def cache_raw(programs, endpoints):
    at = endpoints.fresh()
    return Setup([programs.palm, "answer", f"router,bind,{at}"],
                 program="palm", arguments=["gets", "--send", f"dealer,connect,{at}"])


# ---- gateway

def http_ends(at, path="/bench.echo"):
    return ["--connect", at, "--path", path]


def gateway_functions(programs, endpoints):
    at = endpoints.fresh_address()
    return Setup([programs.backplane, "run", str(MANIFESTS / "palm_gateway_functions.yaml")],
                 {"HTTP": at, "ECHO_PLUGIN": programs.echo_plugin}, program="http",
                 arguments=http_ends(at))


def gateway_worker(programs, endpoints):
    at, push, pull = endpoints.fresh_address(), endpoints.fresh(), endpoints.fresh()
    return Setup([programs.backplane, "run", str(MANIFESTS / "palm_gateway_workers.yaml")],
                 {"HTTP": at, "WORKER_PUSH": push, "WORKER_PULL": pull},
                 program="http", arguments=http_ends(at) + worker_ends(push, pull, 1))


def http_service(programs, endpoints):
    at = endpoints.fresh_address()
    return Setup([programs.backplane, "run", str(MANIFESTS / "http_functions.yaml")],
                 {"HTTP": at, "ECHO_PLUGIN": programs.echo_plugin},
                 program="http", arguments=[*http_ends(at, "/echo/echo"), "--json"])


def http_beast(programs, endpoints):
    at = endpoints.fresh_address()
    return Setup([programs.beast, at], program="http", arguments=http_ends(at))


def palm_rows():
    workers = {f"host, {count} worker{'s' if count > 1 else ''} outside": job_workers(count) for count in (1, 2)}
    python = "The Python system's figures are of its own test machine: a master, one worker, one client."
    answers = "; the answer to each is checked"
    return [
        Row("palm_jobs", "PALM jobs, many in flight",
            {FUNCTIONS: job_functions(), OTHER_LOOP: job_functions(loop="b"), **workers,
             SDK_CLIENT: job_functions("client"), RAW: job_raw},
            [Load("throughput", "jobs", "per_second", MANY)], sizes=SIZES, peers=(RAW,),
            python=JOBS_IN_FLIGHT,
            note="A client of raw libzmq (PUSH, SUB) keeps 1,000 messages in flight, 64 of 100 KiB" + answers +
                 ". The host calls a function in its process, on the loop of the sockets unless it says "
                 "otherwise, or is a master of workers outside, which are threads of raw libzmq in the "
                 "client's process. SDK client: palm::Client::job instead of raw libzmq. Raw libzmq: one "
                 "process that pulls and publishes, nothing else. " + python),
        Row("palm_job", "PALM jobs, one in flight",
            {FUNCTIONS: job_functions(), OTHER_LOOP: job_functions(loop="b"),
             "host, 1 worker outside": job_workers(1), SDK_CLIENT: job_functions("client"), RAW: job_raw},
            [Load("latency", "jobs", "per_second", ONE, "round trips", True)], sizes=SIZES, peers=(RAW,),
            python=ONE_IN_FLIGHT, note="As above. " + python),
        *(Row(name, f"PALM cache, {title}", {"host": cache_host, RAW: cache_raw},
              [Load("gets", "gets", "per_second", ("--in-flight", str(in_flight)), "gets", True)],
              sizes=[10, 102400], peers=(RAW,), python=CACHE_GETS,
              note="One DEALER gets values of palm.cache. Raw libzmq: a ROUTER in a process of its own that "
                   "answers with as many bytes. The Python system's figures are of its own test machine, with "
                   "one in flight.")
          for name, title, in_flight in (("palm_get", "one get in flight", 1),
                                         ("palm_gets", "100 gets in flight", 100))),
        Row("gateway", "PALM gateway: HTTP requests",
            {"host, gateway to functions": gateway_functions, "host, gateway to a worker": gateway_worker,
             SERVICE: http_service, BEAST: http_beast},
            [Load("requests", "http", "per_second", ("--connections", "50"), "requests", True)],
            sizes=[10, 1024], peers=(BEAST, SERVICE),
            note="POST on 50 keep-alive connections, one request at a time on each" + answers + ". "
                 "palm.http_gateway calls a function in the process, or brings the request to a worker of raw "
                 "libzmq in the load's process by way of palm.gateway_router and palm.push_pull; http.service "
                 "calls the same function with JSON; plain Beast: one thread that answers with the body."),
    ]


def palm_bars():
    def to_python(results, contender):
        measured = results.median("palm_jobs", "throughput", 1024, contender, "per_second")
        return measured / JOBS_IN_FLIGHT[1024] if measured else None

    return [Bar(f"PALM jobs of 1 KiB, many in flight, {contender[6:]}, to the Python system's 2,930/s",
                "palm_jobs", ">= 50 (goal 100)",
                lambda results, contender=contender: to_python(results, contender),
                lambda value: value >= 50, "{:.0f} x") for contender in (FUNCTIONS, OTHER_LOOP)]
