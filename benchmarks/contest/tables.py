"""What was measured, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

from contest.judging import corrected

Row = dict[str, Any]  # of one set and one hold-out of it


def best_of(scores: dict[str, float]) -> str:
    return max(scores, key=lambda name: scores[name])


def one_hold_out(rows: Sequence[Row], title: str) -> Table:
    """Each set by itself, with intervals by resampled rows."""
    names = "set|best default||same rows|everloop|95 %|model|above|FLAML|above"
    table = Table(*names.split("|"), title=title, box=None)
    for row in rows:
        best = best_of(row["defaults"])
        table.add_row(
            row["set"],
            best,
            f"{row['defaults'][best]:.3f}",
            f"{max(row['same_rows'].values()):.3f}",
            f"{row['everloop']:.3f}",
            span(row["interval"]),
            row["algorithm"],
            span(row["above"]),
            f"{row['flaml']:.3f}" if "flaml" in row else "-",
            span(row.get("above_flaml")),
        )
    return table


def several(rows: Sequence[Row], title: str, held_out: float) -> tuple[Table, str]:
    """Means over the hold-outs of each set; the best default is the best on average."""
    names = "set|best default||same rows||everloop|above|95 %|above same rows|95 %|FLAML|above|95 %"
    table = Table(*names.split("|"), title=title, box=None)
    above: dict[str, list[tuple[float, tuple[float, float]]]] = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        sides = {kind: means([row[kind] for row in own]) for kind in ("defaults", "same_rows")}
        ours = float(np.mean([row["everloop"] for row in own]))
        cells = [name]
        differences = {}
        for kind, scores in sides.items():
            best = best_of(scores)
            cells += [best, f"{scores[best]:.4f}"]
            differences[kind] = [row["everloop"] - row[kind][best] for row in own]
        if all("flaml" in row for row in own):
            differences["FLAML"] = [row["everloop"] - row["flaml"] for row in own]
        told = {
            kind: (float(np.mean(d)), corrected(d, held_out)) for kind, d in differences.items()
        }
        cells.append(f"{ours:.4f}")
        for kind, (middle, bounds) in told.items():
            flaml = [f"{ours - middle:.4f}"] if kind == "FLAML" else []
            cells += [*flaml, f"{middle:+.4f}", span(bounds, 4)]
            above.setdefault(kind, []).append((middle, bounds))
        table.add_row(*cells)
    return table, "\n".join(counted(kind, found) for kind, found in above.items())


LINEAR = ("logistic", "ridge")  # one side, by the task


def each_default(rows: Sequence[Row], held_out: float) -> Table:
    """Beside each default kept for all sets, as one without hindsight would have it."""
    names = "always this default|better on|surely|surely worse on|mean above|above same rows"
    table = Table(*names.split("|"), box=None)
    sets = [[r for r in rows if r["set"] == name] for name in dict.fromkeys(r["set"] for r in rows)]
    common = [n for n in sets[0][0]["defaults"] if n not in LINEAR]
    for name in ("linear", *(n for n in common if all(n in own[0]["defaults"] for own in sets))):
        above = [[row["everloop"] - _of(row["defaults"], name) for row in own] for own in sets]
        same = [[row["everloop"] - _of(row["same_rows"], name) for row in own] for own in sets]
        bounds = [corrected(differences, held_out) for differences in above]
        table.add_row(
            name,
            f"{sum(np.mean(d) > 0 for d in above)} of {len(sets)}",
            f"{sum(low > 0 for low, _ in bounds)}",
            f"{sum(high < 0 for _, high in bounds)}",
            f"{np.mean([np.mean(d) for d in above]):+.4f}",
            f"{np.mean([np.mean(d) for d in same]):+.4f}",
        )
    return table


def _of(scores: dict[str, float], name: str) -> float:
    """Of a default; the linear one is called by the task."""
    return scores[name] if name in scores else next(scores[n] for n in LINEAR if n in scores)


def means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([scores[name] for scores in found])) for name in found[0]}


def counted(kind: str, found: Sequence[tuple[float, tuple[float, float]]]) -> str:
    """On how many sets everloop is better or equal, and on how many it is surely so."""
    better = sum(middle > 0 for middle, _ in found)
    surely = sum(low > 0 for _, (low, _) in found)
    worse = sum(high < 0 for _, (_, high) in found)
    equal = sum(middle == 0 for middle, _ in found)
    said = f"better on {better} of {len(found)} (surely on {surely}), equal on {equal}"
    return f"against {kind.replace('_', ' ')}: {said}, surely worse on {worse}"


def span(found: Any, digits: int = 3) -> str:
    return "-" if found is None else "[{:+.{d}f}, {:+.{d}f}]".format(*found, d=digits)
