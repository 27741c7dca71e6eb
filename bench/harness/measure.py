"""One measurement: a scene, a run of the load generator, and what /proc tells meanwhile."""
import os
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

from . import procfs
from .lab import Lab, Scene
from .load import Load
from .peers import PEERS, Peer
from .processes import Failure
from .workloads import Workload, merged, scenario_for


STREAM_FAILURES = {"broken": "broken stream", "failed": "refused stream", "wrong": "wrong event"}


@dataclass
class Snapshot:
    """CPU times at one moment, in nanoseconds."""

    time_ns: int
    proxy: procfs.Cpu
    backends: int
    load: int
    own: int
    machine: int
    steal: int


class Watch:
    """Takes the snapshots at both ends of the measuring, and memory at the second one."""

    def __init__(self, scene: Scene, load: Load):
        self.scene = scene
        self.load = load
        self.before: Optional[Snapshot] = None
        self.after: Optional[Snapshot] = None
        self.memory: Optional[procfs.Memory] = None

    def begin(self) -> None:
        self.proxy_pids = self.scene.proxy_pids()
        self.backend_pids = self.scene.backend_pids()
        self.before = self._snapshot()

    def end(self) -> None:
        self.after = self._snapshot()
        if self.proxy_pids:
            self.memory = procfs.memory_of(self.proxy_pids)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            time_ns=time.monotonic_ns(),
            proxy=procfs.cpu_of(self.proxy_pids),
            backends=procfs.cpu_of(self.backend_pids).total,
            load=procfs.cpu_of([self.load.pid]).total,
            own=procfs.cpu_of([os.getpid()]).total,
            machine=procfs.machine_busy_ns(),
            steal=procfs.steal_ns())


def cpu_figures(before: Snapshot, after: Snapshot, done: tuple[int, int], workers: int) -> dict:
    """Times for each request or event of those done in microseconds; shares of one core in
    percent."""
    requests, events = done
    spent = {name: getattr(after, name) - getattr(before, name)
             for name in ("time_ns", "backends", "load", "own", "machine", "steal")}
    spent["proxy"] = after.proxy.total - before.proxy.total
    ours = spent["proxy"] + spent["backends"] + spent["load"] + spent["own"]
    elapsed = max(1, spent["time_ns"])
    figures = {f"{name}_busy_percent": 100 * spent[name] / elapsed
               for name in ("proxy", "backends", "load")}
    others = spent["machine"] + spent["steal"] - ours
    figures["others_busy_percent"] = max(0.0, 100 * others / elapsed)
    if requests:
        figures["cpu_us"] = spent["proxy"] / 1000 / requests
        figures["backends_cpu_us"] = spent["backends"] / 1000 / requests
        figures["load_cpu_us"] = spent["load"] / 1000 / requests
    if events:
        figures["cpu_us_event"] = spent["proxy"] / 1000 / events
    if workers > 1:
        figures["imbalance"] = imbalance(before.proxy.by_thread, after.proxy.by_thread, workers)
    return figures


def imbalance(before: dict[int, int], after: dict[int, int], workers: int) -> Optional[float]:
    """CPU time of the busiest worker over the mean; the workers are the busiest threads."""
    spent = sorted((after[thread] - before.get(thread, 0) for thread in after), reverse=True)
    spent = spent[:workers]
    return max(spent) * len(spent) / sum(spent) if sum(spent) else None


def count_failures(report: dict) -> dict[str, int]:
    """What went wrong, by what it was."""
    failures = {name: n for name, n in report.get("failures", {}).items() if n}
    streams = report.get("streams") or {}
    for name, text in STREAM_FAILURES.items():
        if streams.get(name):
            failures[text] = streams[name]
    lost_events = streams.get("expected", 0) - streams.get("events", 0)
    if lost_events > 0:
        failures["missing event"] = lost_events
    return failures


def report_figures(report: dict, failures: dict[str, int]) -> dict:
    latency = report.get("latency_us") or {}
    streams = report.get("streams") or {}
    sessions = report.get("sessions") or {}
    event_latency = streams.get("event_latency_us") or {}
    figures = {"rate": report.get("rate"), "failed_calls": sum(failures.values()),
               "late_ms": report.get("late"), "sessions_moved": sessions.get("moved"),
               "sessions_lost": sessions.get("lost")}
    for prefix, times in (("", latency), ("event_", event_latency)):
        for name in ("p50", "p90", "p99", "p999", "max") if times.get("count", 1) else ():
            figures[f"{prefix}{name}_us"] = times.get(name)
    if report.get("requests"):
        figures["failed_percent"] = 100 * figures["failed_calls"] / report["requests"]
    if report.get("seconds"):
        figures["events_rate"] = streams.get("events", 0) / report["seconds"]
    return figures


