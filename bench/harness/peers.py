"""The programs that are measured, and how each of them is set up and started."""
import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

FOLDER = Path(__file__).resolve().parents[1] / "peers"


@dataclass(frozen=True)
class Peer:
    """One way to reach the backends. A peer that does not keep sessions sends the requests of one
    session to several backends; its backends are told to accept every session."""

    name: str
    kind: str
    keeps_sessions: bool = True
    workers: int = 1
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A program. `server` is its configuration's line for one backend; `command` and
    `environment` are filled in like the configuration."""

    program: str
    template: str = ""
    server: str = ""
    command: tuple = ()
    version: tuple = ()
    environment: dict = field(default_factory=dict)
    package: str = ""


KINDS = {
    "direct": Kind(program=""),
    "relay": Kind(
        program="mcplb_bench_relay",
        command=("--listen", "127.0.0.1:@PORT@", "--to", "@FIRST@")),
    "nginx": Kind(
        program="nginx", package="nginx", template="nginx.conf", version=("-v",),
        server="    server @BACKEND@;", command=("-p", "@FOLDER@", "-c", "@FILE@")),
    "haproxy": Kind(
        program="haproxy", package="haproxy", template="haproxy.cfg", version=("-v",),
        server="  server s@NUMBER@ @BACKEND@ check", command=("-db", "-f", "@FILE@")),
    "caddy": Kind(
        program="caddy", package="caddy", template="Caddyfile", version=("version",),
        server="@BACKEND@", command=("run", "--adapter", "caddyfile", "--config", "@FILE@"),
        environment={"GOMAXPROCS": "@WORKERS@", "HOME": "@FOLDER@"}),
    "envoy": Kind(
        program="envoy", template="envoy.yaml", version=("--version",),
        server="            - endpoint: {address: {socket_address: "
        "{address: 127.0.0.1, port_value: @BACKEND_PORT@}}}",
        command=("-c", "@FILE@", "--concurrency", "@WORKERS@", "-l", "error",
                 "--use-dynamic-base-id")),
    "agentgateway": Kind(
        program="agentgateway", template="agentgateway.yaml", version=("--version",),
        server="            - host: @BACKEND@", command=("-f", "@FILE@"),
        environment={"CPU_LIMIT": "@WORKERS@", "RUST_LOG": "error"}),
    "mcplb": Kind(
        program="mcplb", template="mcplb.yaml", version=("version",),
        server='      - {url: "http://@BACKEND@"}', command=("run", "-c", "@FILE@")),
}

NGINX_DEFAULTS = {"BALANCE": "", "BUFFERING": "off", "BUFFERS": ""}
STICK = """  stick-table type string len 64 size 1m expire 30m
  stick match req.hdr(mcp-session-id)
  stick store-response res.hdr(mcp-session-id)"""
MCPLB_DEFAULTS = {"BALANCE": "round_robin", "STORE": ""}
REDIS = 'store: {redis: {url: "redis://127.0.0.1:@REDIS_PORT@/0"}}'


def _nginx(name: str, workers: int = 1, **options: str) -> Peer:
    return Peer(name, "nginx", False, workers, {**NGINX_DEFAULTS, **options})


def _mcplb(name: str, workers: int = 1, **options: str) -> Peer:
    return Peer(name, "mcplb", True, workers, {**MCPLB_DEFAULTS, **options})


PEERS = {
    peer.name: peer
    for peer in [
        Peer("direct", "direct"),
        Peer("relay", "relay"),
        _nginx("nginx"),
        _nginx("nginx-hash", BALANCE="hash $http_mcp_session_id consistent;"),
        _nginx("nginx-64k", BUFFERS="      proxy_buffer_size 64k; proxy_buffers 4 64k;"),
        _nginx("nginx-buffered", BUFFERING="on",
               BUFFERS="      proxy_buffer_size 16k; proxy_buffers 8 16k;"),
        _nginx("nginx-2-workers", workers=2),
        Peer("haproxy", "haproxy", False, options={"STICK": ""}),
        Peer("haproxy-stick", "haproxy", options={"STICK": STICK}),
        Peer("caddy", "caddy", False, options={"BALANCE": "round_robin"}),
        Peer("envoy", "envoy", False),
        Peer("agentgateway", "agentgateway", False),
        _mcplb("mcplb"),
        _mcplb("mcplb-least", BALANCE="least_connections"),
        _mcplb("mcplb-hash", BALANCE="session_hash"),
        _mcplb("mcplb-redis", STORE=REDIS),
        _mcplb("mcplb-2-workers", workers=2),
    ]
}


def fill(text: str, values: dict) -> str:
    """Replaces each @NAME@ that is known; values may name others."""
    for _ in range(2):
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
    return text


def servers(kind: Kind, backends: list[str]) -> str:
    lines = [
        fill(kind.server, {"BACKEND": backend, "BACKEND_PORT": backend.rpartition(":")[2],
                           "NUMBER": number})
        for number, backend in enumerate(backends, 1)
    ]
    return (" " if kind.template == "Caddyfile" else "\n").join(lines)


def values_for(peer: Peer, backends: list[str], files: int) -> dict:
    """What the templates may name. A proxied stream needs two files."""
    kind = KINDS[peer.kind]
    clients = (files - 500) // 2
    return {
        "SERVERS": servers(kind, backends),
        "FIRST": backends[0],
        "WORKERS": peer.workers,
        "FILES": files,
        "CONNECTIONS": files - 100,
        "CLIENTS": clients,
        **peer.options,
    }


def configuration(peer: Peer, values: dict) -> str:
    template = KINDS[peer.kind].template
    return fill((FOLDER / template).read_text(encoding="utf-8"), values) if template else ""


def command(peer: Peer, program: str, values: dict) -> list[str]:
    return [program] + [fill(part, values) for part in KINDS[peer.kind].command]


def fingerprint(peer: Peer) -> str:
    """Names what a peer was told, whatever the ports: two results with the same one compare."""
    text = configuration(peer, values_for(peer, ["127.0.0.1:1", "127.0.0.1:2"], 20000))
    text += repr(KINDS[peer.kind].command)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def find_program(kind: Kind, build: Path) -> Optional[str]:
    """Ours in the build folder, others on PATH (and where Debian puts daemons)."""
    for place in (build / kind.program, build / "bench" / kind.program):
        if place.is_file():
            return str(place)
    return shutil.which(kind.program) or shutil.which(kind.program, path="/usr/sbin")


def select(names: list[str], wanted: list[str]) -> list[str]:
    """The peers of a workload that --peers asks for, by their name or their program's."""
    if not wanted:
        return names
    return [name for name in names if name in wanted or PEERS[name].kind in wanted]
