"""What a result has to say about where it came from: machine, versions, commit; and which
processor cores serve what."""
import datetime
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from .peers import KINDS, find_program

ROOT = Path(__file__).resolve().parents[2]


class Cores(NamedTuple):
    """Where each part of a measurement runs. Empty: wherever the system likes."""

    proxy: set
    load: set
    backends: set


def plan_cores(usable: list[int], workers: int) -> Cores:
    """The proxy gets cores of its own where there are enough. With two cores, one is the proxy's
    and the other one is shared by the load and the backends; a proxy with two workers then shares
    both with all."""
    if len(usable) <= workers:
        return Cores(set(usable), set(usable), set(usable))
    proxy, rest = usable[:workers], usable[workers:]
    if len(rest) == 1:
        return Cores(set(proxy), set(rest), set(rest))
    return Cores(set(proxy), set(rest[:1]), set(rest[1:]))


def first_line_with(text: str, *words: str) -> str:
    """The line that names a version: some programs print other things before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if any(word in line.lower() for word in words)]
    return (named or lines or [""])[0]


def output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def versions(kinds: list[str], build: Path) -> dict[str, str]:
    found = {}
    for name in kinds:
        kind = KINDS[name]
        program = find_program(kind, build)
        if program and kind.version:
            line = first_line_with(output_of([program, *kind.version]), "version")
            found[name] = re.sub(r"^nginx version: | [-+]? ?https?://\S+$", "", line)
    return found


def _file_value(path: str, key: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else ""


def describe() -> dict:
    memory_kb = _file_value("/proc/meminfo", "MemTotal").split()
    return {
        "processor": _file_value("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in _file_value("/proc/cpuinfo", "flags").split(),
        "memory_gb": round(int(memory_kb[0]) / 1e6, 1) if memory_kb else None,
        "kernel": platform.release(),
        "system": output_of(["sh", "-c", ". /etc/os-release && echo $PRETTY_NAME"]).strip(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def build_of(folder: Path) -> dict:
    """How a build folder was configured, as meson tells."""
    try:
        text = (folder / "meson-info" / "intro-buildoptions.json").read_text(encoding="utf-8")
        log = (folder / "meson-logs" / "meson-log.txt").read_text(encoding="utf-8")
    except OSError:
        return {}
    wanted = ("buildtype", "optimization", "b_lto", "b_sanitize", "b_ndebug")
    found = {option["name"]: option["value"] for option in json.loads(text)
             if option["name"] in wanted}
    compiler = re.search(r'C\+\+ compiler for the host machine: .*\(.*?"(.*)"\)', log)
    return {"compiler": compiler[1] if compiler else "unknown", **found}


def commit() -> dict:
    head = output_of(["git", "-C", str(ROOT), "rev-parse", "HEAD"]).strip()
    changed = output_of(["git", "-C", str(ROOT), "status", "--porcelain", "-uno"]).strip()
    return {"id": head, "changed": bool(changed)}


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
