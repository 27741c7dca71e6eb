"""What mcplb wants to reach, and whether a result shows that it does."""
from typing import NamedTuple, Optional

from . import stats


class Goal(NamedTuple):
    """`metric` of `peer` in `workload`, as a ratio to `base` where there is one."""

    text: str
    workload: str
    metric: str
    base: Optional[str]
    limit: float
    at_least: bool = False
    peer: str = "mcplb"


class Verdict(NamedTuple):
    goal: Goal
    value: Optional[stats.Figure]

    @property
    def is_met(self) -> Optional[bool]:
        if self.value is None:
            return None
        value = self.value.median
        return value >= self.goal.limit if self.goal.at_least else value <= self.goal.limit

    @property
    def off_percent(self) -> Optional[float]:
        """How far the median is from the limit; below the limit is negative."""
        return None if self.value is None else 100 * (self.value.median / self.goal.limit - 1)


GOALS = [
    Goal("CPU of a small call, × nginx", "small", "cpu_us", "nginx", 0.90),
    Goal("CPU of a small call, × the byte relay", "small", "cpu_us", "relay", 1.15),
    Goal("CPU of a small call, × HAProxy with a stick table", "small", "cpu_us", "haproxy-stick",
         0.85),
    Goal("system calls for each small call", "syscalls", "calls", None, 4.2),
    Goal("p99 at 70 % load, × nginx", "latency", "p99_us", "nginx", 1.1),
    Goal("resident bytes of an idle event stream", "streams", "bytes_per_item", None, 4096),
    Goal("CPU of an event, × nginx", "fanout", "cpu_us_event", "nginx", 0.65),
    Goal("rate of short sessions, × HAProxy with a stick table", "churn", "rate", "haproxy-stick",
         1.15, at_least=True),
    Goal("resident bytes of a known session", "sessions", "bytes_per_item", None, 200),
]


def evaluate(workloads: list[dict]) -> list[Verdict]:
    runs = {workload["name"]: workload["runs"] for workload in workloads}
    return [Verdict(goal, _value(goal, runs.get(goal.workload, []))) for goal in GOALS]


def _value(goal: Goal, runs: list[dict]) -> Optional[stats.Figure]:
    if goal.base:
        return stats.ratio_of(runs, goal.metric, goal.peer, goal.base)
    return stats.of_peer(runs, goal.peer, goal.metric)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def table(verdicts: list[Verdict]) -> list[list[str]]:
    rows = [["goal", "wanted", "median", "least–greatest", ""]]
    for verdict in verdicts:
        goal, value = verdict.goal, verdict.value
        wanted = ("≥ " if goal.at_least else "≤ ") + _number(goal.limit)
        if value is None:
            rows.append([goal.text, wanted, "-", "-", "not measured"])
            continue
        off = verdict.off_percent
        judged = "met" if verdict.is_met else "not met"
        judged += f", {abs(off):.0f} % {'above' if off > 0 else 'below'}"
        rows.append([goal.text, wanted, _number(value.median),
                     f"{_number(value.low)}–{_number(value.high)}", judged])
    return rows
