"""The command line of bench/run."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from . import machine, peers, publish, report, workloads
from .lab import Lab
from .processes import Failure, raise_file_limit
from .runner import Runner, say
from .workloads import MODES, Workload

ROOT = machine.ROOT
PACKAGES = ("nginx", "haproxy", "caddy", "redis-server", "strace")
PROGRAMS = ("mcplb", "mcplb_load", "mcplb_bench_backend", "mcplb_bench_relay", "mcplb_micro")


def arguments_of(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures mcplb beside other load balancers, on loopback.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", dest="mode", action="store_const", const="quick",
                      default="default", help="a look, in one or two minutes")
    mode.add_argument("--full", dest="mode", action="store_const", const="full",
                      help="for records: about an hour")
    parser.add_argument("--only", metavar="NAME,…", help="only these workloads")
    parser.add_argument("--peers", metavar="NAME,…", help="only these peers, or their programs")
    parser.add_argument("--seconds", type=float, help="how long each measurement lasts")
    parser.add_argument("--repeats", type=int, help="how often each one is made")
    parser.add_argument("--build", type=Path, help="a build folder with -Dbench=true, used as it "
                        "is; without it, build/bench is built")
    parser.add_argument("--install", action="store_true",
                        help=f"install the Debian packages {', '.join(PACKAGES)}")
    parser.add_argument("--no-pin", action="store_true", help="let the system choose the cores")
    parser.add_argument("--output", type=Path, help="where the result goes instead of "
                        "bench/results")
    parser.add_argument("--list", action="store_true", help="list workloads and peers")
    parser.add_argument("--publish", type=Path, metavar="RESULT.json",
                        help="measure nothing: make docs/performance.md and its charts from this")
    return parser.parse_args(argv)


def names(text) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def chosen_workloads(arguments: argparse.Namespace) -> list[Workload]:
    wanted = names(arguments.only)
    found = workloads.load_all(MODES[arguments.mode], wanted)
    unknown = set(wanted) - {workload.name for workload in found}
    if unknown:
        raise Failure(f"no workload {', '.join(sorted(unknown))}; --list names them")
    return [_adjusted(workload, arguments) for workload in found]


def _adjusted(workload: Workload, arguments: argparse.Namespace) -> Workload:
    if arguments.seconds:
        workload = replace(workload, scenario={**workload.scenario, "seconds": arguments.seconds})
    if arguments.repeats:
        workload = replace(workload, repeats=arguments.repeats)
    return workload


def check_peers(wanted: list[str]) -> None:
    unknown = [name for name in wanted if name not in peers.PEERS and name not in peers.KINDS]
    if unknown:
        raise Failure(f"no peer {', '.join(unknown)}; --list names them")


def build() -> Path:
    """build/bench, brought up to date."""
    folder = ROOT / "build" / "bench"
    script = (f'root={ROOT}; source "$root/.ci/common.sh"; '
              'install_missing "${build_packages[@]}"; '
              "configure bench gcc g++ -Dbench=true -Dtests=false && "
              f"ninja -C {folder} {' '.join(PROGRAMS)}")
    log = ROOT / "build" / "logs" / "bench-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say("Building (the first time takes some minutes)")
    with open(log, "wb") as output:
        done = subprocess.run(["bash", "-c", script], stdout=output, stderr=output, check=False)
    if done.returncode:
        raise Failure(f"the build failed: {log} says why")
    return folder


def install() -> None:
    script = f'root={ROOT}; source "$root/.ci/common.sh"; install_missing {" ".join(PACKAGES)}'
    subprocess.run(["bash", "-c", script], stdout=sys.stderr, check=True)


def print_list() -> None:
    print("Workloads:")
    for workload in workloads.load_all(MODES["default"]):
        print(f"  {workload.name:16} {workload.title}: {', '.join(workload.peers) or 'mcplb'}")
    print("Peers:\n  " + ", ".join(peers.PEERS))


class Availability:
    """Which peers of a workload can be measured here."""

    def __init__(self, wanted: list[str], folder: Path):
        self.wanted = wanted
        self.there = {name for name, kind in peers.KINDS.items()
                      if not kind.program or peers.find_program(kind, folder)}
        self.missing: set[str] = set()

    def peers_of(self, workload: Workload) -> list[str]:
        chosen = peers.select(workload.peers, self.wanted)
        self.missing |= {peers.PEERS[name].kind for name in chosen} - self.there
        return [name for name in chosen if peers.PEERS[name].kind in self.there]


def entry_of(workload: Workload, measured: dict) -> dict:
    return {"name": workload.name, "title": workload.title, "about": workload.about,
            "columns": workload.columns, "ratios": workload.ratios,
            "scenario": workload.scenario, **measured}


def warn_if_unfit(result: dict) -> None:
    """What makes figures say little."""
    load, cores = result["machine"]["load_at_start"], result["machine"]["cores"]
    if load > 0.3 * cores:
        say(f"The machine is busy (load average {load:.1f}): figures will be noisy.")
    build = result["build"]
    if build.get("optimization", "2") not in ("2", "3", "s") or build.get("b_sanitize") != "none":
        say("This build is not optimized, or carries sanitizers: figures will be too high.")


def choose_cores(arguments: argparse.Namespace) -> list[int]:
    """The cores to measure on; the harness itself keeps off the first one, which is the proxy's."""
    usable = sorted(os.sched_getaffinity(0))
    if arguments.no_pin:
        return []
    os.sched_setaffinity(0, usable[1:] or usable)
    return usable


