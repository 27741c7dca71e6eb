"""The page of results and its charts."""
import json
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

from harness import charts, publish, workloads

PAGE = """# Title
<!-- recorded: small -->
old
<!-- end of small -->
words
<!-- recorded: churn -->
old
<!-- end of churn -->
"""


def result():
    runs = [{"peer": peer, "repeat": repeat, "failures": {}, "figures": {"cpu_us": value}}
            for repeat in (1, 2) for peer, value in (("nginx", 20.0 + repeat), ("mcplb", 18.0))]
    return {"workloads": [{"name": "small", "title": "Small <calls>", "about": "All of them.",
                           "columns": ["cpu_us"], "ratios": ["nginx"], "runs": runs}]}


class PublishTest(unittest.TestCase):
    def test_what_is_between_markers_is_replaced_and_nothing_else(self):
        page = publish.rewritten(PAGE, result())
        self.assertNotIn("old", page)
        self.assertIn("\nwords\n", page)
        self.assertIn("| mcplb | 18.0 |", page)
        self.assertIn("Not part of this recording.", page)

    def test_publishing_twice_changes_nothing(self):
        page = publish.rewritten(PAGE, result())
        self.assertEqual(publish.rewritten(page, result()), page)

    def test_page_chart_and_result_are_written(self):
        with tempfile.TemporaryDirectory() as folder:
            docs = Path(folder) / "docs"
            docs.mkdir()
            (docs / "performance.md").write_text(PAGE, encoding="utf-8")
            recorded = docs / "result.json"
            recorded.write_text(json.dumps(result()), encoding="utf-8")
            publish.publish(recorded, docs)
            self.assertTrue((Path(folder) / publish.KEPT).is_file())
            chart = (docs / "performance-small.svg").read_text(encoding="utf-8")
            self.assertIn("performance-small.svg", (docs / "performance.md").read_text())
        self.assertIn("Small &lt;calls&gt;", chart)

    def test_where_a_recording_came_from_is_told(self):
        recorded = {
            "date": "2026-01-02T03:04:05Z", "arguments": ["--full"], "missing": ["envoy"],
            "commit": {"id": "0123456789abcdef", "changed": True},
            "machine": {"virtual": True, "cores": 2, "processor": "CPU", "memory_gb": 8.0,
                        "system": "Debian", "kernel": "6.1"},
            "build": {"compiler": "g++ 12", "optimization": "2", "b_lto": False},
            "versions": {"nginx": "nginx/1.22"},
            "configurations": {"nginx": "aa", "nginx-hash": "bb", "mcplb": "cc"}}
        text = publish.section("machine", recorded)
        self.assertIn("`0123456789ab`, with uncommitted changes", text)
        self.assertIn("with `bench/run --full`, on a virtual machine", text)
        self.assertIn("| nginx | nginx/1.22 | `aa`, `bb` |", text)
        self.assertIn("not measured: envoy", text)

    def test_the_page_of_the_project_has_a_place_for_every_workload(self):
        page = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()
        places = {match[2] for match in publish.MARKER.finditer(page)}
        names = {workload.name for workload in workloads.load_all(workloads.MODES["full"])}
        self.assertEqual(places, names | {"machine", "goals"})


class ChartTest(unittest.TestCase):
    def test_bars_are_as_long_as_their_values(self):
        bars = [charts.Bar("a", 10, 9, 20, "10", False), charts.Bar("b", 5, 5, 5, "5", True)]
        root = xml.fromstring(charts.bar_chart("Title", "unit", bars))
        rects = root.findall("{http://www.w3.org/2000/svg}rect")
        longer, shorter = (float(rect.get("width")) for rect in rects)
        self.assertAlmostEqual(longer, 2 * shorter, delta=0.2)
        self.assertEqual(rects[1].get("class"), "bar ours")

    def test_no_bar_leaves_the_picture(self):
        root = xml.fromstring(charts.bar_chart("T", "u", [charts.Bar("a", 1, 0.5, 4, "1", False)]))
        width = float(root.get("width"))
        for line in root.findall("{http://www.w3.org/2000/svg}line"):
            self.assertLessEqual(float(line.get("x2")), width)


if __name__ == "__main__":
    unittest.main()
