"""Starts what is measured (the host, zmq_proxy) and what measures it (bench_load and others), one
process each."""

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path


class Failed(Exception):
    """A run that gave no figures: the reason, and the end of the log of whoever failed."""


class Endpoints:
    """Addresses on loopback that nobody uses: tcp ports asked of the kernel, or ipc paths in a folder."""

    def __init__(self, transport, folder):
        self.transport = transport
        self.folder = folder
        self.count = 0

    def fresh(self):
        if self.transport == "ipc":
            self.count += 1
            return f"ipc://{self.folder}/{os.getpid()}-{self.count}"
        return f"tcp://{self.fresh_address()}"

    @staticmethod
    def fresh_address():
        """An address for TCP whatever the transport: that of an HTTP server."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{probe.getsockname()[1]}"


class Device:
    """The process between sender and receiver. Ready when it says so on NOTIFY_SOCKET, as systemd would
    ask of it; `ready_ms` is the time from its start until then, `memory_kib` its resident memory then."""

    READY_LIMIT = 30
    STOP_LIMIT = 20

    def __init__(self, arguments, environment):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="bench-", suffix=".log")
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        notify_path = os.path.join(self.folder.name, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            notify.settimeout(0.2)
            began = time.monotonic()
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                env={**os.environ, **environment, "NOTIFY_SOCKET": notify_path})
            self._wait_ready(notify, began)
        self.memory_kib = self._memory_kib()

    def _wait_ready(self, notify, began):
        while time.monotonic() - began < self.READY_LIMIT:
            try:
                if b"READY=1" in notify.recv(4096):
                    self.ready_ms = (time.monotonic() - began) * 1000
                    return
            except socket.timeout:
                pass
            if self.process.poll() is not None:
                raise Failed(f"{self.name()} ended with {self.process.returncode}:\n{self.log_end()}")
        self.process.kill()
        self.process.wait()
        raise Failed(f"{self.name()} was not ready within {self.READY_LIMIT} s:\n{self.log_end()}")

    def name(self):
        return os.path.basename(self.process.args[0])

    def log_end(self):
        return "\n".join(Path(self.log.name).read_text(errors="replace").splitlines()[-15:])

    def _memory_kib(self):
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
        raise Failed("no Rss in smaps_rollup")

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it as systemd would. Raises Failed when it does not end well or had ended before."""
        try:
            if self.process.poll() is not None:
                raise Failed(f"{self.name()} had ended with {self.process.returncode}:\n{self.log_end()}")
            self.process.terminate()
            try:
                code = self.process.wait(self.STOP_LIMIT)
            except subprocess.TimeoutExpired:
                raise Failed(f"{self.name()} did not stop within {self.STOP_LIMIT} s:\n{self.log_end()}")
            if code != 0:
                raise Failed(f"{self.name()} stopped with {code}:\n{self.log_end()}")
        finally:
            self.abandon()

    def abandon(self):
        """Ends it at once, whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


def run_load(program, arguments, limit):
    """Runs a load and returns its figures."""
    command = [program, *arguments, "--limit", str(limit)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit + 10)
    except subprocess.TimeoutExpired:
        raise Failed("the load did not end: " + " ".join(command))
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or f"{os.path.basename(program)} ended with {done.returncode}")
    return json.loads(done.stdout)
