#!/usr/bin/env python3
"""Prints the files that match glob patterns, one per line and sorted, relative to the project.

Meson has no globbing of its own. A pattern that starts with '!' takes files away again.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def matching(patterns):
    found = set()
    for pattern in patterns:
        paths = [path for path in ROOT.glob(pattern.lstrip("!")) if path.is_file()]
        files = {path.relative_to(ROOT).as_posix() for path in paths}
        found = found - files if pattern.startswith("!") else found | files
    return sorted(found)


if __name__ == "__main__":
    print("\n".join(matching(sys.argv[1:])))
