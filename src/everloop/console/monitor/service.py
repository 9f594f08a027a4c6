"""Traffic, latency and errors of an endpoint over its windows, as drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from everloop.console.drawing.charts import Points, line_chart
from everloop.monitor.health import Health

SIZE = (560, 230)


def service_charts(health: Sequence[Health]) -> list[Markup]:
    """Charts over time, of windows that come newest first; none of fewer than two.

    That of failed requests comes where there were any.
    """
    windows = list(reversed(health))
    if len(windows) < 2:
        return []
    times = [float(window.start) for window in windows]

    def over(values: Sequence[float | None]) -> Points:
        return list(zip(times, values, strict=True))

    failed: dict[str, Points] = {}
    if any(window.error_rate for window in windows):
        failed["errors"] = over([w.error_rate for w in windows])
    if any(window.shed_rate for window in windows):
        failed["refused"] = over([w.shed_rate for w in windows])
    charts = [
        _chart("Requests a second", "", {"requests": over([w.per_second for w in windows])}),
        _chart(
            "Latency", "ms",
            {"p50": over([w.p50_ms for w in windows]), "p99": over([w.p99_ms for w in windows])},
        ),
    ]  # fmt: skip
    return [*charts, _chart("Share of failed requests", "", failed)] if failed else charts


def _chart(title: str, unit: str, series: Mapping[str, Points]) -> Markup:
    return Markup(line_chart(series, title, "", unit, x_kind="time", standalone=False, size=SIZE))
