"""Runs the load generator, and says when its measuring begins and ends."""
import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Callable

from .processes import Failure, pinned, signal_group, stop


class Load:
    """One run of the load generator. Its process id is known while the hooks run."""

    def __init__(self, program: str, folder: Path, cores: set):
        self.program = program
        self.folder = folder
        self.cores = cores
        self.pid = 0

    def run(self, scenario: dict, on_measuring: Callable, on_measured: Callable) -> dict:
        """Returns the generator's report. The hooks are called at the two moments between which
        it counts."""
        scenario_file = self.folder / "scenario.json"
        scenario_file.write_text(json.dumps(scenario), encoding="utf-8")
        report_file = self.folder / "load.json"
        with open(report_file, "wb") as report, pinned(self.cores):
            process = subprocess.Popen([self.program, str(scenario_file)], stdout=report,
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                       start_new_session=True)
        self.pid = process.pid
        patience = scenario["warmup_seconds"] + scenario["seconds"] + 60
        watchdog = threading.Timer(patience, signal_group, (process, signal.SIGKILL))
        watchdog.start()
        try:
            said = self._follow(process, {"measuring": on_measuring, "measured": on_measured})
            process.wait()
        finally:
            watchdog.cancel()
            stop(process)
        return self._report(process.returncode, report_file, said)

    def _follow(self, process: subprocess.Popen, hooks: dict) -> list[str]:
        said = []
        for line in process.stderr:
            line = line.strip()
            if line in hooks:
                hooks.pop(line)()
            else:
                said = said[-20:] + [line]
        if hooks:
            process.wait()
            raise Failure("\n".join(
                [f"the load generator ended with {process.returncode} and never said: "
                 + ", ".join(hooks), *said]))
        return said

    def _report(self, code: int, report_file: Path, said: list[str]) -> dict:
        text = report_file.read_text(encoding="utf-8")
        try:
            return json.loads(text)
        except ValueError:
            raise Failure("\n".join(
                [f"the load generator ended with {code} and no report", *said])) from None
