"""The workloads: files in bench/workloads, each with a scenario for the load generator and what
is measured while it runs. bench/README.md describes the keys."""
import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from .peers import PEERS

FOLDER = Path(__file__).resolve().parents[1] / "workloads"
MEASURES = ("load", "open_load", "memory", "system_calls", "recovery", "micro")


@dataclass(frozen=True)
class Mode:
    name: str
    seconds: float
    warmup: float
    repeats: int


MODES = {
    "quick": Mode("quick", 1.0, 0.3, 1),
    "default": Mode("default", 2.0, 0.5, 3),
    "full": Mode("full", 5.0, 1.0, 7),
}


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    about: str
    measure: str
    order: int
    peers: list[str]
    columns: list[str]
    ratios: list[str]
    repeats: int
    scenario: dict
    options: dict

    @property
    def main(self) -> str:
        """The figure that charts show and ratios are of."""
        return self.columns[0]


def merged(base: dict, over: dict) -> dict:
    """`over` on top of `base`; maps within merge, all else replaces."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def parse(name: str, text: str, mode: Mode) -> Workload:
    data = json.loads(text)
    variants = {key: data.pop(key, {}) for key in MODES}
    data = merged(data, variants[mode.name])
    scenario = data.get("scenario", {})
    scenario.setdefault("seconds", mode.seconds)
    scenario.setdefault("warmup_seconds", mode.warmup)
    workload = Workload(
        name=name, title=data["title"], about=data["about"], measure=data["measure"],
        order=data["order"], peers=data["peers"], columns=data["columns"],
        ratios=data.get("ratios", []), repeats=data.get("repeats", mode.repeats),
        scenario=scenario, options=data.get("options", {}))
    unknown = [peer for peer in workload.peers if peer not in PEERS]
    if unknown or workload.measure not in MEASURES:
        raise ValueError(f"{name}: unknown {unknown or workload.measure}")
    return workload


def load_all(mode: Mode, wanted: Optional[list[str]] = None) -> list[Workload]:
    """In order. Some have no repeats in this mode: they are run only when they are named."""
    found = [parse(path.stem, path.read_text(encoding="utf-8"), mode)
             for path in FOLDER.glob("*.json")]
    if wanted:
        found = [replace(workload, repeats=max(1, workload.repeats))
                 for workload in found if workload.name in wanted]
    return sorted((workload for workload in found if workload.repeats), key=lambda w: w.order)


def scenario_for(workload: Workload, url: str, emit_urls: list[str]) -> dict:
    """The scenario with the addresses of this run."""
    scenario = merged(workload.scenario, {"url": url})
    if scenario.get("streams", {}).get("emit_every_ms"):
        scenario["streams"]["emit_urls"] = emit_urls
    return scenario
