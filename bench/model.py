"""What a row of the benchmark is made of."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

MANIFESTS = Path(__file__).resolve().parent / "manifests"
RAW = "raw libzmq"
PROXY = "zmq_proxy"


@dataclass
class Setup:
    """One contender, ready to be started: the device between the ends of the load, and those ends."""
    device: Optional[list] = None  # its command line; None: the ends talk to each other
    environment: dict = field(default_factory=dict)
    send: str = ""
    receive: list = field(default_factory=list)
    worker: str = ""
    program: str = "load"  # what loads it: a name in Programs
    arguments: Optional[list] = None  # mode and ends for that program; None: those of bench_load

    def load_arguments(self, mode):
        if self.arguments is not None:
            return list(self.arguments)
        arguments = [mode, "--send", self.send]
        for end in self.receive if mode != "requests" else []:
            arguments += ["--receive", end]
        if mode == "requests" and self.worker:
            arguments += ["--worker", self.worker]
        return arguments


@dataclass
class Programs:
    backplane: str
    proxy: str
    load: str
    palm: str         # bench_palm: a load, and devices
    zerorpc: str      # bench_zerorpc: a load, and a device
    http: str         # bench_http: a load
    beast: str        # bench_beast: a plain HTTP server
    echo_plugin: str  # the plugin bench/echo.cpp
    folder: Path      # for manifests made here


@dataclass
class Load:
    """A way to run a load; `unit` names the figure that is compared."""
    name: str
    mode: str
    unit: str  # "per_second" (more is better) or "p50_us" (less is better)
    arguments: tuple = ()
    answers: str = "messages"  # what is counted
    percentiles: bool = False  # of how long an answer took, beside the rate


@dataclass
class Row:
    name: str
    title: str
    contenders: dict  # name -> function(programs, endpoints) -> Setup
    loads: list
    sizes: Optional[list] = None  # None: those of the run
    note: str = ""
    peers: tuple = (PROXY, RAW)  # contenders that the others are compared with
    python: dict = field(default_factory=dict)  # size -> what the Python system reaches, per second


@dataclass
class Bar:
    """A figure the project has promised. `measure(results)` finds it; None when it was not measured."""
    claim: str
    row: str
    text: str
    measure: Callable
    holds: Callable
    format: str
