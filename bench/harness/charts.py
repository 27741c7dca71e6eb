"""Bar charts as SVG, written by hand: they follow the reader's light or dark scheme."""
from html import escape
from typing import NamedTuple

WIDTH = 720
LABELS = 150  # Width of the column of names.
VALUES = 150  # And of the one of figures.
ROW = 28
TOP = 50

STYLE = """<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .unit, .spread-text { fill: #59636e; }
  .bar { fill: #9aa7b4; }
  .ours { fill: #1a7f5a; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  .axis { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .unit, .spread-text { fill: #9198a1; }
    .bar { fill: #57626e; }
    .ours { fill: #3fb68b; }
    .spread { stroke: #f0f6fc; }
    .axis { stroke: #3d444d; }
  }
</style>"""


class Bar(NamedTuple):
    label: str
    value: float
    low: float
    high: float
    text: str
    is_ours: bool


def bar_chart(title: str, unit: str, bars: list[Bar]) -> str:
    """A bar for each median, with a line from the least to the greatest."""
    height = TOP + ROW * len(bars) + 12
    top_value = max((bar.high for bar in bars), default=0) or 1
    scale = (WIDTH - LABELS - VALUES) / top_value
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        STYLE,
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        f'<text class="unit" x="8" y="38">{escape(unit)}</text>',
        f'<line class="axis" x1="{LABELS}" y1="{TOP - 4}" x2="{LABELS}" y2="{height - 8}"/>',
    ]
    for row, bar in enumerate(bars):
        parts += _bar(bar, TOP + row * ROW, scale)
    return "\n".join(parts + ["</svg>", ""])


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    end = LABELS + bar.value * scale
    low, high = LABELS + bar.low * scale, LABELS + bar.high * scale
    middle = y + 9
    kind = "bar ours" if bar.is_ours else "bar"
    parts = [
        f'<text x="{LABELS - 8}" y="{middle + 5}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{max(0.0, end - LABELS):.1f}" '
        'height="18" rx="2"/>',
    ]
    if high > low:
        parts.append(f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" '
                     f'y2="{middle}"/>')
    parts.append(f'<text x="{max(end, high) + 8:.1f}" y="{middle + 5}">{escape(bar.text)}</text>')
    return parts
