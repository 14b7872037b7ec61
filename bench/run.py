#!/usr/bin/env python3
"""Measures the host beside zmq_proxy and raw libzmq, in alternating runs. scripts/bench builds everything and
calls this."""

import argparse
import datetime
import fnmatch
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from model import Programs
from processes import Device, Endpoints, Failed, run_load
from report import markdown
from results import Results
from rows import all_rows, bars

HERE = Path(__file__).resolve().parent
LOAD_LIMIT = 60  # seconds that one load may take


def parse_arguments():
    rows = [row.name for row in all_rows()]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true",
                        help="short runs, and one size unless a row has its own: a look, nothing to quote")
    parser.add_argument("--rows", default=",".join(rows), help="some of: %(default)s; * stands for any letters")
    parser.add_argument("--sizes", default="32,100,1024,65536", help="bytes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one run, without warm-up")
    parser.add_argument("--transport", choices=("tcp", "ipc"), default="tcp")
    parser.add_argument("--contenders", choices=("all", "peers"), default="all",
                        help="peers: leave the host out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    chosen = parser.parse_args()
    patterns = chosen.rows.split(",")
    for pattern in patterns:
        if not fnmatch.filter(rows, pattern):
            parser.error(f'no row "{pattern}"; there are: {", ".join(rows)}')
    chosen.rows = [name for name in rows if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    try:
        chosen.sizes = [int(size) for size in chosen.sizes.split(",")]
    except ValueError:
        parser.error("--sizes takes numbers of bytes, with commas between them")
    if chosen.quick:
        chosen.sizes, chosen.rounds, chosen.seconds = [100], 3, 0.3
    return chosen


class Progress:
    """One line on a terminal that says how far it is; nothing elsewhere."""

    def __init__(self, total):
        self.total, self.done, self.shown = total, 0, sys.stderr.isatty()

    def step(self, text):
        self.done += 1
        if self.shown:
            filled = 30 * self.done // self.total
            sys.stderr.write(f"\r\033[K[{'#' * filled}{'.' * (30 - filled)}] {self.done}/{self.total} {text}")
            sys.stderr.flush()

    def end(self):
        if self.shown:
            sys.stderr.write("\r\033[K")


class Bench:
    def __init__(self, chosen, folder):
        binaries = chosen.build.resolve() / "bin"
        self.chosen = chosen
        names = ("backplane", "bench_proxy", "bench_load", "bench_palm", "bench_zerorpc", "bench_http",
                 "bench_beast", "bench_echo.so")
        self.programs = Programs(*(str(binaries / name) for name in names), folder)
        self.endpoints = Endpoints(chosen.transport, folder)
        self.results = Results()
        self.libzmq = "?"
        self.load_before = os.getloadavg()[0]

    def rows(self):
        picked = [row for row in all_rows() if row.name in self.chosen.rows]
        if self.chosen.contenders == "peers":
            for row in picked:
                row.contenders = {name: setup for name, setup in row.contenders.items()
                                  if not name.startswith("host")}
        return picked

    def run(self):
        rows = self.rows()
        per_size = {row.name: len(row.sizes or self.chosen.sizes) * len(row.contenders) for row in rows}
        progress = Progress(self.chosen.rounds * sum(per_size.values()))
        for row in rows:
            for size in row.sizes or self.chosen.sizes:
                for _ in range(self.chosen.rounds):
                    for contender, setup in row.contenders.items():
                        progress.step(f"{row.name} {size} B {contender}")
                        self.measure(row, size, contender, setup)
        progress.end()
        return rows

    def measure(self, row, size, contender, setup):
        """Starts a contender anew, puts all loads of the row on it and ends it."""
        names = [load.name for load in row.loads] or ["start"]
        measured = {}
        device = None
        try:
            ready = setup(self.programs, self.endpoints)
            if ready.device:
                device = Device(ready.device, ready.environment)
            started = {"ready_ms": device.ready_ms, "memory_kib": device.memory_kib} if device else {}
            if not row.loads:
                measured["start"] = started
            for load in row.loads:
                measured[load.name] = {**started, **self.load(ready, load, size, device)}
            if device:
                device.stop()
        except Failed as failure:
            if device:
                device.abandon()
            for name in names:
                self.results.fail(row.name, name, size, contender, failure)
            return
        for name, figures in measured.items():
            self.results.add(row.name, name, size, contender, figures)

    def load(self, setup, load, size, device):
        before = device.cpu_seconds() if device else 0
        figures = run_load(getattr(self.programs, setup.program), [
            *setup.load_arguments(load.mode), *load.arguments, "--size", str(size),
            "--seconds", str(self.chosen.seconds), "--warm-up", str(self.chosen.seconds * 0.3)], LOAD_LIMIT)
        self.libzmq = figures["libzmq"]
        if device:
            figures["device_cpu_us"] = (device.cpu_seconds() - before) / figures["total"] * 1e6
        return figures

    def facts(self):
        return {"date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
                "cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release(),
                "libzmq": self.libzmq, "load_before": round(self.load_before, 2),
                "transport": self.chosen.transport, "commit": commit(),
                "rounds": self.chosen.rounds, "seconds": self.chosen.seconds, "quick": self.chosen.quick}


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    done = subprocess.run(["git", "-C", str(HERE), "describe", "--always", "--dirty"], capture_output=True,
                          text=True)
    return done.stdout.strip() or "unknown"


def check_programs(programs):
    for program in (programs.backplane, programs.proxy, programs.load, programs.palm, programs.zerorpc,
                    programs.http, programs.beast, programs.echo_plugin):
        if not Path(program).exists():
            sys.exit(f"{program} is missing: build it first, as scripts/bench does")


def allow_many_descriptors():
    """A thousand sockets need some thousand descriptors; the host inherits what is allowed here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def write_json(path, bench, facts):
    judged = [(bar, bar.measure(bench.results)) for bar in bars() if bar.row in bench.chosen.rows]
    path.write_text(json.dumps({
        "machine": facts,
        "bars": [{"claim": bar.claim, "bar": bar.text, "measured": value,
                  "met": None if value is None else bar.holds(value)} for bar, value in judged],
        "results": bench.results.json(), "failures": bench.results.failures}, indent=1) + "\n")


def main():
    chosen = parse_arguments()
    allow_many_descriptors()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(chosen, Path(folder))
        check_programs(bench.programs)
        if bench.load_before > 0.5:
            print(f"The machine is busy (load average {bench.load_before:.2f}): expect noise.", file=sys.stderr)
        rows = bench.run()
    facts = bench.facts()
    text = markdown(bench.results, rows, chosen.sizes, facts)
    print(text)
    if chosen.markdown:
        chosen.markdown.write_text(text.rstrip() + "\n")
    if chosen.json:
        write_json(chosen.json, bench, facts)
    return 1 if bench.results.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
