"""The micro benchmarks of mcplb's parts: a program of their own, which prints JSON."""
import json
import subprocess

from .lab import Lab
from .processes import Failure, pinned


def measure_micro(lab: Lab) -> list:
    try:
        program = lab.own_program("mcplb_micro")
        with pinned(set(lab.usable[:1])):
            done = subprocess.run([program, "--json"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=600, check=False)
        return rows_of(json.loads(done.stdout))
    except (Failure, OSError, ValueError, subprocess.TimeoutExpired) as error:
        return [{"name": "not measured", "why": str(error)}]


def rows_of(data) -> list:
    """The list of operations, wherever the program puts it."""
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        return lists[0] if lists else [{"name": name, **value} for name, value in data.items()]
    return data
