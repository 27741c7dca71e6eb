"""Tables from a result, for the terminal and for Markdown. Pure functions of the result."""
from typing import NamedTuple, Optional

from . import goals, stats


class Column(NamedTuple):
    title: str
    digits: int
    scale: float = 1.0


COLUMNS = {
    "cpu_us": Column("CPU µs/request", 1),
    "cpu_us_event": Column("CPU µs/event", 2),
    "rate": Column("requests/s", 0),
    "events_rate": Column("events/s", 0),
    "p50_us": Column("p50 µs", 0),
    "p90_us": Column("p90 µs", 0),
    "p99_us": Column("p99 µs", 0),
    "p999_us": Column("p99.9 µs", 0),
    "event_p50_us": Column("event p50 ms", 1, 0.001),
    "event_p99_us": Column("event p99 ms", 1, 0.001),
    "late_ms": Column("schedule late ms", 1),
    "proxy_busy_percent": Column("core busy %", 0),
    "rss_mb": Column("RSS MB", 1),
    "bytes_per_item": Column("resident bytes each", 0),
    "pss_bytes_per_item": Column("PSS bytes each", 0),
    "calls": Column("system calls/request", 2),
    "most": Column("most of them", 0),
    "imbalance": Column("imbalance", 2),
    "failed_percent": Column("failed %", 2),
    "failed_calls": Column("failed calls", 0),
    "failing_ms": Column("calls failed for ms", 0),
    "lowest_percent": Column("worst second %", 0),
    "sessions_moved": Column("sessions moved", 0),
    "sessions_lost": Column("sessions lost", 0),
}
DISTURBED_PERCENT = 10  # Of one core, by programs that are not part of the measurement.


def number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def figure_text(figure: Optional[stats.Figure], column: Column) -> str:
    """The median, with the spread where there is one."""
    if figure is None:
        return "-"
    shown = [number(value * column.scale, column.digits)
             for value in (figure.median, figure.low, figure.high)]
    if figure.count == 1 or shown[1] == shown[2]:
        return shown[0]
    return f"{shown[0]} ({shown[1]}–{shown[2]})"


def peers_in(runs: list[dict]) -> list[str]:
    return list(dict.fromkeys(run["peer"] for run in runs))


def cell(runs: list[dict], peer: str, name: str) -> str:
    if name == "most":
        texts = [run["figures"]["most"] for run in runs if run["peer"] == peer]
        return texts[0] if texts else "-"
    return figure_text(stats.of_peer(runs, peer, name), COLUMNS[name])


def table(workload: dict, runs: list[dict]) -> list[list[str]]:
    """The head and a row for each peer: its main figure, ratios of that, the rest, failures."""
    main, *others = workload["columns"]
    bases = [base for base in workload["ratios"] if base in peers_in(runs)]
    rows = [["", COLUMNS[main].title] + [f"× {base}" for base in bases]
            + [COLUMNS[name].title for name in others] + ["failures"]]
    for peer in peers_in(runs):
        row = [peer, cell(runs, peer, main)]
        for base in bases:
            ratio = stats.ratio_of(runs, main, peer, base) if peer != base else None
            row.append(figure_text(ratio, Column("", 2)))
        row += [cell(runs, peer, name) for name in others]
        rows.append(row + [failures_text(runs, peer)])
    return rows


def failures_text(runs: list[dict], peer: str) -> str:
    total: dict[str, int] = {}
    for run in runs:
        if run["peer"] == peer:
            for name, count in run["failures"].items():
                total[name] = total.get(name, 0) + count
    return ", ".join(f"{count:,} {name}" for name, count in sorted(total.items())) or "0"


def micro_table(rows: list[dict]) -> list[list[str]]:
    """Whatever the program tells of each operation."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [keys] + [[_plain(row.get(key, "")) for key in keys] for row in rows]


def _plain(value) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def notes(workload: dict, runs: list[dict]) -> list[str]:
    """What a reader has to know before believing the table."""
    found = []
    disturbed = [run for run in runs
                 if run["figures"].get("others_busy_percent", 0) > DISTURBED_PERCENT]
    if disturbed:
        found.append(f"During {len(disturbed)} of {len(runs)} runs other programs used more than "
                     f"{DISTURBED_PERCENT} % of a core.")
    if workload.get("rate"):
        found.append(f"The rate was {workload['rate']:,.0f} calls a second.")
    for left_out in workload.get("left_out", []):
        why = left_out["why"].splitlines()[0] if left_out["why"] else "no reason given"
        found.append(f"{left_out['peer']}, repeat {left_out['repeat']}, was left out: {why}.")
    return found


def terminal(result: dict) -> str:
    parts = []
    for workload in result["workloads"]:
        parts.append(f"\n{workload['title']} ({workload['name']})")
        if workload["runs"]:
            parts.append(aligned(table(workload, workload["runs"])))
        if workload.get("micro"):
            parts.append(aligned(micro_table(workload["micro"])))
        parts += notes(workload, workload["runs"])
    parts.append("\nGoals")
    parts.append(aligned(goals.table(goals.evaluate(result["workloads"]))))
    return "\n".join(parts)
