"""A backend is killed under load: for how long calls fail, and what becomes of its sessions. The
load generator does what clients of MCP do: when its session is unknown (404) it opens a new one."""
import threading
import time
from typing import Optional

from .lab import Lab, Scene
from .measure import run_load, scenario_in
from .peers import Peer
from .workloads import Workload


def failing_ms(timeline: dict, killed_after_ms: float) -> float:
    """From the kill until the end of the last step in which a call failed."""
    step = timeline["step_ms"]
    failing = [number for number, failed in enumerate(timeline["failed"]) if failed]
    return max(0.0, (failing[-1] + 1) * step - killed_after_ms) if failing else 0.0


def lowest_percent(timeline: dict, killed_after_ms: float) -> Optional[float]:
    """The least that was answered in a second after the kill, in percent of a second before."""
    steps = 1000 // timeline["step_ms"]
    first = int(killed_after_ms // timeline["step_ms"])
    answered = timeline["ok"]
    before = sum(answered[max(0, first - steps):first]) * steps / max(1, min(first, steps))
    after = [sum(answered[at:at + steps]) for at in range(first, len(answered) - steps + 1)]
    return 100 * min(after) / before if before and after else None


class Kill:
    """Kills a backend a while after it was begun, and notes when."""

    def __init__(self, scene: Scene, seconds: float):
        self.scene = scene
        self.began = 0.0
        self.after_ms: Optional[float] = None
        self.timer = threading.Timer(seconds, self._kill)

    def begin(self) -> None:
        self.began = time.monotonic()
        self.timer.start()

    def _kill(self) -> None:
        self.after_ms = 1000 * (time.monotonic() - self.began)
        self.scene.backends[1].kill()


def measure_recovery(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    with lab.scene(peer) as scene:
        kill = Kill(scene, workload.options["kill_after"])
        try:
            result = run_load(lab, scene, scenario_in(scene, workload), kill.begin)
        finally:
            kill.timer.cancel()
        timeline = result["report"]["timeline"]
        result["killed_after_ms"] = kill.after_ms
        result["figures"]["failing_ms"] = failing_ms(timeline, kill.after_ms)
        result["figures"]["lowest_percent"] = lowest_percent(timeline, kill.after_ms)
        return result
