"""Starting and ending programs. Only what was started here is ever ended."""
import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

from . import procfs

PORTS = range(20000, 32000)  # Below the ports that Linux gives to outgoing connections.


class Failure(Exception):
    """Something that a run needs did not come about; the message is for the user."""


class Program:
    """A started program with its log. It leads a process group of its own, so that an interrupt
    from the terminal reaches the harness alone, which then ends its programs in order."""

    def __init__(self, name: str, command: list[str], folder: Path, cores: Optional[set] = None,
                 environment: Optional[dict] = None):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log, pinned(cores):
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    def pids(self) -> list[int]:
        return procfs.process_tree(self.process.pid)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def log_tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-1500:]

    def kill(self) -> None:
        signal_group(self.process, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        stop(self.process)


@contextmanager
def pinned(cores: Optional[set]) -> Iterator[None]:
    """What is started inside runs on these cores: a child inherits where its parent may run."""
    before = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def signal_group(process: subprocess.Popen, number: int) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def stop(process: subprocess.Popen, patience: float = 2.0) -> None:
    signal_group(process, signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()


class Ports:
    """Ports that nobody listens on, each given out once in a while: what lingers of the last
    program is not met by the next one."""

    def __init__(self) -> None:
        self._next = os.getpid() * 7 % len(PORTS)

    def take(self) -> int:
        for _ in PORTS:
            port = PORTS[self._next]
            self._next = (self._next + 1) % len(PORTS)
            if _is_free(port):
                return port
        raise Failure(f"no free port on 127.0.0.1 between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def await_port(program: Program, port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if not program.is_running():
            raise Failure(f"{program.name} ended at once:\n{program.log_tail()}")
        time.sleep(0.02)
    raise Failure(f"{program.name} does not listen on port {port}:\n{program.log_tail()}")


def raise_file_limit() -> int:
    """As many open files as this user may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
