"""Medians with their spread, and ratios between peers. Pure functions."""
from statistics import median
from typing import Iterable, NamedTuple, Optional


class Figure(NamedTuple):
    """A figure from several runs: the median, and the least and the greatest."""

    median: float
    low: float
    high: float
    count: int


def figure(values: Iterable[Optional[float]]) -> Optional[Figure]:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Figure(median(known), min(known), max(known), len(known))


def ratios(ours: dict[int, float], theirs: dict[int, float]) -> list[float]:
    """One ratio for each repeat that both have: what disturbs the machine for a while disturbs
    neighbours in time alike, so ratios of neighbours vary less than the figures."""
    return [ours[key] / theirs[key] for key in sorted(ours) if theirs.get(key)]


def by_repeat(runs: list[dict], peer: str, metric: str) -> dict[int, float]:
    """The figures of one peer in a workload's runs, by the number of the repeat."""
    return {
        run["repeat"]: run["figures"][metric]
        for run in runs
        if run["peer"] == peer and run["figures"].get(metric) is not None
    }


def of_peer(runs: list[dict], peer: str, metric: str) -> Optional[Figure]:
    return figure(by_repeat(runs, peer, metric).values())


def ratio_of(runs: list[dict], metric: str, peer: str, base: str) -> Optional[Figure]:
    return figure(ratios(by_repeat(runs, peer, metric), by_repeat(runs, base, metric)))
