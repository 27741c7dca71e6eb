"""A backend is killed under load: how long until every client is served again.

Some clients of the harness' own call in turn. They do what clients of MCP do: when their session
is unknown (404) they open a new one; after any other failure they try again.
"""
import http.client
import threading
import time
from dataclasses import dataclass
from typing import Optional

from .lab import INITIALIZE, Lab, Scene, post
from .measure import run_load, scenario_in
from .peers import Peer
from .workloads import Workload

CLIENTS = 12
PAUSE = 0.04
TIMEOUT = 1.0
MODERN = "2026-07-28"


def small_call(era: str, session: str) -> tuple[dict, dict]:
    """A tool call as message and headers."""
    params: dict = {"name": "small", "arguments": {"tag": "recovery"}}
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    if era == "modern":
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "small"}
        prefix = "io.modelcontextprotocol/"
        params["_meta"] = {f"{prefix}protocolVersion": MODERN, f"{prefix}clientCapabilities": {},
                           f"{prefix}clientInfo": {"name": "bench", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers


@dataclass
class Client:
    era: str
    address: str
    session: str = ""
    reopened: int = 0
    failed: int = 0
    last_failure: Optional[float] = None
    served_again: Optional[float] = None

    def open(self) -> bool:
        status, headers, _ = post(self.address, INITIALIZE, timeout=TIMEOUT)
        self.session = headers.get("mcp-session-id", "")
        return status == 200

    def call(self) -> None:
        began = time.monotonic()
        if self._try():
            self.served_again = self.served_again or time.monotonic()
        else:
            self.failed += 1
            self.last_failure = began
            self.served_again = None

    def _try(self) -> bool:
        try:
            message, headers = small_call(self.era, self.session)
            status, _, _ = post(self.address, message, headers, timeout=TIMEOUT)
            if status == 404 and self.era == "legacy":
                self.reopened += 1
                self.open()
            return status == 200
        except (OSError, http.client.HTTPException):
            return False


class Prober(threading.Thread):
    """Calls on behalf of one client, until it is told to end. Before the kill nothing counts."""

    def __init__(self, client: Client):
        super().__init__(daemon=True)
        self.client = client
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(PAUSE):
            self.client.call()


def recovery_ms(clients: list[Client], killed: float, ended: float) -> float:
    """From the kill until the slowest client was served again. A client that never was counts
    until the end."""
    times = [0.0]
    for client in clients:
        if client.last_failure is not None and client.last_failure >= killed:
            times.append((client.served_again or ended) - killed)
    return 1000 * max(times)


def failing_ms(timeline: Optional[dict], options: dict) -> Optional[float]:
    """From the kill until the end of the last step in which a call of the load failed."""
    if not timeline:
        return None
    step = timeline["step_ms"]
    failing = [number for number, failed in enumerate(timeline["failed"]) if failed]
    return max(0.0, (failing[-1] + 1) * step - 1000 * options["kill_after"]) if failing else 0.0


class Kill:
    """Kills a backend a while after it was started, and notes when."""

    def __init__(self, scene: Scene, after: float):
        self.scene = scene
        self.at: Optional[float] = None
        self.timer = threading.Timer(after, self._kill)

    def _kill(self) -> None:
        self.at = time.monotonic()
        self.scene.backends[1].kill()


def measure_recovery(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    with lab.scene(peer) as scene:
        scenario = scenario_in(scene, workload)
        clients = [Client(scenario["era"], scene.address) for _ in range(CLIENTS)]
        for client in clients:
            client.open()
        probers = [Prober(client) for client in clients]
        kill = Kill(scene, workload.options["kill_after"])

        def begin() -> None:
            for prober in probers:
                prober.start()
            kill.timer.start()

        try:
            result = run_load(lab, scene, scenario, begin)
        finally:
            kill.timer.cancel()
            for prober in probers:
                prober.ending.set()
        ended = time.monotonic()
        for prober in probers:
            if prober.is_alive():
                prober.join()
        result["figures"].update(
            failing_ms=failing_ms(result["report"].get("timeline"), workload.options),
            recovery_ms=recovery_ms(clients, kill.at or ended, ended),
            probe_failures=sum(client.failed for client in clients),
            reopened=sum(client.reopened for client in clients))
        return result
