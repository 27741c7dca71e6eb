"""Medians, ratios, goals and tables."""
import unittest

from harness import goals, report, stats


def run(peer, repeat, failures=None, **figures):
    return {"peer": peer, "repeat": repeat, "figures": figures, "failures": failures or {}}


RUNS = [
    run("nginx", 1, cpu_us=20.0), run("mcplb", 1, cpu_us=18.0),
    run("nginx", 2, cpu_us=40.0), run("mcplb", 2, cpu_us=32.0),
    run("nginx", 3, cpu_us=21.0), run("mcplb", 3, cpu_us=21.0),
    run("nginx", 4, cpu_us=30.0),
]


class StatsTest(unittest.TestCase):
    def test_a_figure_is_the_median_with_its_spread(self):
        self.assertEqual(stats.figure([3.0, 1.0, 2.0]), (2.0, 1.0, 3.0, 3))
        self.assertEqual(stats.figure([None, 5.0]), (5.0, 5.0, 5.0, 1))

    def test_without_values_there_is_no_figure(self):
        self.assertIsNone(stats.figure([None]))

    def test_ratios_are_of_the_same_repeat_before_the_median_is_taken(self):
        ratio = stats.ratio_of(RUNS, "cpu_us", "mcplb", "nginx")
        self.assertEqual(ratio.median, 0.9)
        self.assertEqual((ratio.low, ratio.high, ratio.count), (0.8, 1.0, 3))

    def test_a_base_of_zero_gives_no_ratio(self):
        self.assertEqual(stats.ratios({1: 5.0}, {1: 0.0}), [])


class GoalsTest(unittest.TestCase):
    def verdict(self, text, workloads):
        return next(v for v in goals.evaluate(workloads) if v.goal.text.startswith(text))

    def test_a_ratio_below_its_limit_is_met(self):
        verdict = self.verdict("CPU of a small call, × nginx", [{"name": "small", "runs": RUNS}])
        self.assertTrue(verdict.is_met)
        self.assertAlmostEqual(verdict.off_percent, 0.0)

    def test_a_rate_below_what_is_wanted_at_least_is_not_met(self):
        runs = [run("haproxy-stick", 1, rate=1000.0), run("mcplb", 1, rate=920.0)]
        verdict = self.verdict("rate of short", [{"name": "churn", "runs": runs}])
        self.assertFalse(verdict.is_met)
        self.assertAlmostEqual(verdict.off_percent, -20.0)

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        verdict = self.verdict("system calls", [])
        self.assertIsNone(verdict.is_met)
        row = goals.table([verdict])[1]
        self.assertEqual(row[-1], "not measured")


class ReportTest(unittest.TestCase):
    workload = {"name": "small", "columns": ["cpu_us", "rate"], "ratios": ["nginx", "relay"]}

    def test_a_row_has_figure_ratio_and_failures(self):
        runs = [run("nginx", 1, cpu_us=20.0, rate=1234.5),
                run("mcplb", 1, {"status 503": 1200}, cpu_us=10.0, rate=5.0)]
        head, nginx, mcplb = report.table(self.workload, runs)
        self.assertEqual(head, ["", "CPU µs/request", "× nginx", "requests/s", "failures"])
        self.assertEqual(nginx, ["nginx", "20.0", "-", "1,234", "0"])
        self.assertEqual(mcplb, ["mcplb", "10.0", "0.50", "5", "1,200 status 503"])

    def test_a_spread_is_shown_where_there_is_one(self):
        column = report.COLUMNS["cpu_us"]
        self.assertEqual(report.figure_text(stats.Figure(2, 1, 3, 3), column), "2.0 (1.0–3.0)")
        self.assertEqual(report.figure_text(stats.Figure(2, 2, 2, 3), column), "2.0")

    def test_markdown_has_a_line_below_its_head(self):
        text = report.markdown([["", "a"], ["x", "1"]])
        self.assertEqual(text, "|  | a |\n|---|---:|\n| x | 1 |")

    def test_a_disturbed_machine_and_what_was_left_out_are_told(self):
        runs = [run("nginx", 1, others_busy_percent=50.0), run("nginx", 2)]
        workload = {"left_out": [{"peer": "caddy", "repeat": 1, "why": "it ended\nlog"}]}
        disturbed, left_out = report.notes(workload, runs)
        self.assertIn("1 of 2 runs", disturbed)
        self.assertEqual(left_out, "caddy, repeat 1, was left out: it ended.")


if __name__ == "__main__":
    unittest.main()
