"""bench/run itself, with real programs, for some seconds: needs MCPLB_BUILD."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("MCPLB_BUILD", "")


def command(output: Path, *more: str) -> list[str]:
    return [str(ROOT / "bench" / "run"), "--quick", "--only", "small", "--peers", "direct,mcplb",
            "--build", BUILD, "--output", str(output), *more]


def started_with(environment: str) -> list[str]:
    """Command lines of the processes that have this in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if environment in (path / "environ").read_text(errors="replace").split("\0"):
                found.append((path / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found


def interruptible():
    """What a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@unittest.skipUnless(BUILD, "MCPLB_BUILD names no build folder")
class RunTest(unittest.TestCase):
    def test_a_quick_run_measures_checks_and_records(self):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "result.json"
            done = subprocess.run(command(output, "--seconds", "3"), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=90, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            result = json.loads(output.read_text(encoding="utf-8"))
        runs = {run["peer"]: run for run in result["workloads"][0]["runs"]}
        self.assertEqual(set(runs), {"direct", "mcplb"})
        self.assertEqual(runs["mcplb"]["failures"], {})
        self.assertGreater(runs["mcplb"]["report"]["ok"], 0)
        self.assertLessEqual(set(runs["mcplb"]["report"]["servers"]), {"a", "b", "c"})
        self.assertGreater(runs["mcplb"]["figures"]["cpu_us"], 0)
        self.assertGreater(runs["mcplb"]["figures"]["rss_mb"], 0)
        self.assertNotIn("cpu_us", runs["direct"]["figures"])
        self.assertIn("mcplb", result["versions"])
        self.assertIn("requests/s", done.stdout)

    def test_an_interrupt_ends_all_that_was_started_and_keeps_a_result(self):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "result.json"
            mark = f"TMPDIR={folder}"
            with subprocess.Popen(command(output, "--seconds", "60"), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL,
                                  env={**os.environ, "TMPDIR": folder},
                                  preexec_fn=interruptible) as process:
                deadline = time.monotonic() + 30
                while "mcplb_load" not in str(started_with(mark)) and time.monotonic() < deadline:
                    time.sleep(0.05)
                self.assertIn("mcplb_load", str(started_with(mark)))
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(30), 130)
            self.assertEqual(started_with(mark), [])
            self.assertTrue(output.is_file())

    def test_an_unknown_workload_or_peer_is_refused(self):
        for wrong in (["--only", "nonsense"], ["--peers", "nonsense"]):
            done = subprocess.run([str(ROOT / "bench" / "run"), "--build", BUILD, *wrong],
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("nonsense", done.stderr)


if __name__ == "__main__":
    unittest.main()
