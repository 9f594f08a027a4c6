"""Whether labels still come as they did: how many rows of a window have one, and how late.

A window is looked at when its labels are due. Its coverage then, and its delays, are compared with
those of the windows before it, each as it was at its own time: coverage must fall, or the delay
grow, clearly beyond all that was seen. One alert for one thing, as everywhere: it is told again
only if it gets worse, or after :data:`~everloop.monitor.episodes.QUIET` windows without it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.monitor.episodes import Episodes, follow
from everloop.monitor.log import PredictionLog
from everloop.monitor.windows import Alert, Window, alert_id
from everloop.store.clock import now_ms

BEFORE = 20  # windows that this one is compared with
LEAST = 5  # of them, before anything is said
FALL = 0.1  # of coverage below the least that was seen
GROWTH = 2.0  # of the delay above the most that was seen
QUANTILES = (0.5, 0.9, 0.99)
MIN_DELAY_MS = 60_000  # shorter delays are not told apart


class Coverage(msgspec.Struct, frozen=True):
    """The labels of one window.

    Attributes
    ----------
    rows, labelled, corrected : rows of the window, those with a label, and those whose label was
        another one before.
    coverage : labelled / rows when the window was first looked at.
    delays : seconds from a prediction to its first label, at :data:`QUANTILES`; empty without any.
    early : labels that came before their prediction, by the clocks.
    episodes : what is under way, for the next window.
    """

    rows: int
    labelled: int
    corrected: int
    coverage: float
    delays: tuple[float, ...] = ()
    early: int = 0
    episodes: Episodes = {}

    def sentence(self) -> str:
        """``270 of 300 rows, 90.0% when due, after 2.1 h at the median; 3 corrected``."""
        parts = [f"{self.labelled:,} of {self.rows:,} rows, {self.coverage:.1%} when due"]
        if self.delays:
            half, most, _ = map(spoken, self.delays)
            parts[0] += f", after {half} at the median and {most} for nine in ten"
        if self.corrected:
            parts.append(f"{self.corrected:,} corrected")
        if self.early:
            parts.append(f"{self.early:,} before their prediction by the clocks")
        return "; ".join(parts)


def look_at_labels(
    log: PredictionLog, window: Window, asked: pl.DataFrame, before: list[Window], min_rows: int
) -> tuple[Coverage, list[Alert]]:
    """The labels of a window, and what is news about them.

    ``asked`` are its rows, as :meth:`PredictionLog.asked` gives them; ``before`` the windows before
    it, newest first.
    """
    history = log.label_history(window.endpoint, asked["id"])
    first = history.group_by("id", maintain_order=True).agg(
        pl.col("at").first().alias("came"),
        (pl.col("label") != pl.col("label").first()).any().alias("corrected"),
        (pl.col("label").last() != "null").alias("there"),
    )
    told = asked.join(first.filter("there"), on="id", how="inner")
    late = (told["came"] - told["at"]).to_numpy() / 1000
    mine = read_coverage(window)
    share = told.height / max(1, asked.height)
    found = Coverage(
        rows=asked.height,
        labelled=told.height,
        corrected=int(told["corrected"].sum()),
        coverage=mine.coverage if mine else round(share, 4),
        delays=tuple(np.quantile(np.maximum(late, 0), QUANTILES).round(3).tolist())
        if len(late)
        else (),
        early=int((late < 0).sum()),
    )
    seen = [c for c in map(read_coverage, before[:BEFORE]) if c is not None]
    worse = {} if asked.height < min_rows else _worse(found, seen)
    episodes, news = follow(
        seen[0].episodes if seen else {}, {n: size for n, (size, _) in worse.items()}, window.start
    )
    alerts = [_alert(window, name, worse[name][1], found, seen) for name in news]
    return msgspec.structs.replace(found, episodes=episodes), alerts


def read_coverage(window: Window) -> Coverage | None:
    """What was found of a window's labels, if they were due."""
    said = (window.performance or {}).get("labels")
    return None if said is None else msgspec.convert(said, Coverage)


def _worse(found: Coverage, seen: list[Coverage]) -> dict[str, tuple[float, str]]:
    """Kind -> how far on a scale of 1, and the sentence."""
    sound = [c for c in seen if not c.episodes]
    worse: dict[str, tuple[float, str]] = {}
    if len(sound) < LEAST:
        return worse
    least = min(c.coverage for c in sound)
    usual = float(np.median([c.coverage for c in sound]))
    if found.coverage < least - max(FALL * usual, 2 * _error(least, found.rows)):
        text = f"labels came for {found.coverage:.1%} of the rows in time, {usual:.1%} before"
        worse["(label coverage)"] = (usual - found.coverage, text)
    known = [c.delays[0] for c in sound if c.delays]
    if found.delays and len(known) >= LEAST:
        most, now = max(known), found.delays[0]
        if now > GROWTH * most and now * 1000 > MIN_DELAY_MS:
            usual = float(np.median(known))
            text = f"labels take {spoken(now)} at the median, {spoken(usual)} before"
            worse["(label delay)"] = (1 - most / now, text)
    return worse


def _error(share: float, rows: int) -> float:
    return float(np.sqrt(max(share * (1 - share), 1e-4) / max(1, rows)))


def spoken(seconds: float) -> str:
    """``90 s``, ``3.2 h``: a duration as people say it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            number = seconds / size
            return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    return f"{seconds:.3g} s"


def _alert(window: Window, name: str, text: str, found: Coverage, seen: list[Coverage]) -> Alert:
    evidence: dict[str, Any] = msgspec.to_builtins(found)
    evidence["before"] = [{"coverage": c.coverage, "delays": list(c.delays)} for c in seen[:BEFORE]]
    return Alert(
        id=alert_id(window.endpoint, window.start, "labels", name),
        endpoint=window.endpoint,
        window=window.start,
        kind="labels",
        severity="warning",
        feature=name,
        summary=text,
        evidence=evidence,
        at=now_ms(),
    )
