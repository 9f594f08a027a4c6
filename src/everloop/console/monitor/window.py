"""The page of one window: its metrics as expected and as they were, groups, worst segments."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.loop.project import Project
from everloop.monitor.coverage import read_coverage
from everloop.monitor.windows import Window
from everloop.store.clock import now_ms
from everloop.store.tables import windows


class MetricLine(msgspec.Struct, frozen=True):
    """One metric: when the champion was tested, as expected before labels, and with them."""

    name: str
    tested: float | None
    expected: dict[str, Any] | None
    measured: dict[str, Any] | None


class WindowPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME/windows/START.json``; with its neighbours."""

    at: int
    window: Window
    metrics: list[MetricLine]
    warnings: list[str]
    blind: str
    labels: str = ""
    older: int | None = None
    newer: int | None = None


def read_window(project: Project, endpoint: str, start: int) -> WindowPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    window = project.windows.get(endpoint, start)
    performance = window.performance or {}
    expected = performance.get("expected") or {}
    older, newer = _beside(project, endpoint, start)
    return WindowPage(
        at=now_ms(),
        window=window,
        metrics=metric_lines(window),
        warnings=list(expected.get("warnings", [])),
        blind=expected.get("blind", ""),
        labels="" if (labels := read_coverage(window)) is None else labels.sentence(),
        older=older,
        newer=newer,
    )


def _beside(project: Project, endpoint: str, start: int) -> tuple[int | None, int | None]:
    """The starts of the windows before and after it."""
    of = windows.c.endpoint == endpoint
    older = sa.select(sa.func.max(windows.c.start)).where(of, windows.c.start < start)
    newer = sa.select(sa.func.min(windows.c.start)).where(of, windows.c.start > start)
    with project.db.read() as conn:
        return conn.scalar(older), conn.scalar(newer)


def metric_lines(window: Window) -> list[MetricLine]:
    """Every metric that was estimated or measured."""
    performance = window.performance or {}
    real = performance.get("metrics", {})
    expected = (performance.get("expected") or {}).get("metrics", {})
    return [
        MetricLine(
            name,
            (real.get(name) or expected[name])["tested"],
            expected.get(name),
            real.get(name),
        )
        for name in dict.fromkeys([*real, *expected])
    ]
