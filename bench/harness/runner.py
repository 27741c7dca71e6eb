"""Runs the workloads: interleaved, with progress, collecting the result."""
import http.client
import json
import sys
import time
from dataclasses import dataclass
from typing import Callable, NamedTuple

from . import measure, micro, recovery, tracing
from .lab import Lab
from .peers import PEERS
from .processes import Failure
from .workloads import Workload

MEASURES: dict[str, Callable] = {
    "load": measure.measure_load,
    "open_load": measure.measure_open_load,
    "memory": measure.measure_memory,
    "system_calls": tracing.measure_system_calls,
    "recovery": recovery.measure_recovery,
}
START_SECONDS = 0.8  # Starting and ending what one measurement needs, roughly.


class Job(NamedTuple):
    workload: Workload
    peer: str
    repeat: int


def jobs_of(workload: Workload, peer_names: list[str]) -> list[Job]:
    """Interleaved: every repeat visits all peers, so that what changes on the machine in the
    course of time meets all of them alike."""
    return [Job(workload, peer, repeat)
            for repeat in range(1, workload.repeats + 1) for peer in peer_names]


def expected_seconds(job: Job) -> float:
    scenario = job.workload.scenario
    seconds = scenario["seconds"] + scenario["warmup_seconds"] + START_SECONDS
    items = scenario.get("streams", {}).get("count", 0) + scenario.get("sessions", 0)
    return seconds + items / 8000


@dataclass
class Progress:
    """What is left, from what was expected and how far that was off until now."""

    left: float
    expected: float = 0.0
    taken: float = 0.0

    def done(self, expected: float, taken: float) -> None:
        self.left -= expected
        self.expected += expected
        self.taken += taken

    def remaining(self) -> float:
        return max(0.0, self.left) * (self.taken / self.expected if self.expected else 1.0)


def text_of_time(seconds: float) -> str:
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Runner:
    """`peers_of` names the peers of a workload that can be measured here."""

    def __init__(self, lab: Lab, workloads: list[Workload], peers_of: Callable):
        self.lab = lab
        self.plan = [(workload, jobs_of(workload, peers_of(workload))) for workload in workloads]
        self.jobs = [job for _, jobs in self.plan for job in jobs]
        self.progress = Progress(sum(expected_seconds(job) for job in self.jobs))
        self.number = 0
        self.results: list[dict] = []

    def run(self) -> None:
        """Fills `results`, an entry for each workload, so that an interrupt keeps what is there."""
        say(f"{len(self.jobs)} measurements, about {text_of_time(self.progress.left)}")
        for workload, jobs in self.plan:
            entry = {"name": workload.name, "runs": [], "left_out": []}
            if workload.measure == "micro":
                entry["micro"] = micro.measure_micro(self.lab)
            elif not jobs:
                continue
            self.results.append(entry)
            state: dict = {}
            for job in jobs:
                self._run_job(job, state, entry)
            if "rate" in state:
                entry["rate"] = state["rate"]

    def _run_job(self, job: Job, state: dict, entry: dict) -> None:
        self.number += 1
        start = time.monotonic()
        name = f"[{self.number}/{len(self.jobs)}] {job.workload.name}: {job.peer}"
        try:
            measured = MEASURES[job.workload.measure](
                self.lab, job.workload, PEERS[job.peer], state)
        except (Failure, OSError, http.client.HTTPException) as failure:
            entry["left_out"].append({"peer": job.peer, "repeat": job.repeat, "why": str(failure)})
            say(f"{name}: {failure}")
            measured = None
        self.progress.done(expected_seconds(job), time.monotonic() - start)
        if measured:
            entry["runs"].append({"peer": job.peer, "repeat": job.repeat, **measured})
            say(f"{name} ({job.repeat} of {job.workload.repeats}): "
                f"{summary_of(job.workload, measured)}{self._left()}")

    def _left(self) -> str:
        if self.number == len(self.jobs):
            return ""
        return f" - about {text_of_time(self.progress.remaining())} left"


def summary_of(workload: Workload, measured: dict) -> str:
    shown = [(name, measured["figures"].get(name)) for name in workload.columns[:3]]
    text = ", ".join(f"{name} {value:.4g}" for name, value in shown
                     if isinstance(value, (int, float)))
    if measured["failures"]:
        text += f", FAILURES {json.dumps(measured['failures'])}"
    return text


