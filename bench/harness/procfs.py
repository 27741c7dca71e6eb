"""What /proc tells about processes and the machine: CPU time, memory, who else is busy."""
import os
from pathlib import Path
from typing import NamedTuple

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Cpu(NamedTuple):
    """CPU time of a process tree since it began, in nanoseconds."""

    total: int
    by_thread: dict[int, int]


class Memory(NamedTuple):
    """Memory of a process tree, in bytes. PSS counts shared pages once among their sharers."""

    rss: int
    pss: int


def _fields(text: str) -> list[str]:
    """The fields of a stat file from the third on: the name before may hold spaces."""
    return text[text.rindex(")") + 2 :].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # It ended meanwhile.


def parents() -> dict[int, int]:
    """Every process with its parent."""
    found = {}
    for name in os.listdir("/proc"):
        text = _read(f"/proc/{name}/stat") if name.isdigit() else ""
        if text:
            found[int(name)] = int(_fields(text)[1])
    return found


def tree(root: int, parent_of: dict[int, int]) -> list[int]:
    """A process and all its descendants."""
    members = [root]
    for member in members:
        members += [pid for pid, parent in parent_of.items() if parent == member]
    return members


def process_tree(root: int) -> list[int]:
    return tree(root, parents())


def ticks_of(stat: str) -> int:
    """User and system time from the text of a stat file, in nanoseconds."""
    fields = _fields(stat)
    return (int(fields[11]) + int(fields[12])) * TICK_NS


def cpu_of(pids: list[int]) -> Cpu:
    """User and system time. /proc/PID/stat counts ticks of 10 ms and includes threads that ended;
    schedstat counts nanoseconds of those that live: it is taken unless threads ended."""
    total = 0
    by_thread = {}
    for pid in pids:
        stat = _read(f"/proc/{pid}/stat")
        coarse = ticks_of(stat) if stat else 0
        threads = _threads(pid)
        by_thread.update(threads)
        fine = sum(threads.values())
        total += fine if fine + 2 * TICK_NS * max(1, len(threads)) >= coarse else coarse
    return Cpu(total, by_thread)


def _threads(pid: int) -> dict[int, int]:
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return {}
    found = {}
    for name in names:
        text = _read(f"/proc/{pid}/task/{name}/schedstat")
        if text:
            found[int(name)] = int(text.split()[0])
    return found


def memory_of(pids: list[int]) -> Memory:
    rss = pss = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            key, _, value = line.partition(":")
            if key == "Rss":
                rss += int(value.split()[0]) * 1024
            elif key == "Pss":
                pss += int(value.split()[0]) * 1024
    return Memory(rss, pss)


def busy_ns(stat: str) -> int:
    """Time that all processors together spent in processes, from the text of /proc/stat."""
    user, nice, system = (int(field) for field in stat.split("\n", 1)[0].split()[1:4])
    return (user + nice + system) * TICK_NS


def machine_busy_ns() -> int:
    return busy_ns(_read("/proc/stat"))


def steal_ns() -> int:
    """Time that the machine was ready to run and its host did not let it."""
    fields = _read("/proc/stat").split("\n", 1)[0].split()
    return int(fields[8]) * TICK_NS if len(fields) > 8 else 0
