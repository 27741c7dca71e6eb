"""System calls for each request, counted by strace in runs of their own."""
import http.client
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

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


def measure_system_calls(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    with lab.scene(peer) as scene:
        seen_before = requests_seen(scene)
        strace = Strace(scene.proxy_pids(), lab.folder / "strace.txt")
        try:
            result = run_load(lab, scene, scenario_in(scene, workload))
            time.sleep(0.1)  # The connections close.
            counts = strace.finish()
        finally:
            stop(strace.process)
        requests = requests_seen(scene) - seen_before
        if not requests or not counts:
            raise Failure("strace counted nothing")
        result["figures"] = call_figures(counts, requests)
        result["calls"] = {name: count / requests for name, count in counts.items()}
        return result


def call_figures(counts: dict[str, int], requests: int) -> dict:
    """Calls for each request, and which they mostly are."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:5]
    return {"calls": sum(counts.values()) / requests,
            "most": ", ".join(f"{name} {count / requests:.2f}" for name, count in most)}
