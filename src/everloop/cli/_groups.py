"""How groups are treated, as tables."""

from __future__ import annotations

from everloop.cli._output import interval, number, say, table
from everloop.evaluate.fairness.groups import Fairness, Group, Measure


def show_groups(found: Fairness) -> None:
    """Selection rates and accuracy by group; of a target that is not binary its metrics."""
    if found.overall is not None:
        _show_metrics(found, found.overall)
        return
    rows = [
        (g.name, g.rows, *_ends(g.selection_rate), *_ends(g.accuracy)[:1],
         "" if g.judged else "few rows")
        for g in found.groups
    ]  # fmt: skip
    table([" × ".join(found.columns), "rows", "selected", "low", "high", "accuracy", ""], rows)


def _show_metrics(found: Fairness, overall: Group) -> None:
    """How well each group is served."""
    names = list(overall.metrics)
    rows = [
        (g.name, g.rows, *(_told(g.metrics[n]) for n in names), "" if g.judged else "few rows")
        for g in [*found.groups, overall]
    ]
    table([" × ".join(found.columns), "rows", *names, ""], rows)
    for gap in found.gaps:
        within = interval(gap.low, gap.high)
        say(f"{gap.metric}: {gap.highest} and {gap.lowest} are {number(gap.value)} {within} apart")


def _ends(found: Measure | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if found is None else (found.value, found.low, found.high)


def _told(found: Measure) -> str:
    return f"{number(found.value)} {interval(found.low, found.high)}".strip()
