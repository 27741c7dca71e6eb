#!/usr/bin/env python3
"""The include graph is the architecture: who may include whom, and which third-party headers.

A floor that does not exist yet stays in the table, so that its first file has a place.
"""
import re

import project
from project import Finding

# floor: (the floors that it may include besides base and itself, the third-party code)
FLOORS = {
    "base": ("", "fmt xxhash"),
    "async": ("", ""),
    "http": ("", "llhttp"),
    "net": ("async", "libuv openssl c-ares"),
    "mcp": ("http", "simdjson openssl"),
    "wire": ("async http net", ""),
    "redis": ("async net", "hiredis"),
    "cluster": ("async http net mcp wire", ""),
    "session": ("async net mcp redis wire cluster", "nlohmann"),
    "proxy": ("async http net mcp wire redis cluster session", "nlohmann"),
    "admin": ("async http net wire cluster session", "nlohmann prometheus"),
    "tracing": ("async net wire", "nlohmann"),
    "config": ("", "yaml-cpp nlohmann"),  # and the settings.hpp of every floor
}
SERVER = "the server level"  # src/*.cpp and src/demo: composes all floors
SERVER_THIRD_PARTY = "nlohmann"  # and CLI11 in cli.*
BENCH = "bench"  # bench/: measures, so it may use every floor's public headers
BENCH_FOLDERS = {"texts", "load", "backend", "relay", "micro"}
BENCH_THIRD_PARTY = "libuv simdjson nlohmann CLI11"

# How third-party headers are recognised.
THIRD_PARTY = {
    "fmt": r"fmt/",
    "xxhash": r"xxh\w*\.h$",
    "llhttp": r"llhttp",
    "libuv": r"uv\.h$|uv/",
    "openssl": r"openssl/",
    "c-ares": r"ares",
    "simdjson": r"simdjson",
    "hiredis": r"hiredis",
    "nlohmann": r"nlohmann/",
    "prometheus": r"prometheus/",
    "yaml-cpp": r"yaml-cpp/",
    "CLI11": r"CLI/",
}
C_HEADER = re.compile(
    r"(?:assert|ctype|emmintrin|errno|inttypes|limits|math|signal|std\w+|string|time)\.h$"
)
IO_HEADER = re.compile(
    r"(?:sys|netinet|arpa|net|linux)/|(?:fcntl|ifaddrs|netdb|poll|resolv|termios|unistd)\.h$"
)
OS_HEADER = re.compile(r"(?:dlfcn|execinfo|getopt|grp|malloc|pthread|pwd|sched|spawn|syslog)\.h$")
NO_IO = {"async", "http", "mcp"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def floor_of(path):
    """The floor of a file in src/ or include/mcplb/, SERVER, BENCH, or None: an unknown folder."""
    parts = path.split("/")
    if parts[0] == "bench":
        return BENCH
    inside = parts[2:] if parts[0] == "include" else parts[1:]
    if parts[0] == "src" and (len(inside) == 1 or inside[0] == "demo"):
        return SERVER
    return inside[0] if len(inside) > 1 and inside[0] in FLOORS else None


def may_include(floor, other, header):
    if other in ("base", floor) or floor in (SERVER, BENCH):
        return True
    if floor == "config":
        return header.endswith("/settings.hpp")
    return other in FLOORS[floor][0].split()


def system_include(path, floor, header):
    """Why the floor may not include <header>, or None."""
    for name, pattern in THIRD_PARTY.items():
        if re.match(pattern, header):
            others = {SERVER: SERVER_THIRD_PARTY, BENCH: BENCH_THIRD_PARTY}
            allowed = FLOORS[floor][1] if floor in FLOORS else others[floor]
            if re.match(r"src/cli\w*\.", path):
                allowed += " CLI11"
            if name in allowed.split():
                return None
            return f"{floor} may not include {name} (<{header}>): see the table of floors"
    if IO_HEADER.match(header):
        return f"{floor} does no I/O: <{header}> belongs into net" if floor in NO_IO else None
    standard = "." not in header and "/" not in header
    if standard or C_HEADER.match(header) or OS_HEADER.match(header):
        return None
    return f"<{header}> is not known: give it a place in tests/tidy/floors.py"


def project_include(path, floor, header):
    """Why the floor may not include "header", or None."""
    parts = header.split("/")
    public = parts[0] == "mcplb"
    other = parts[1] if public and len(parts) > 2 else parts[0]
    if not public and (len(parts) == 1 or parts[0] == "demo") and floor == SERVER:
        return None
    if floor == BENCH and len(parts) > 1 and parts[0] in BENCH_FOLDERS:
        return None
    if other not in FLOORS:
        return f'"{header}": write the include from include/ or src/, as "mcplb/FLOOR/x.hpp"'
    if path.startswith("include/") and not public:
        return f'a public header may not include the private "{header}"'
    if not public and other != floor:
        return f'"{header}" is private to {other}: include a header of include/mcplb/{other}'
    if "cluster/balancers/" in header and floor != "cluster":
        return f'{floor} may not know a concrete balancer ("{header}"): use cluster/balancer.hpp'
    if not may_include(floor, other, header):
        return f'{floor} may not include {other} ("{header}"): see the table of floors'
    return None


def edges(root, folders=("src", "include")):
    """Yields (path, floor, line, bracket, header) of every include in these folders."""
    for path, text in project.files(root, folders, project.CPP):
        text = project.without_comments(text)
        for match in INCLUDE.finditer(text):
            yield path, floor_of(path), project.line_of(text, match.start()), match[1], match[2]


def forbidden_edges(root):
    for path, floor, line, bracket, header in edges(root, ["src", "include", "bench"]):
        if floor is None:
            continue
        rule = system_include if bracket == "<" else project_include
        message = rule(path, floor, header)
        if message:
            yield Finding(path, line, message)


def dead_headers(root):
    """Public headers that no other floor needs, neither directly nor through a public header."""
    headers = {path for path, _ in project.files(root, ["include"], {".hpp"})}
    alive = set()
    within = {}
    for path, floor, _, bracket, header in edges(root):
        target = "include/" + header
        if bracket == '"' and target in headers:
            if floor != floor_of(target):
                alive.add(target)
            elif path in headers:
                within.setdefault(path, set()).add(target)
    todo = list(alive)
    while todo:
        reached = within.get(todo.pop(), set()) - alive
        alive |= reached
        todo += reached
    for path in sorted(headers - alive):
        yield Finding(path, 1, f"no other floor includes this: move it to src/{floor_of(path)}/")


def places(root):
    """Every file is on a known floor, and every floor explains itself in a README.md."""
    found = set()
    for path, _ in project.files(root, ["src", "include"], project.CPP):
        floor = floor_of(path)
        if floor is None:
            yield Finding(path, 1, "this folder is no floor: see the table in tests/tidy/floors.py")
        elif floor != SERVER:
            found.add(floor)
    for floor in sorted(found):
        if not (root / "src" / floor / "README.md").is_file():
            yield Finding(f"src/{floor}/README.md", 1, "is missing: one page about this floor")


def check(root):
    return [*places(root), *forbidden_edges(root), *dead_headers(root)]


if __name__ == "__main__":
    project.main(check)
