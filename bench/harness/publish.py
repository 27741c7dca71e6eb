"""Makes the tables and charts of docs/performance.md from a recorded result. The words of the
page are written by hand; what lies between two markers is replaced."""
import json
import re
import shutil
from pathlib import Path
from typing import Optional

from . import goals, report, stats
from .charts import Bar, bar_chart

PAGE = "performance.md"
MORE_IS_BETTER = ("rate", "events_rate")
CHARTED = ("small", "large", "events", "churn", "modern", "latency", "streams", "fanout")
KEPT = Path("bench/results/published.json")  # The result that the page shows.
MARKER = re.compile(
    r"(<!-- recorded: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def chart_of(workload: dict) -> Optional[str]:
    """None when nothing was measured that a bar could show."""
    main = workload["columns"][0]
    column = report.COLUMNS[main]
    bars = []
    for peer in report.peers_in(workload["runs"]):
        figure = stats.of_peer(workload["runs"], peer, main)
        if figure:
            scaled = [value * column.scale for value in figure[:3]]
            bars.append(Bar(peer, *scaled, text=report.number(scaled[0], column.digits),
                            is_ours=peer.startswith("mcplb")))
    better = "more" if main in MORE_IS_BETTER else "less"
    unit = f"{column.title}; {better} is better"
    return bar_chart(workload["title"], unit, bars) if bars else None


def machine_text(result: dict) -> str:
    machine, commit, build = result["machine"], result["commit"], result["build"]
    changed = ", with uncommitted changes" if commit["changed"] else ""
    kind = "a virtual machine" if machine["virtual"] else "a machine"
    lines = [
        f"Recorded on {result['date']} from commit `{commit['id'][:12]}`{changed}, "
        f"with `{' '.join(['bench/run', *result['arguments']])}`, on {kind} with "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, "
        f"{machine['system']}, "
        f"kernel {machine['kernel']}. mcplb was built with {build.get('compiler')}, "
        f"optimization {build.get('optimization')}, LTO {build.get('b_lto')}.", "",
        "| program | version | configuration |", "|---|---|---|",
    ]
    for name, version in sorted(result["versions"].items()):
        prints = sorted({mark for peer, mark in result["configurations"].items()
                         if peer == name or peer.startswith(name + "-")})
        lines.append(f"| {name} | {version} | {', '.join(f'`{mark}`' for mark in prints)} |")
    missing = result.get("missing", [])
    if missing:
        lines += ["", f"Not installed there, and so not measured: {', '.join(missing)}."]
    return "\n".join(lines)


def section(name: str, result: dict) -> str:
    """The text between the markers of that name."""
    if name == "machine":
        return machine_text(result)
    if name == "goals":
        return report.markdown(goals.table(goals.evaluate(result["workloads"])))
    workload = next((w for w in result["workloads"] if w["name"] == name), None)
    if workload is None or not (workload["runs"] or workload.get("micro")):
        return "Not part of this recording."
    if workload.get("micro"):
        return report.markdown(report.micro_table(workload["micro"]))
    parts = [workload["about"], ""]
    if name in CHARTED:
        parts += [f"![{workload['title']}](performance-{name}.svg)", ""]
    parts.append(report.markdown(report.table(workload, workload["runs"])))
    parts += [f"\n{note}" for note in report.notes(workload, workload["runs"])]
    return "\n".join(parts)


def rewritten(page: str, result: dict) -> str:
    return MARKER.sub(lambda m: f"{m[1]}{section(m[2], result)}\n{m[3]}", page)


def publish(result_file: Path, docs: Path) -> list[Path]:
    """Writes the page and its charts; returns what was written."""
    result = json.loads(result_file.read_text(encoding="utf-8"))
    page = docs / PAGE
    page.write_text(rewritten(page.read_text(encoding="utf-8"), result), encoding="utf-8")
    written = [page]
    for workload in result["workloads"]:
        chart = chart_of(workload) if workload["name"] in CHARTED else None
        if chart:
            path = docs / f"performance-{workload['name']}.svg"
            path.write_text(chart, encoding="utf-8")
            written.append(path)
    kept = docs.parent / KEPT
    kept.parent.mkdir(parents=True, exist_ok=True)
    if kept != result_file.resolve():
        shutil.copyfile(result_file, kept)
    return written + [kept]
