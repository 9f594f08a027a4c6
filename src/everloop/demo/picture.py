"""The demo's picture: weekly ROC AUC, with the loop and without."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from everloop.console.drawing.charts import line_chart
from everloop.demo.replay import Week
from everloop.demo.streams import Stream

HEIGHT = 10


def write_picture(path: Path, weeks: list[Week], stream: Stream) -> Path:
    """A standalone SVG beside the project's loop file."""
    series: dict[str, list[tuple[float, float]]] = {"with the loop": [], "never updated": []}
    for week in weeks:
        for name, who in (("with the loop", "loop"), ("never updated", "frozen")):
            value = week.auc(who)
            if value is not None:
                series[name].append((float(week.number), value))
    markers = [
        (float(w.number), "promoted")
        for w in weeks
        if w.cycle is not None and w.cycle["verdict"] == "promoted"
    ]
    markers.append((float(stream.fault.week), "injected fault"))
    svg = line_chart(
        series, f"{stream.name}: weekly ROC AUC", "week of the replay", "ROC AUC", markers
    )
    path.write_text(svg, encoding="utf-8")
    return path


def terminal_chart(weeks: list[Week], width: int) -> Text:
    """The same with characters, in ``width`` columns: ● the loop, ○ never updated."""
    gap = " " if 2 * len(weeks) + 10 <= width else ""
    points = [(w.auc("loop"), w.auc("frozen")) for w in weeks]
    values = [v for pair in points for v in pair if v is not None]
    if not values:
        return Text()
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    grid = [[" "] * len(points) for _ in range(HEIGHT)]
    for column, (loop, frozen) in enumerate(points):
        for value, mark in ((frozen, "○"), (loop, "●")):
            if value is not None:
                row = HEIGHT - 1 - round((value - low) / span * (HEIGHT - 1))
                grid[row][column] = mark
    text = Text("\nweekly ROC AUC   ● with the loop   ○ never updated\n", style="bold")
    for index, marks in enumerate(grid):
        label = high - span * index / (HEIGHT - 1)
        text.append(f"{label:>7.3f} │ ", style="dim")
        for mark in marks:
            text.append(mark + gap, style="green" if mark == "●" else "dim")
        text.append("\n")
    text.append(" " * 8 + "└" + "─" * (len(points) * (1 + len(gap))) + "\n", style="dim")
    return text
