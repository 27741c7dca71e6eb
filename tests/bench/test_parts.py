"""What the harness reads and computes: /proc, strace, workloads, configurations, recovery."""
import os
import re
import unittest

from harness import cli, machine, measure, peers, procfs, recovery, runner, tracing, workloads
from harness.processes import Failure
from harness.procfs import Cpu, TICK_NS


class ProcfsTest(unittest.TestCase):
    def test_a_name_with_spaces_and_parentheses_does_not_shift_the_fields(self):
        stat = "7 (a ) b) S 1 7 7 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 0"
        self.assertEqual(procfs.ticks_of(stat), 42 * TICK_NS)

    def test_a_tree_has_children_of_children(self):
        self.assertEqual(procfs.tree(5, {5: 1, 6: 5, 7: 6, 8: 1}), [5, 6, 7])

    def test_busy_time_is_that_of_processes(self):
        self.assertEqual(procfs.busy_ns("cpu  10 2 3 500 9 9 9 9\ncpu0 1 1 1 1"), 15 * TICK_NS)

    def test_this_process_has_used_time_and_memory(self):
        self.assertGreater(procfs.cpu_of([os.getpid()]).total, 0)
        self.assertGreater(procfs.memory_of([os.getpid()]).rss, 1_000_000)

    def test_a_process_that_ended_has_neither(self):
        self.assertEqual(procfs.cpu_of([2**22 + 1]), Cpu(0, {}))


class MeasureTest(unittest.TestCase):
    def snapshot(self, time_ns, proxy, load, machine_ns):
        return measure.Snapshot(time_ns, Cpu(proxy, {}), 0, load, 0, machine_ns, 0)

    def test_cpu_is_what_was_used_between_the_snapshots_over_what_was_done(self):
        before = self.snapshot(0, 1_000_000, 0, 0)
        after = self.snapshot(1_000_000_000, 3_000_000, 500_000_000, 702_000_000)
        figures = measure.cpu_figures(before, after, (100, 0), 1)
        self.assertEqual(figures["cpu_us"], 20.0)
        self.assertEqual(figures["load_busy_percent"], 50.0)
        self.assertAlmostEqual(figures["others_busy_percent"], 20.0)
        self.assertNotIn("cpu_us_event", figures)

    def test_imbalance_is_of_the_busiest_threads(self):
        self.assertEqual(measure.imbalance({1: 100}, {1: 400, 2: 100, 3: 5}, 2), 1.5)

    def test_streams_that_broke_and_events_that_are_missing_are_failures(self):
        report = {"failures": {"timeout": 2, "closed": 0},
                  "streams": {"broken": 3, "wrong": 0, "expected": 10, "events": 9}}
        self.assertEqual(measure.count_failures(report),
                         {"timeout": 2, "broken stream": 3, "missing event": 1})

    def test_growth_is_shared_by_those_that_were_there(self):
        grown = measure.growth(procfs.Memory(1000, 500), procfs.Memory(9000, 2500), 4)
        self.assertEqual((grown["bytes_per_item"], grown["pss_bytes_per_item"]), (2000, 500))


class TracingTest(unittest.TestCase):
    table = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.300000           3    100000       120 recvfrom
 40.00    0.200000           2     90000           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.500000           2    190000       120 total
