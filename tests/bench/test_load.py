"""How the harness runs a load generator, with stand-ins for it."""
import stat
import tempfile
import unittest
from pathlib import Path

from harness.load import Load
from harness.processes import Failure

SCENARIO = {"seconds": 1, "warmup_seconds": 0}


class LoadTest(unittest.TestCase):
    def run_stand_in(self, script: str):
        said = []
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "load"
            program.write_text("#!/bin/sh\n" + script, encoding="utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            load = Load(str(program), Path(folder), set())
            report = load.run(SCENARIO, lambda: said.append("begin"), lambda: said.append("end"))
        return report, said

    def test_hooks_are_called_when_it_says_so_and_its_report_is_returned(self):
        report, said = self.run_stand_in(
            'echo opening >&2; echo measuring >&2; echo measured >&2; echo \'{"requests": 5}\'')
        self.assertEqual(report, {"requests": 5})
        self.assertEqual(said, ["begin", "end"])

    def test_the_scenario_is_its_argument(self):
        report, _ = self.run_stand_in('cat "$1"; echo measuring >&2; echo measured >&2')
        self.assertEqual(report, SCENARIO)

    def test_without_a_report_what_it_said_is_told(self):
        with self.assertRaisesRegex(Failure, "ended with 3(.|\n)*no such scenario"):
            self.run_stand_in("echo no such scenario >&2; exit 3")

    def test_measuring_that_never_began_is_a_failure(self):
        with self.assertRaisesRegex(Failure, "never said: measuring, measured"):
            self.run_stand_in("echo '{}'")


if __name__ == "__main__":
    unittest.main()
