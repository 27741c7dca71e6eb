"""Starts what a measurement needs on loopback: backends, a peer in front of them, Redis."""
import http.client
import json
import re
import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

from . import peers
from .machine import Cores, plan_cores
from .peers import KINDS, Peer
from .processes import Failure, Ports, Program, await_port

BACKENDS = ("a", "b", "c")
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {},
               "clientInfo": {"name": "bench", "version": "1"}},
}


@dataclass
class Scene:
    """All that runs during one measurement. `proxy` is None when clients ask a backend directly."""

    peer: Peer
    address: str
    proxy: Optional[Program]
    backends: list[Program]
    backend_addresses: list[str]
    cores: Cores
    any_session: bool  # Backends accept sessions that they did not open.

    @property
    def url(self) -> str:
        return f"http://{self.address}/mcp"

    def proxy_pids(self) -> list[int]:
        return self.proxy.pids() if self.proxy else []

    def backend_pids(self) -> list[int]:
        return [pid for backend in self.backends if backend.is_running() for pid in backend.pids()]


class Lab:
    """`usable`: the cores to use; none: nothing is pinned. `files`: how many a process may open."""

    def __init__(self, build: Path, folder: Path, usable: list[int], files: int):
        self.build = build
        self.folder = folder
        self.usable = usable
        self.files = files
        self.ports = Ports()

    def program(self, kind_name: str) -> str:
        program = peers.find_program(KINDS[kind_name], self.build)
        if not program:
            raise Failure(f"{KINDS[kind_name].program} is not installed")
        return program

    def own_program(self, name: str) -> str:
        for place in (self.build / name, self.build / "bench" / name):
            if place.is_file():
                return str(place)
        raise Failure(f"{name} is not in {self.build}")

    def check(self) -> None:
        """Without these there is nothing to measure with."""
        for name in ("mcplb_load", "mcplb_bench_backend"):
            self.own_program(name)

    @contextmanager
    def scene(self, peer: Peer, strict: bool = False) -> Iterator[Scene]:
        """Everything started fresh for one measurement, and ended after it. `strict`: backends
        refuse sessions that they did not open even if this peer sends those to them."""
        cores = plan_cores(self.usable, peer.workers) if self.usable else Cores(set(), set(), set())
        with ExitStack() as stack:
            any_session = not peer.keeps_sessions and not strict
            backends = [self._backend(stack, name, any_session, cores) for name in BACKENDS]
            addresses = [_listening_address(backend) for backend in backends]
            address, proxy = addresses[0], None
            if peer.kind != "direct":
                address, proxy = self._proxy(stack, peer, addresses, cores)
            scene = Scene(peer, address, proxy, backends, addresses, cores, any_session)
            await_answer(scene)
            yield scene

    def _start(self, stack: ExitStack, *arguments, **options) -> Program:
        program = Program(*arguments, **options)
        stack.callback(program.stop)
        return program

    def _backend(self, stack: ExitStack, name: str, any_session: bool, cores: Cores) -> Program:
        command = [self.own_program("mcplb_bench_backend"), "--listen", "127.0.0.1:0",
                   "--name", name] + (["--any-session"] if any_session else [])
        return self._start(stack, f"backend-{name}", command, self.folder, cores.backends)

    def _redis(self, stack: ExitStack, cores: Cores) -> int:
        program = shutil.which("redis-server")
        if not program:
            raise Failure("redis-server is not installed")
        port = self.ports.take()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                   "--appendonly", "no", "--dir", str(self.folder)]
        await_port(self._start(stack, "redis", command, self.folder, cores.backends), port)
        return port

    def _proxy(self, stack: ExitStack, peer: Peer, addresses: list[str], cores: Cores
               ) -> tuple[str, Program]:
        kind = KINDS[peer.kind]
        port = self.ports.take()
        values = peers.values_for(peer, addresses, self.files)
        values.update(PORT=port, FOLDER=self.folder, FILE=self.folder / f"{peer.name}.conf")
        if "@REDIS_PORT@" in peer.options.get("STORE", ""):
            values["REDIS_PORT"] = self._redis(stack, cores)
        if kind.template:
            values["FILE"].write_text(peers.configuration(peer, values), encoding="utf-8")
        environment = {k: peers.fill(v, values) for k, v in kind.environment.items()}
        command = peers.command(peer, self.program(peer.kind), values)
        proxy = self._start(stack, peer.name, command, self.folder, cores.proxy,
                            environment=environment)
        await_port(proxy, port)
        return f"127.0.0.1:{port}", proxy


def _listening_address(backend: Program, seconds: float = 5.0) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        match = re.search(r"listening address=(\S+)", backend.log_tail())
        if match:
            return match[1]
        if not backend.is_running():
            break
        time.sleep(0.01)
    raise Failure(f"{backend.name} does not say where it listens:\n{backend.log_tail()}")


def post(address: str, message: dict, headers: Optional[dict] = None, timeout: float = 5.0
         ) -> tuple[int, dict, bytes]:
    """One request on a connection of its own: status, headers with lower-case names, body."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("POST", "/mcp", json.dumps(message), {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream", **(headers or {})})
        reply = connection.getresponse()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def await_answer(scene: Scene, seconds: float = 10.0) -> None:
    """A proxy that listens may still be finding out which backends are well."""
    deadline = time.monotonic() + seconds
    seen = "nothing"
    while time.monotonic() < deadline:
        try:
            status, _, body = post(scene.address, INITIALIZE)
            if status == 200:
                return
            seen = f"{status} {body[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            seen = str(error)
        time.sleep(0.05)
    log = scene.proxy.log_tail() if scene.proxy else ""
    raise Failure(f"{scene.peer.name} does not answer initialize: {seen}\n{log}")