def nothing() -> None:
    pass


def run_load(lab: Lab, scene: Scene, scenario: dict, at_begin: Callable = nothing,
             at_end: Callable = nothing) -> dict:
    """Runs the scenario; the hooks are called when measuring begins and when it has ended."""
    load = Load(lab.own_program("mcplb_load"), lab.folder, scene.cores.load)
    watch = Watch(scene, load)

    def begin() -> None:
        watch.begin()
        at_begin()

    def end() -> None:
        watch.end()
        at_end()

    report = load.run(scenario, begin, end)
    failures = count_failures(report)
    figures = report_figures(report, failures)
    events = (report.get("streams") or {}).get("events", 0)
    done = report.get("completed", report.get("requests", 0))
    figures.update(cpu_figures(watch.before, watch.after, (done, events), scene.peer.workers))
    if watch.memory:
        figures["rss_mb"] = watch.memory.rss / 1e6
        figures["pss_mb"] = watch.memory.pss / 1e6
    if not scene.proxy:
        for name in ("cpu_us", "cpu_us_event", "proxy_busy_percent"):
            figures.pop(name, None)
    return {"figures": figures, "failures": failures, "report": report}


def scenario_in(scene: Scene, workload: Workload) -> dict:
    """The workload's scenario with the addresses of this scene. A peer that does not keep sessions
    has a session answered by several backends, which do not mind: that is no failure."""
    urls = [f"http://{address}/bench/emit" for address in scene.backend_addresses]
    scenario = scenario_for(workload, scene.url, urls)
    if scene.any_session:
        scenario["allow_moves"] = True
    return scenario


def run_and_require(lab: Lab, scene: Scene, scenario: dict) -> dict:
    """Without any answer there is no figure to show."""
    result = run_load(lab, scene, scenario)
    report = result["report"]
    if not report.get("requests") and not (report.get("streams") or {}).get("events"):
        raise Failure("no call was answered in time")
    return result


def measure_load(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    with lab.scene(peer, bool(workload.options.get("strict"))) as scene:
        return run_and_require(lab, scene, scenario_in(scene, workload))


def measure_open_load(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    """The same rate for all peers, found once for the workload."""
    if "rate" not in state:
        state["rate"] = calibrated_rate(lab, workload)
    with lab.scene(peer) as scene:
        scenario = scenario_in(scene, workload)
        return run_and_require(lab, scene, merged(scenario, {"rate": state["rate"]}))


def calibrated_rate(lab: Lab, workload: Workload) -> float:
    rates = []
    for name in workload.options["calibrate"]:
        with lab.scene(PEERS[name]) as scene:
            scenario = merged(scenario_in(scene, workload), {
                "mode": "closed", "seconds": workload.options["calibrate_seconds"]})
            rates.append(run_and_require(lab, scene, scenario)["report"]["rate"])
    return round(workload.options["share"] * min(rates))


def measure_memory(lab: Lab, workload: Workload, peer: Peer, state: dict) -> dict:
    """Growth of the proxy by streams or sessions that are there and do nothing. Before, some
    calls make it allocate what it needs once."""
    with lab.scene(peer) as scene:
        scenario = scenario_in(scene, workload)
        warm_up = {"url": scene.url, "era": "legacy", "mode": "closed", "connections": 64,
                   "sessions": 64, "warmup_seconds": 0.2, "seconds": 0.3,
                   "allow_moves": scene.any_session, "mix": [{"tool": "small", "weight": 1}]}
        run_load(lab, scene, warm_up)
        before = procfs.memory_of(scene.proxy_pids())
        seen = []
        timer = threading.Timer(scenario["seconds"] * 0.7, lambda: seen.append(
            procfs.memory_of(scene.proxy_pids())))
        result = run_load(lab, scene, scenario, timer.start)
        timer.join()
        result["figures"].update(growth(before, seen[0], items_of(workload, result["report"])))
        return result


def items_of(workload: Workload, report: dict) -> int:
    """How many there were in fact."""
    if workload.options["per"] == "streams":
        return report["streams"]["open"]
    return report["sessions"]["opened"]


def growth(before: procfs.Memory, after: procfs.Memory, items: int) -> dict:
    if not items:
        raise Failure("the load generator opened none")
    return {"bytes_per_item": (after.rss - before.rss) / items,
            "pss_bytes_per_item": (after.pss - before.pss) / items, "items": items}
