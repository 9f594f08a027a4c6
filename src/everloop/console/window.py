"""The page of one window: its metrics as expected and as they were, groups, worst segments."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.loop.project import Project
from everloop.monitor.coverage import read_coverage
from everloop.monitor.windows import Window
from everloop.store.clock import now_ms


class MetricLine(msgspec.Struct, frozen=True):
    """One metric: when the champion was tested, as expected before labels, and with them."""

    name: str
    tested: float | None
    expected: dict[str, Any] | None
    measured: dict[str, Any] | None


class WindowPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME/windows/START.json``."""

    at: int
    window: Window
    metrics: list[MetricLine]
    warnings: list[str]
    blind: str
    labels: str = ""


def read_window(project: Project, endpoint: str, start: int) -> WindowPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    window = project.windows.get(endpoint, start)
    performance = window.performance or {}
    expected = performance.get("expected") or {}
    return WindowPage(
        at=now_ms(),
        window=window,
        metrics=metric_lines(window),
        warnings=list(expected.get("warnings", [])),
        blind=expected.get("blind", ""),
        labels="" if (labels := read_coverage(window)) is None else labels.sentence(),
    )


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
