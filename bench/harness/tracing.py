"""System calls for each request, counted by strace in runs of their own."""
import http.client
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Optional

from .lab import Lab, Scene
from .measure import run_load, scenario_in
from .peers import Peer
from .processes import Failure, stop
from .workloads import Workload


def parse_counts(text: str) -> dict[str, int]:
    """Calls by name, from the table that `strace -c` prints."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_]\w*)\s*$", line)
        if match and match[2] != "total":
            counts[match[2]] = counts.get(match[2], 0) + int(match[1])
    return counts


class Strace:
    """strace that is attached to a process tree."""

    def __init__(self, pids: list[int], output: Path):
        program = shutil.which("strace")
        if not program:
            raise Failure("strace is not installed")
        self.output = output
        command = [program, "-c", "-f", "-o", str(output)]
        for pid in pids:
            command += ["-p", str(pid)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self._await_attached(len(pids))

    def _await_attached(self, count: int) -> None:
        for line in self.process.stderr:
            count -= "attached" in line
            if count <= 0:
                return
        raise Failure("strace could not attach (it needs the right to trace processes)")

    def finish(self) -> dict[str, int]:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        finally:
            stop(self.process)
        return parse_counts(self.output.read_text(encoding="utf-8"))


def requests_seen(scene: Scene) -> int:
    """How many requests the backends got, in all."""
    total = 0
    for address in scene.backend_addresses:
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/bench/stats")
            total += json.loads(connection.getresponse().read())["requests"]
        finally:
            connection.close()
    return total


class Seen(NamedTuple):
    """How many requests the backends had got at a time in seconds."""

    time: float
    requests: int


class Counter:
    """Traces from the beginning of measuring to its end: connections and sessions are open."""

    def __init__(self, scene: Scene, output: Path):
        self.scene = scene
        self.output = output
        self.strace: Optional[Strace] = None
        self.attached = 0.0
        self.seen: list[Seen] = []
        self.counts: dict[str, int] = {}

    def begin(self) -> None:
        self.strace = Strace(self.scene.proxy_pids(), self.output)
        self.attached = time.monotonic()
        self._look()

    def end(self) -> None:
        self._look()
        self.counts = self.strace.finish()

    def _look(self) -> None:
        requests = requests_seen(self.scene)
        self.seen.append(Seen(time.monotonic(), requests))

    def stop(self) -> None:
        if self.strace:
            stop(self.strace.process)


def traced_requests(attached: float, first: Seen, last: Seen) -> float:
    """Between the two looks requests are counted. What came between the beginning of the tracing
    and the first look came at the same rate; it has to be little."""
    requests = last.requests - first.requests
    share = (first.time - attached) / max(1e-9, last.time - first.time)
    if share > 0.1 or requests < 100:
        raise Failure(f"the machine is too busy to count exactly: {requests} requests were seen")
    return requests * (1 + share)


def measure_system_calls(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    with lab.scene(peer) as scene:
        counter = Counter(scene, lab.folder / "strace.txt")
        try:
            result = run_load(lab, scene, scenario_in(scene, workload), counter.begin, counter.end)
        finally:
            counter.stop()
        requests = traced_requests(counter.attached, *counter.seen)
        result["figures"] = call_figures(counter.counts, requests)
        result["calls"] = {name: count / requests for name, count in counter.counts.items()}
        return result


def call_figures(counts: dict[str, int], requests: float) -> dict:
    """Calls for each request, and which they mostly are."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:5]
    return {"calls": sum(counts.values()) / requests,
            "most": ", ".join(f"{name} {count / requests:.2f}" for name, count in most)}