def said(arguments: argparse.Namespace) -> list[str]:
    """The arguments that change figures, without paths of this machine."""
    mode = [] if arguments.mode == "default" else [f"--{arguments.mode}"]
    for name in ("only", "peers", "seconds", "repeats"):
        value = getattr(arguments, name)
        mode += [f"--{name}", str(value)] if value else []
    return mode + (["--no-pin"] if arguments.no_pin else [])


def run(arguments: argparse.Namespace) -> int:
    check_peers(names(arguments.peers))
    chosen = chosen_workloads(arguments)
    if arguments.install:
        install()
    folder = arguments.build.resolve() if arguments.build else build()
    result = {"format": 1, "date": machine.now(), "mode": arguments.mode,
              "arguments": said(arguments),
              "commit": machine.commit(), "machine": machine.describe(),
              "build": machine.build_of(folder)}
    warn_if_unfit(result)
    available = Availability(names(arguments.peers), folder)
    scratch = Path(tempfile.mkdtemp(prefix="mcplb-bench-"))
    lab = Lab(folder, scratch, choose_cores(arguments), raise_file_limit())
    runner = Runner(lab, chosen, available.peers_of)
    code = 0
    try:
        lab.check()
        runner.run()
    except KeyboardInterrupt:
        say("Interrupted: what was measured until now follows.")
        code = 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    by_name = {workload.name: workload for workload in chosen}
    result["workloads"] = [entry_of(by_name[entry["name"]], entry) for entry in runner.results]
    result["missing"] = sorted(available.missing)
    measured = {run["peer"] for entry in runner.results for run in entry["runs"]}
    result["versions"] = machine.versions(sorted({peers.PEERS[p].kind for p in measured}), folder)
    result["configurations"] = {p: peers.fingerprint(peers.PEERS[p]) for p in sorted(measured)}
    write(result, arguments.output)
    return code or exit_code(runner.results)


def exit_code(results: list[dict]) -> int:
    """1 when something that was to be measured could not be."""
    return 1 if any(entry["left_out"] for entry in results) else 0


def write(result: dict, output) -> None:
    if not output:
        name = result["date"].replace(":", "") + f"-{result['mode']}.json"
        output = ROOT / "bench" / "results" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(report.terminal(result))
    if result["missing"]:
        print(f"\nNot installed: {', '.join(result['missing'])} (--install gets Debian's)")
    print(f"\nThe result is in {output}")


def on_terminate(number, frame) -> None:
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    arguments = arguments_of(argv)
    signal.signal(signal.SIGTERM, on_terminate)
    try:
        if arguments.list:
            print_list()
        elif arguments.publish:
            for path in publish.publish(arguments.publish, ROOT / "docs"):
                print(path)
        else:
            return run(arguments)
    except Failure as failure:
        print(f"bench/run: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