"""

    def test_calls_are_read_without_the_sum(self):
        self.assertEqual(tracing.parse_counts(self.table), {"recvfrom": 100000, "sendto": 90000})

    def test_requests_before_the_first_look_are_estimated_from_the_rate(self):
        first, last = tracing.Seen(10.1, 100), tracing.Seen(12.1, 1100)
        self.assertAlmostEqual(tracing.traced_requests(10.0, first, last), 1050)

    def test_an_inexact_count_is_refused(self):
        with self.assertRaises(Failure):
            tracing.traced_requests(8.0, tracing.Seen(10.1, 100), tracing.Seen(12.1, 1100))

    def test_calls_are_for_each_request(self):
        figures = tracing.call_figures({"sendto": 90, "recvfrom": 110}, 50)
        self.assertEqual(figures, {"calls": 4.0, "most": "recvfrom 2.20, sendto 1.80"})


class WorkloadsTest(unittest.TestCase):
    def test_every_workload_is_complete_in_every_mode(self):
        files = len(list(workloads.FOLDER.glob("*.json")))
        for mode in workloads.MODES.values():
            found = workloads.load_all(mode)
            self.assertEqual(len({w.order for w in found}), len(found))
            self.assertLessEqual(len(found), files)
        self.assertEqual(len(workloads.load_all(workloads.MODES["full"])), files)

    def test_a_mode_changes_what_it_names_and_nothing_else(self):
        text = ('{"title": "", "about": "", "measure": "load", "order": 1, "peers": ["nginx"],'
                ' "columns": ["rate"], "scenario": {"streams": {"count": 8, "emit_every_ms": 5}},'
                ' "quick": {"scenario": {"streams": {"count": 1}}}}')
        quick = workloads.parse("x", text, workloads.MODES["quick"])
        self.assertEqual(quick.scenario["streams"], {"count": 1, "emit_every_ms": 5})
        self.assertEqual(quick.scenario["seconds"], 1.0)
        full = workloads.parse("x", text, workloads.MODES["full"])
        self.assertEqual(full.scenario["streams"]["count"], 8)

    def test_repeats_interleave_the_peers(self):
        workload = workloads.load_all(workloads.MODES["default"], ["balancing"])[0]
        jobs = runner.jobs_of(workload, ["a", "b"])
        self.assertEqual([(job.peer, job.repeat) for job in jobs[:3]],
                         [("a", 1), ("b", 1), ("a", 2)])


class PeersTest(unittest.TestCase):
    def test_every_name_in_every_template_is_filled_in(self):
        for peer in peers.PEERS.values():
            values = peers.values_for(peer, ["127.0.0.1:1", "127.0.0.1:2"], 20000)
            values.update(PORT=3, FOLDER="/f", FILE="/f/c", REDIS_PORT=4)
            text = peers.configuration(peer, values)
            text += " ".join(peers.command(peer, "program", values))
            self.assertEqual(re.findall(r"@[A-Z_]+@", text), [], peer.name)
            if peers.KINDS[peer.kind].template:
                self.assertIn("2", text)

    def test_what_a_peer_is_told_changes_its_fingerprint(self):
        prints = {peers.fingerprint(peers.PEERS[name])
                  for name in ("mcplb", "mcplb-hash", "mcplb-2-workers", "nginx", "nginx-hash")}
        self.assertEqual(len(prints), 5)

    def test_peers_are_chosen_by_name_or_program(self):
        names = ["nginx", "nginx-hash", "haproxy", "haproxy-stick", "mcplb"]
        self.assertEqual(peers.select(names, ["nginx", "haproxy-stick"]),
                         ["nginx", "nginx-hash", "haproxy-stick"])
        self.assertEqual(peers.select(names, []), names)


class MachineTest(unittest.TestCase):
    def test_the_proxy_has_cores_of_its_own_where_there_are_enough(self):
        self.assertEqual(machine.plan_cores([0, 1], 1), ({0}, {1}, {1}))
        self.assertEqual(machine.plan_cores([0, 1], 2), ({0, 1}, {0, 1}, {0, 1}))
        self.assertEqual(machine.plan_cores([0, 1, 2, 3], 2), ({0, 1}, {2}, {3}))
        self.assertEqual(machine.plan_cores([5], 1), ({5}, {5}, {5}))


class RecoveryTest(unittest.TestCase):
    def test_calls_failed_until_the_end_of_the_last_step_with_a_failure(self):
        timeline = {"step_ms": 100, "failed": [0] * 10 + [5, 0, 1, 0]}
        self.assertAlmostEqual(recovery.failing_ms(timeline, 1050.0), 250.0)

    def test_nothing_failed_when_no_call_failed_after_the_kill(self):
        self.assertEqual(recovery.failing_ms({"step_ms": 100, "failed": [0] * 20}, 1000.0), 0.0)
        self.assertEqual(recovery.failing_ms({"step_ms": 100, "failed": [1]}, 1000.0), 0.0)

    def test_the_worst_second_is_in_percent_of_one_before(self):
        timeline = {"step_ms": 100, "ok": [50] * 10 + [0] * 5 + [50] * 20}
        self.assertAlmostEqual(recovery.lowest_percent(timeline, 1000.0), 50.0)


class ArgumentsTest(unittest.TestCase):
    def test_a_result_tells_what_changes_its_figures_and_no_path(self):
        arguments = cli.arguments_of(
            ["--full", "--only", "small", "--output", "/o", "--build", "/b"])
        self.assertEqual(cli.said(arguments), ["--full", "--only", "small"])


class ProgressTest(unittest.TestCase):
    def test_what_is_left_follows_what_was_taken(self):
        progress = runner.Progress(left=100.0)
        progress.done(expected=20.0, taken=40.0)
        self.assertEqual(progress.remaining(), 160.0)


if __name__ == "__main__":
    unittest.main()
